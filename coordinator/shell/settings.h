/*
 * coordinator.yaml: where the coordinator keeps what it knows, who it trusts, where it listens.
 */
#pragma once

#include "arena.h"
#include "config.h"
#include "log_settings.h"

/* What a gate may run on this host; a plan only names it. */
typedef struct GateCommand {
    const char *name;
    StrList argv;
} GateCommand;

/* Where gates' queries are asked; a plan's author chooses the query only. */
typedef struct PrometheusSettings {
    const char *url;         /* NULL = there is none */
    const char *bearer_path; /* a file with a token for the Authorization header; NULL = none */
    const char *ca_path;     /* NULL = the system's certificates */
} PrometheusSettings;

/* Where events are sent: a webhook (url) or a command (argv). */
typedef struct SinkSettings {
    const char *name;
    const char *url; /* NULL: a command */
    const char *secret_path;
    const char *ca_path; /* NULL = the system's */
    StrList argv;
    StrList events; /* patterns of types; none = all */
    uint64_t timeout_ms;
    int64_t attempts;
    uint64_t max_age_ms;
    uint64_t retry_ms; /* the first pause after a failure */
} SinkSettings;

typedef struct Settings {
    const char *name;
    const char *key_path;   /* NAME.key: Ed25519 and CURVE */
    const char *trust_path; /* pinned */
    const char *state_path; /* directory: journal.sqlite, blobs/ */
    const char *listen;     /* tcp://0.0.0.0:7433, ipc://... */
    uint64_t heartbeat_ms;
    uint64_t silence_deadline_ms; /* told to agents: after that they start no step */
    uint64_t agent_deadline_ms;   /* an agent not heard of for so long is down */
    uint64_t inventory_limit_ms;  /* shards that were listed longer ago are not planned */
    uint64_t plan_ttl_ms;         /* until an approved plan may be started */
    int64_t approvals_min;        /* no plan may ask for fewer */
    ConfigList gate_commands;     /* of GateCommand */
    PrometheusSettings prometheus;
    ConfigList webhooks;       /* of SinkSettings */
    ConfigList event_commands; /* of SinkSettings */
    LogSettings log;
} Settings;

/* Reads and checks the file. Texts live in `arena`. ERR_CONFIG tells every problem. */
ErrCode settings_load(Arena *arena, const char *path, Settings *ret_settings,
                      Error *err) MUST_CHECK;
/* The keys, one a line, for --help. */
void settings_describe(Str *out);
