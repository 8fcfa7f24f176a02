/*
 * The fleet's backups as the agents have listed them. Kept in memory only: an agent lists anew when
 * it connects, when jobs have ended, and when it was asked.
 */
#pragma once

#include "message.h"

/* One backup, and who has it. */
typedef struct FleetBackup {
    const char *agent;
    BackupEntry entry;
} FleetBackup;

typedef struct Backups Backups;

Backups *backups_new(void); /* returns owned */
void backups_free(Backups *backups);

/* One part of an agent's listing; the last one replaces the former listing. ERR_PROTOCOL: out of
 * order, the listing is dropped. */
ErrCode backups_part(Backups *backups, const char *agent, const BackupListing *part,
                     bool *ret_replaced, Error *err) MUST_CHECK;
/* Forgets what the agent listed: it was revoked. */
void backups_drop(Backups *backups, const char *agent);
/* How many listings of the agent have come; 0 = none. */
uint64_t backups_listings(const Backups *backups, const char *agent);

/* Of all agents, a shard's together, the oldest first. Pointers live until the next part or drop.
 */
size_t backups_count(Backups *backups);
const FleetBackup *backups_at(Backups *backups, size_t index);
/* The shard's newest undamaged one; NULL: none is known. */
const FleetBackup *backups_newest(Backups *backups, const Uuid *shard);
