/*
 * One dump of one shard before its first step: written beside its final name, read in full, hashed,
 * synced, renamed, and described by a manifest. A backup is there whole or not at all.
 *
 *   <directory>/<shard uuid>/<operation>.dump      pg_dump -Fc
 *   <directory>/<shard uuid>/<operation>.manifest  what it is, JSON
 */
#pragma once

#include "message.h"
#include "settings.h"

typedef struct Backup Backup;

typedef struct BackupArgs {
    const char *directory; /* backups/ */
    const ClusterSettings *cluster;
    const char *database;
    const char *schema; /* '' = the whole database */
    Uuid shard;
    Uuid rollout;
    OperationId operation; /* the first step's */
    StrList rows;
    uint32_t server_version;
    uint32_t pg_dump_version;
    uint64_t database_bytes; /* 0 = not known; so much must be free */
    BackupPolicy policy;
    uint32_t lock_timeout_ms;
} BackupArgs;

/* `err` NULL: it is in place. The path in `info` is relative to the directory. */
typedef void BackupCb(const BackupInfo *info, const Error *err, void *data);

/* The callback runs exactly once, never inside this call, unless it is abandoned first. Returns a
 * handle that is valid until the callback. */
Backup *backup_start(uv_loop_t *loop, const BackupArgs *args, BackupCb *cb, void *data);
/* Ends the dump and removes what it has written; no callback runs. */
void backup_abandon(Backup *backup);
/* At the start: removes what a former life left half written below the directory. */
void backup_clean(const char *directory);
