/*
 * How gently backfills (`-- +batch`) go about a server, from a rollout's plan or a project's file
 * to the engine. 0 = no such limit.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct BackfillPolicy {
    uint64_t target_ms;       /* how long a batch should take; the revision's word wins */
    uint64_t replica_lag_ms;  /* beyond any of these batches wait */
    uint64_t wal_bytes_per_s; /* of the server, by whomever */
    uint64_t archive_files;   /* complete WAL files that are not archived */
    uint32_t sessions;        /* clients' that are at work */
    bool ignore_vacuum;       /* else batches wait while the table is vacuumed */
    const char *query;        /* batches wait while it says true, or more than 0; '' = none */
} BackfillPolicy;

#define BACKFILL_POLICY_DEFAULT                                                                    \
    {                                                                                              \
        .target_ms = 200, .replica_lag_ms = 1500, .wal_bytes_per_s = 64 * 1024 * 1024,             \
        .archive_files = 42, .query = ""                                                           \
    }
