/*
 * One backup of one shard before its first step: written beside its final name, read in full,
 * hashed, synced, renamed, and described by a manifest (manifest.h). It is there whole or not at
 * all.
 *
 *   <directory>/<shard uuid>/<operation>.dump      pg_dump -Fc
 *   <directory>/<shard uuid>/<operation>.dump.age  the same, encrypted on its way
 *   <directory>/<shard uuid>/<operation>.dir/      pg_dump -Fd
 *   <directory>/<shard uuid>/<operation>.manifest  what it is
 */
#pragma once

#include "manifest.h"
#include "message.h"
#include "settings.h"

typedef struct Backup Backup;

/* What the backups under way will still take of the disk; one for all of an agent. */
typedef struct BackupRoom {
    uint64_t claimed_bytes;
} BackupRoom;

typedef struct BackupArgs {
    const char *directory; /* backups/ */
    const ClusterSettings *cluster;
    BackupRoom *room;           /* may be NULL */
    const DatabaseFacts *facts; /* NULL = they are read from the database */
    const char *database;
    const char *schema; /* '' = the whole database */
    Uuid shard;
    Uuid rollout;
    Digest plan;
    OperationId operation; /* the first step's */
    StrList rows;
    uint64_t system_identifier; /* what the plan says; 0 = any */
    uint32_t database_oid;
    uint32_t pg_dump_version;
    uint32_t pg_restore_version;
    const BackupSettings *settings; /* this host's rules */
    const BackupCommand *command;   /* method command; NULL: there is none of that name */
    uint64_t rollback_until_ms;     /* the rollout's policy may need it for so long */
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
