/*
 * A backup of a coordinator's state directory: the journal as it was at one moment, every blob that
 * it may refer to, and a manifest with their digests. What it makes can take the directory's place.
 *
 * Everything blocks: a thread of its own calls it while the coordinator goes on.
 */
#pragma once

#include "journal.h"

typedef struct StateBackupArgs {
    Journal *journal;
    const char *state_path;
    const char *directory; /* to be made; nothing may be there */
    const char *key_path;  /* goes in too, as coordinator.key; NULL: no key does */
    const char *name;      /* of the coordinator */
    Uuid fleet_id;
    const atomic_bool *stop; /* set: give up (ERR_INTERRUPTED) */
} StateBackupArgs;

/* What a backup holds. */
typedef struct StateBackup {
    Uuid fleet_id;
    JournalHead head;
    uint64_t made_unix_ms;
    size_t blob_count;
    uint64_t size_bytes; /* of all files */
    bool has_key;
} StateBackup;

/* The directory appears whole, on disk and checked, or not at all. */
ErrCode state_backup_make(const StateBackupArgs *args, StateBackup *ret_backup,
                          Error *err) MUST_CHECK;
/* Reads all of it: digests, blobs' names, the journal's chain. ERR_BACKUP names what is wrong. */
ErrCode state_backup_check(const char *directory, StateBackup *ret_backup, Error *err) MUST_CHECK;
