/*
 * The agents: which keys the operators have admitted, and who of them is there.
 *
 * The newest serial for a name wins, a key never changes its name, and a revoked key never comes
 * back. Admissions are the fold of the journal; what an agent has said is lost with the process.
 */
#pragma once

#include "admission.h"
#include "message.h"
#include "zsock.h"

enum { ROSTER_OLD_BOOTS = 8 };

typedef struct RosterAgent {
    PublicKeyInfo key; /* its name is the agent's */
    uint64_t serial;
    bool revoked;
    char *reason; /* owned */
    char admitted_by[KEY_ID_TEXT_SIZE];

    /* As it said itself, since this process started. */
    bool connected;
    bool lost; /* sending found it gone; the next turn says so */
    ZRoute route;
    BootNonce boot; /* nil: not heard of */
    BootNonce old_boots[ROSTER_OLD_BOOTS];
    unsigned old_boot_count;
    uint64_t sequence_seen;
    uint64_t sequence_sent;
    uint64_t uptime_ms; /* at uptime_at_ms on our clock */
    uint64_t uptime_at_ms;
    uint64_t heard_ms;
    uint64_t heard_unix_ms; /* 0: never */
    uint64_t sent_ms;
    uint64_t epoch_seen; /* the highest coordinator epoch it has accepted */
    bool admitted_now;   /* in this life: what its ledger has seen may be of us */
    bool epoch_taken;    /* it had served our epoch before we said a word: another life of this
                            journal has it */
    uint32_t jobs_running;
    uint64_t records;       /* that its words have led to, since: */
    uint64_t records_at_ms; /* 0: not counted yet */
    bool muted;             /* ... too many of them: not heard until an hour is over */
    char host[KEY_NAME_SIZE];
    char version[64];
} RosterAgent;

typedef struct Roster Roster;

Roster *roster_new(const Trust *trust); /* borrows; returns owned */
void roster_free(Roster *roster);

/* ERR_STALE: an older or equal serial. ERR_REFUSED: the key has another name, was revoked, or its
 * CURVE half is somebody else's. Nothing changed then. The agent's pointer stays. */
ErrCode roster_admit(Roster *roster, const Admission *admission, RosterAgent **ret_agent,
                     Error *err) MUST_CHECK;

size_t roster_count(const Roster *roster);
RosterAgent *roster_at(const Roster *roster, size_t index);       /* in order of arrival */
RosterAgent *roster_find(const Roster *roster, const char *name); /* or NULL; a revoked one too */

/* A fresh boot: ERR_STALE when the nonce is one the agent has had before. */
ErrCode roster_new_boot(RosterAgent *agent, const BootNonce *boot, Error *err) MUST_CHECK;
