/*
 * The agent's backups after they were made: lists them, reads them again, lets go what this host's
 * own rules let go. One thing at a time, in the thread pool.
 */
#pragma once

#include "ledger.h"
#include "message.h"
#include "settings.h"

typedef struct Keeper Keeper;

typedef struct KeeperSettings {
    uv_loop_t *loop;
    const AgentSettings *agent;
    const Ledger *ledger;
    const char *directory; /* backups/ */
    /* A part of a listing, borrowed; the last one has `last`. */
    void (*listed)(void *context, const BackupListing *part);
    void *context;
} KeeperSettings;

/* Borrows what the settings name. Returns owned. */
Keeper *keeper_new(const KeeperSettings *settings);
void keeper_free(Keeper *keeper); /* NULL-safe; no callback any more */

/* Reads all manifests and tells of them, after what was asked before. */
void keeper_list(Keeper *keeper);
/* VERIFY reads each one in full and notes in its manifest what came of it; PRUNE lets go, of each
 * shard, what `backup.keep`, `backup.keep-for` and the rules of retention.h let go. Then all are
 * listed. What is not there is passed over. */
void keeper_work(Keeper *keeper, const BackupWork *work);
