/*
 * Which shard is where: uuid -> cluster, database, schema and their oids, as the fleet has known
 * it. The fold of the journal's SHARDS_KNOWN records. A listing is judged against it (identity.h):
 * a database that took another's name, or a shard that nobody lists any more, is noticed also after
 * a restart.
 */
#pragma once

#include "record_codec.h"

typedef struct ShardMemory ShardMemory;

ShardMemory *shard_memory_new(void); /* returns owned */
void shard_memory_free(ShardMemory *memory);
/* One record, in the journal's order. Texts are copied. */
void shard_memory_apply(ShardMemory *memory, const ShardsKnown *known);

/* NULL when it is not known, or forgotten. Pointers live until the next apply. */
const KnownShard *shard_memory_find(const ShardMemory *memory, const Uuid *uuid);
/* The one that had this name last. */
const KnownShard *shard_memory_find_name(ShardMemory *memory, const char *cluster,
                                         const char *database, const char *schema);
/* A schema by its oids; NULL for whole databases. */
const KnownShard *shard_memory_find_place(ShardMemory *memory, uint64_t system_identifier,
                                          uint32_t database_oid, uint32_t schema_oid);
/* All of them, in order of arrival; the forgotten are skipped. */
size_t shard_memory_count(const ShardMemory *memory);
const KnownShard *shard_memory_at(const ShardMemory *memory, size_t index); /* NULL: forgotten */
