/*
 * agent.yaml: who the agent is, whom it trusts, and which clusters it looks after.
 */
#pragma once

#include "config.h"
#include "log_settings.h"
#include "pg.h"

enum { CLUSTER_KEYWORDS_MAX = 8 };

/* A shard named in the file: a database, or one schema of it. */
typedef struct ShardSettings {
    const char *database;
    const char *schema; /* '' = the whole database */
    LabelList labels;
} ShardSettings;

typedef struct ClusterSettings {
    const char *name;
    const char *host; /* a directory of a unix socket, or an address; NULL with a service */
    int64_t port;
    const char *user;         /* NULL with a service */
    const char *service;      /* of libpq's service file: says all of the above; NULL = none */
    const char *passfile;     /* NULL = libpq's default */
    StrList password_command; /* program and arguments that print the password; may be empty */
    int sslmode;              /* 0 = libpq's default */
    const char *sslrootcert;
    const char *sslcert;
    const char *sslkey;
    const char *maintenance_database;
    LabelList labels;
    bool pooled; /* the address is a pooler's: shards are read, never written */
    ConfigList shards;
    const char *discover;     /* SQL: database, schema, labels; NULL = none */
    StrList discover_command; /* program and arguments that print the same as JSON; may be empty */
    StrList shared_schemas;   /* in the search path of steps, after the tenant's schema */
    const char
        *provision_template; /* what new tenants' databases are copies of; NULL = template1 */
    const char *pg_bin;      /* directory of pg_dump and pg_restore; NULL = PATH */
    PgKeyword conninfo[CLUSTER_KEYWORDS_MAX]; /* made from the above */
    size_t conninfo_count;
    PgPasswords *passwords; /* the command's; NULL = none */
} ClusterSettings;

typedef struct CoordinatorSettings {
    const char *endpoint;
    const char *key_path; /* *.pub of the coordinator; NULL = the trust file's */
    const char *name;     /* which of the trust file's coordinators; NULL = the only one */
} CoordinatorSettings;

/* A way to back up that plans may name; what it runs is this host's affair. */
typedef struct BackupCommand {
    const char *name;
    StrList command;
    StrList verify;  /* none: it can't be verified */
    StrList restore; /* none: what it made can't be restored */
    StrList prune;   /* none: the command's own rules let backups go */
} BackupCommand;

typedef struct BackupSettings {
    const char *age_recipients; /* file; NULL = nothing can be encrypted */
    const char *age_identity;   /* file; NULL = nothing that is encrypted can be restored */
    bool require_encryption;    /* of every dump, whatever a plan says */
    uint64_t reserve_bytes;     /* left free below the state directory */
    int64_t keep;               /* `backup prune` keeps the newest so many of a shard */
    uint64_t keep_for_ms;       /* nothing younger is ever removed; 0 = no such rule */
} BackupSettings;

typedef struct FingerprintSettings {
    bool enabled;
    uint64_t every_ms; /* until a schema is looked at again, at the next listing */
} FingerprintSettings;

typedef struct AgentSettings {
    const char *name;
    const char *key_path;
    const char *trust_path;
    const char *state_path;
    const char *host;
    LabelList labels;
    CoordinatorSettings coordinator;
    int64_t concurrency;          /* jobs at work at once, per cluster */
    int64_t approvals_min;        /* a plan with fewer is refused, whatever it asks for */
    uint64_t silence_deadline_ms; /* 0 = the coordinator's word */
    uint64_t inventory_ms;        /* between two full listings */
    const char *service_file;     /* of libpq; NULL = its own */
    const char *safe_bundle;      /* whose safe statements are ensured; NULL = none */
    FingerprintSettings fingerprint;
    BackupSettings backup;
    ConfigList backup_commands;
    ConfigList clusters;
    LogSettings log;
} AgentSettings;

/* Reads and checks the file. Texts live in `arena`. ERR_CONFIG tells every problem. */
ErrCode agent_settings_load(Arena *arena, const char *path, AgentSettings *ret_settings,
                            Error *err) MUST_CHECK;
/* The keys, one a line, for --help. */
void agent_settings_describe(Str *out);

size_t agent_settings_cluster_count(const AgentSettings *settings);
const ClusterSettings *agent_settings_cluster(const AgentSettings *settings, size_t index);
/* NULL when there is none of that name. */
const ClusterSettings *agent_settings_find_cluster(const AgentSettings *settings, const char *name);
/* As libpq spells it; NULL = its default. */
const char *cluster_sslmode(const ClusterSettings *cluster);
const BackupCommand *agent_settings_find_backup_command(const AgentSettings *settings,
                                                        const char *name);
/* Labels of the host, the cluster and one shard: the nearer one wins; sorted by key. */
LabelList labels_merge(Arena *arena, const LabelList *lists, size_t count);
