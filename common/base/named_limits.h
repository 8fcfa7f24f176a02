/*
 * Every size, count and time that comes from outside has its limit here, with the reason where it
 * is not obvious. Units are the last word of a name. (Not limits.h: that name is the C library's,
 * and its headers would find ours.)
 */
#pragma once

enum {
    /* Files a person writes. */
    LIMIT_REVISION_FILE_BYTES = 16 * 1024 * 1024,
    LIMIT_CONFIG_FILE_BYTES = 1024 * 1024,
    LIMIT_CONFIG_DEPTH = 32,
    LIMIT_CONFIG_ITEMS = 10000,
    LIMIT_TRUST_FILE_BYTES = 1024 * 1024,
    LIMIT_REVISIONS = 100000,
    LIMIT_IMPORT_FILES = 2 * LIMIT_REVISIONS + 1000, /* names in one directory of another tool's */
    LIMIT_IMPORT_ANSWER_BYTES = 64 * 1024 * 1024,    /* one revision of an interpreter's, as JSON */
    LIMIT_IMPORT_ANSWERS_BYTES = 512 * 1024 * 1024,
    LIMIT_IMPORT_SILENCE_MS = 5 * 60 * 1000, /* large applications take their time to load */
    LIMIT_REVISION_ID_BYTES = 255,
    LIMIT_REVISION_PARENTS = 64,
    LIMIT_STATEMENTS_PER_SECTION = 20000,
    LIMIT_PLACEHOLDERS = 64,
    LIMIT_PLACEHOLDER_VALUE_BYTES = 64 * 1024,
    LIMIT_SAFE_FILES = 1000,
    LIMIT_SAFE_STATEMENTS = 10000,
    LIMIT_HOOKS = 100, /* of one moment */
    LIMIT_HOOK_SQL_BYTES = 64 * 1024,
    LIMIT_HOOK_ARGUMENTS = 256,
    LIMIT_HOOK_MS = 24 * 60 * 60 * 1000,
    LIMIT_NAME_BYTES = 63,
    LIMIT_LABELS = 64,
    LIMIT_LABEL_BYTES = 255,
    LIMIT_BATCH_ROWS = 10000000,
    LIMIT_BATCH_KEY = 32, /* columns: PostgreSQL's indexes have no more */
    LIMIT_BATCH_TARGET_MS = 10 * 60 * 1000,
    LIMIT_BATCH_PAUSE_MS = 60 * 60 * 1000,
    LIMIT_BACKFILL_LAG_MS = 24 * 60 * 60 * 1000,
    LIMIT_BATCH_STUCK_MS = 10 * 60 * 1000, /* in which no batch gets its locks */

    /* A database's schema. 100,000 tables of ten columns are a million objects. */
    LIMIT_SCHEMA_OBJECTS = 4000000,
    LIMIT_SCHEMA_BYTES = 1024 * 1024 * 1024,
    LIMIT_SCHEMA_FILE_BYTES = 512 * 1024 * 1024,
    LIMIT_SCHEMA_FILES = 100000,
    LIMIT_SCHEMA_RENAMES = 1000,

    /* Who uses what revisions take away. */
    LIMIT_COMPAT_TAKEN = 10000,
    LIMIT_COMPAT_WATCH_MS = 24 * 60 * 60 * 1000,
    LIMIT_COMPAT_ROWS = 20000, /* the queries ask for one more */

    /* Many databases by one command. Connections: a server's max_connections is 100 by default. */
    LIMIT_URLS = 100000,
    LIMIT_URLS_BYTES = 32 * 1024 * 1024,
    LIMIT_URL_NAME_BYTES = 255,
    LIMIT_RUN_CONNECTIONS = 256,
    LIMIT_RUN_WAIT_MS = 24 * 60 * 60 * 1000,

    /* Artifacts. */
    LIMIT_BUNDLE_BYTES = 256 * 1024 * 1024,
    LIMIT_PLAN_BYTES = 256 * 1024 * 1024,
    LIMIT_PLAN_SHARDS = 1000000,
    LIMIT_PLAN_WAVES = 256,
    LIMIT_PLAN_WINDOWS = 32,
    LIMIT_PLAN_BUDGETS = 16,
    LIMIT_PLAN_GATES = 32,
    LIMIT_PLAN_REQUIRES = 16,
    LIMIT_PLAN_PHASES = 1000,   /* contract revisions of a plan, and expand revisions below them */
    LIMIT_PLAN_LEFT_OUT = 1000, /* named in the plan; how many there are is counted */
    LIMIT_PLAN_DRIFTED = 100,   /* likewise */
    LIMIT_GATE_TEXT_BYTES = 16 * 1024,
    LIMIT_GATE_IGNORE = 64, /* roles */
    LIMIT_BEARER_BYTES = 16 * 1024,
    LIMIT_DRIFT_EXPECTATIONS = 10000, /* places at which a schema is expected */
    LIMIT_DRIFT_ACCEPTANCES = 100000, /* words on schemas that are not as expected */
    LIMIT_LOOK_SESSIONS = 8,   /* of an agent, whatever gates ask for: jobs need connections too */
    LIMIT_LOOKS_WAITING = 256, /* commands to look at a gate, of an agent */
    LIMIT_SIGNATURES = 32,
    LIMIT_TRUST_KEYS = 4096,
    LIMIT_MERKLE_DEPTH = 40,
    LIMIT_EVIDENCE_BYTES = 256 * 1024 * 1024, /* about 200,000 shards */
    LIMIT_EVIDENCE_ITEMS = 1000000,           /* their index is one envelope */

    /* Backups. */
    LIMIT_BACKUP_COMPRESS = 9, /* of zlib, as pg_dump takes it */
    LIMIT_BACKUP_JOBS = 64,
    LIMIT_BACKUP_FILES = 100000, /* of one directory dump: a file a table */
    LIMIT_BACKUP_ID_BYTES = 255, /* what a command calls a backup */
    LIMIT_BACKUP_COMMANDS = 16,
    LIMIT_BACKUPS_PER_REQUEST = 4000, /* an agent's queue holds so many */
    LIMIT_BACKUPS_PER_SHARD = 4096,
    LIMIT_MANIFEST_BYTES = 32 * 1024 * 1024,

    /* Wire. The transport refuses larger messages before they are read (ZMQ_MAXMSGSIZE). */
    LIMIT_COMMAND_BYTES = 1024 * 1024,
    LIMIT_REPORT_BYTES = 1024 * 1024,
    LIMIT_REQUEST_BYTES = 1024 * 1024,
    LIMIT_RESPONSE_BYTES = 64 * 1024 * 1024,
    LIMIT_ENVELOPE_BYTES = 64 * 1024 * 1024 + 4096,
    LIMIT_CHUNK_BYTES = 256 * 1024,
    LIMIT_SHARD_ORDERS_PER_COMMAND = 256,
    LIMIT_SHARDS_PER_INVENTORY = 500,
    LIMIT_SHARDS_PER_AGENT = 200000,
    LIMIT_SHARDS_PER_REQUEST = 1000,
    LIMIT_TASK_REQUEST_BYTES = 256 * 1024, /* an operator's request that is passed on to agents */
    LIMIT_TASK_RESULT_BYTES = 768 * 1024,  /* an agent's answer to it */
    LIMIT_SOURCE_DUMP_BYTES = 64 * 1024 * 1024, /* a shard's schema as pg_dump writes it */
    LIMIT_TASKS = 64,                           /* under way, on an agent and on a coordinator */
    LIMIT_TASK_MS = 30 * 60 * 1000,
    LIMIT_SHARDS_PER_RECORD = 1000,          /* of the coordinator's journal */
    LIMIT_DISCOVER_BYTES = 64 * 1024 * 1024, /* what a discovery command prints */
    LIMIT_PASSWORD_BYTES = 16 * 1024,        /* what a password command prints: tokens are long */
    LIMIT_TEXT_BYTES = 4096,
    LIMIT_ACTIVITY_TEXT_BYTES = 255, /* longer ones are cut, by whoever makes them */
    LIMIT_ROWS = 256,
    LIMIT_STEPS = 100000,
    LIMIT_FACT_MARKS = 100,    /* of one step: each costs the server some 40 us */
    LIMIT_FACTS_PER_STEP = 50, /* in a shard's history: the longest */
    LIMIT_REHEARSAL_BYTES = 64 * 1024 * 1024,
    LIMIT_TRACE_RELATIONS = 200000,
    LIMIT_UNITS_TOLD = 100,     /* of a shard, by `why` */
    LIMIT_HISTORY_TOLD = 40,    /* likewise: with 50 facts each, half of LIMIT_TASK_RESULT_BYTES */
    LIMIT_FACTS_PER_REPORT = 8, /* in a job's report: the longest */

    /* Loop. */
    LIMIT_DRAIN_PER_TURN = 64,
    LIMIT_CONTROL_BYTES =
        16 * 1024, /* a question to a coordinator on its own host, and the answer */
    LIMIT_AGENTS = 10000,
    /* What one agent's words may add to the journal in an hour; a job adds about four. */
    LIMIT_AGENT_RECORDS = 20000,
    LIMIT_AGENT_RECORDS_PER_SHARD = 20, /* of its shards in open rollouts, on top */
    LIMIT_OPERATORS = 1000,
    LIMIT_ROLLOUTS_OPEN = 1000,
    LIMIT_ROLLOUT_DEEDS = 1000, /* told of one rollout; the journal has them all */
    LIMIT_JOURNAL_BATCH = 1000,
    LIMIT_JOURNAL_RECORD_BYTES = 8 * 1024 * 1024,
    LIMIT_JOURNAL_QUEUE_RECORDS = 65536,
    LIMIT_JOURNAL_QUEUE_BYTES = 64 * 1024 * 1024,

    /* HTTP, asked by us. */
    LIMIT_HTTP_URL_BYTES = 2048,
    LIMIT_HTTP_BODY_BYTES = 4 * 1024 * 1024, /* of a request or an answer */
    LIMIT_HTTP_TIMEOUT_MS = 10 * 60 * 1000,
    LIMIT_HTTP_CALLS = 256, /* under way */
    LIMIT_HTTP_CONNECTIONS_KEPT = 16,

    /* Webhooks and commands for events. */
    LIMIT_SINKS = 32, /* of each */
    LIMIT_SINK_ANSWER_BYTES = 1024 * 1024,
    LIMIT_DEAD_LETTERS = 10000, /* of one sink; beyond that the list forgets the oldest */
    LIMIT_DEAD_LETTER_TEXT_BYTES = 255,

    /* Times. */
    LIMIT_CLOCK_SKEW_MS = 5 * 60 * 1000,
    LIMIT_COMMAND_TTL_MS = 60 * 1000,
    LIMIT_LOCK_TIMEOUT_MS = 60 * 1000,
    LIMIT_LOCK_BUDGET_MS_MIN = 100, /* who waits is looked at so often */
    LIMIT_LOCK_BUDGET_MS = 10 * 60 * 1000,
    LIMIT_LOCK_ATTEMPTS = 1000,
    LIMIT_STATEMENT_ALONE_MS = 24 * 60 * 60 * 1000, /* outside a transaction: an index build */
};
