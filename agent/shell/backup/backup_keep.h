/*
 * The backups of one shard as they lie in its folder, and what may go of them. Blocks, briefly.
 */
#pragma once

#include "manifest.h"
#include "retention.h"

typedef struct KeptBackups {
    Manifest *items; /* the oldest first */
    size_t count;
    size_t unreadable; /* manifests that can't be read; nothing touches what they stand for */
} KeptBackups;

/* Reads the manifests of a shard's folder; a file that is missing or has another size is `damage`.
 * A folder that is not there has none. */
KeptBackups kept_read(Arena *arena, const char *directory, const Uuid *shard);
/* One reason for each, in `arena`. */
KeepReason *kept_decide(Arena *arena, const KeptBackups *kept, const RetentionRules *rules);
/* Removes what may go and is ours to remove: a command's backups are not. Returns how many. */
size_t kept_prune(const char *directory, const KeptBackups *kept, const KeepReason *reasons);
