/*
 * A backup in the place of a shard.
 *
 *   restore_start  reads the backup back into a database of ours, pgtide_new_<operation> (a shard
 *                  that is a schema: into such a schema of its database), and checks it; the shard
 *                  stays as it is, and in use
 *   restore_swap   with writers held off: compares the shard with what the plan says, gives what is
 *                  new the shard's ledger, ends the database's sessions, and renames both in one
 *                  transaction; the old one stays as pgtide_old_<operation>_<name>, a database
 *                  closed
 *
 * Whatever is cut off, and when: until that transaction has committed the shard is the old
 * database or schema, open and as it was; from then on it is the new one.
 */
#pragma once

#include "job.h"
#include "settings.h"

typedef struct Restore Restore;

/* Copied, but for `cluster` and `settings`. */
typedef struct RestoreArgs {
    const ClusterSettings *cluster;
    const AgentSettings *settings;
    const char *directory; /* backups/ */
    RestoreFrom from;
    const char *database;
    const char *schema; /* '' = the whole database */
    uint32_t database_oid;
    Uuid shard;
    OperationId operation;
    const char *rollout;
    uint32_t generation;
    uint32_t attempt;
    const char *who;
    StrList rows_before;
    StrList rows_after;
    const char *version_schema; /* where alembic_version is */
    uint64_t fence;             /* of the claim */
    uint64_t epoch;
    Uuid fleet_id;
    bool accept_data_loss;
    uint32_t lock_timeout_ms;
    uint32_t lock_attempts;
} RestoreArgs;

/* `err` NULL: it is done. Otherwise `failed` says what may be tried. The callback runs exactly
 * once, never inside the call that started it, unless the restore is freed first. */
typedef void RestoreCb(JobFailureClass failed, const Error *err, void *data);

Restore *restore_start(uv_loop_t *loop, const RestoreArgs *args, RestoreCb *cb, void *data);
/* After the first callback said that it is done. The caller has closed its session on the shard. */
void restore_swap(Restore *restore);
/* Ends what is under way; what was restored and is not in place is dropped. NULL-safe. */
void restore_free(Restore *restore);

/* Ends what a former life's restore of this operation may still have in flight, and waits until it
 * is gone: from then on the shard's name says which database is in place. */
typedef struct RestoreClear RestoreClear;
typedef void RestoreClearCb(const Error *err, void *data);
RestoreClear *restore_clear_start(uv_loop_t *loop, const ClusterSettings *cluster,
                                  const OperationId *operation, RestoreClearCb *cb, void *data);
void restore_clear_cancel(RestoreClear *clear); /* NULL-safe */

/* "pgtide_new_..." and "pgtide_old_...": databases and schemas that are no shards, whatever
 * discovers them. */
bool restore_is_ours(const char *name);
