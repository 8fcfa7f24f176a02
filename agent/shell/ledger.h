/*
 * The agent's ledger: what it must still know after a restart. The highest epoch it has accepted,
 * the jobs whose backend may have been left behind, the backups it has taken. A cache of nothing:
 * where a shard stands is read from the shard.
 */
#pragma once

#include "journal.h"
#include "message.h"
#include "shard.h"

typedef struct Ledger Ledger;

/* A job whose backend may still be at work. */
typedef struct LedgerJob {
    Digest plan_digest;
    Uuid rollout_id;
    Uuid shard;
    uint32_t generation;
    const char *cluster;
    const char *database;
    BackendId backend;
} LedgerJob;

typedef void LedgerDone(void *context);

/* Opens DIRECTORY/ledger.sqlite and folds it. Returns owned. */
ErrCode ledger_open(const char *directory, Ledger **ret_ledger, Error *err) MUST_CHECK;
ErrCode ledger_start(Ledger *ledger, uv_loop_t *loop, Error *err) MUST_CHECK;
void ledger_close(Ledger *ledger); /* NULL-safe; writes what waits */

uint64_t ledger_epoch(const Ledger *ledger); /* durable */
/* The open job of this shard, of whatever plan; NULL when there is none. Borrows until a change. */
const LedgerJob *ledger_find_job(const Ledger *ledger, const Uuid *shard);
size_t ledger_job_count(const Ledger *ledger);
/* NULL when none was taken for this plan and shard. Borrows. */
const BackupInfo *ledger_find_backup(const Ledger *ledger, const Digest *plan, const Uuid *shard);

/* Each calls `done` in the loop when it is durable, never before it returns; NULL: nobody waits.
 * Callbacks run in the order of the calls. */
ErrCode ledger_epoch_seen(Ledger *ledger, uint64_t epoch, const char *keyid, LedgerDone *done,
                          void *context, Error *err) MUST_CHECK;
ErrCode ledger_job_opened(Ledger *ledger, const LedgerJob *job, LedgerDone *done, void *context,
                          Error *err) MUST_CHECK;
ErrCode ledger_job_closed(Ledger *ledger, const Digest *plan, const Uuid *shard,
                          uint32_t generation, JobOutcome outcome, Error *err) MUST_CHECK;
ErrCode ledger_backup_taken(Ledger *ledger, const Digest *plan, const Uuid *shard,
                            const BackupInfo *backup, LedgerDone *done, void *context,
                            Error *err) MUST_CHECK;
/* Forgets the waiting callbacks of a context that goes away. */
void ledger_forget(Ledger *ledger, const void *context);
