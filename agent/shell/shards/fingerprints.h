/*
 * What the schema of each shard is: its fingerprint, at the rows it had when it was read.
 *
 * A database that is due is asked for the stamp of its catalogs (schema_stamp.h) and its version
 * rows; the whole of a schema is read only where the stamp is another one than at the last reading.
 * One database at a time on each cluster; after a whole reading a pause as long as it took, after a
 * stamp one four times as long. A shard whose job is at work is left for later. What was read
 * counts only if stamp and rows were the same before and after it; rows that are others under a
 * known stamp are looked at twice too. It is kept in memory: after a restart everything is read
 * again.
 */
#pragma once

#include "settings.h"
#include "shards.h"

typedef struct Fingerprints Fingerprints;

typedef struct FingerprintsSettings {
    uv_loop_t *loop;
    const AgentSettings *settings;
    Shards *shards; /* whose listing is told what is known */
    Uuid fleet_id;
    bool (*is_at_work)(void *context, const Uuid *shard); /* a job is on it */
    void (*changed)(void *context); /* the listing says something new; not for every shard alone */
    void *context;
} FingerprintsSettings;

Fingerprints *fingerprints_new(const FingerprintsSettings *settings); /* returns owned */
void fingerprints_free(Fingerprints *fingerprints);                   /* NULL-safe */
/* A listing is complete: fills in what is known, and reads what is due. */
void fingerprints_listed(Fingerprints *fingerprints);
/* Reads no more. */
void fingerprints_stop(Fingerprints *fingerprints);
