/*
 * The line to the coordinator: a DEALER that says HELLO until it is welcomed and again after
 * silence, believes only what command_guard.h lets through, and signs what the agent says.
 *
 * An epoch higher than the highest seen is written to the ledger before the command that brought
 * it is acted on; what arrives meanwhile waits in order.
 */
#pragma once

#include "ledger.h"
#include "message.h"
#include "trust.h"

typedef struct Bus Bus;

typedef struct BusSettings {
    uv_loop_t *loop;
    void *zmq;
    const char *endpoint;
    const uint8_t *server_public; /* the coordinator's CURVE key */
    const SecretKey *key;
    const Trust *trust;
    Ledger *ledger;
    const char *agent;
    const char *host;
    /* A command that is believed, but for heartbeats. Borrowed until it returns. */
    void (*on_command)(void *context, const Command *command);
    /* For HELLO; lives until the call returns. */
    const ClusterInfo *(*clusters)(void *context, size_t *ret_count);
    uint32_t (*jobs_running)(void *context);
    void *context;
} BusSettings;

/* Borrows everything the settings point to, but copies texts. Returns owned. */
ErrCode bus_open(const BusSettings *settings, Bus **ret_bus, Error *err) MUST_CHECK;
void bus_close(Bus *bus); /* NULL-safe */

bool bus_is_welcome(const Bus *bus);
/* Since the last command that was believed (or the start). */
uint64_t bus_silent_ms(const Bus *bus);
/* The coordinator's word from its Welcome; 0 before. */
uint64_t bus_silence_deadline_ms(const Bus *bus);
void bus_set_trust(Bus *bus, const Trust *trust);

/* Sent with others of the same turn; copied. A later report on the same job replaces one that has
 * not been sent. Lost when there is no line: the coordinator asks again. */
void bus_report_job(Bus *bus, const JobReport *report);
/* The fields that every report has are filled in. ERR_BUSY and ERR_CONNECT: not sent. */
ErrCode bus_send(Bus *bus, Report *report, Error *err) MUST_CHECK;
