#include "inventory_parts.h"

#include "named_limits.h"

#include <string.h>

enum {
    PART_BYTES_MAX = LIMIT_REPORT_BYTES / 2, /* by a guess that is never too small */
    SHARD_BYTES = 160,                       /* what is not text, with its tags */
    TEXT_BYTES = 8,                          /* tag and length of a text or a label */
};

static size_t guess_bytes(const ShardInfo *shard)
{
    size_t bytes = SHARD_BYTES + strlen(shard->cluster) + strlen(shard->database) +
                   strlen(shard->schema) + strlen(shard->message);
    for (size_t i = 0; i < shard->rows.count; i++)
        bytes += TEXT_BYTES + strlen(shard->rows.items[i]);
    for (size_t i = 0; i < shard->labels.count; i++)
        bytes += 3 * TEXT_BYTES + strlen(shard->labels.items[i].key) +
                 strlen(shard->labels.items[i].value);
    return bytes;
}

Inventory *inventory_parts(Arena *arena, const Shards *shards, const char *host, uint64_t snapshot,
                           size_t *ret_count)
{
    size_t total = shards_count(shards);
    Inventory *parts = ARENA_ARRAY(arena, Inventory, total + 1);
    size_t cluster_count;
    const ClusterInfo *clusters = shards_clusters(shards, &cluster_count);
    size_t count = 0;
    size_t next = 0;
    do {
        Inventory *part = &parts[count];
        *part = (Inventory){.snapshot = snapshot, .part = (uint32_t)count, .host = host};
        if (count == 0) {
            part->clusters = (ClusterInfo *)clusters;
            part->cluster_count = cluster_count;
        }
        if (total > 0)
            part->shards = (ShardInfo *)shards_at(shards, next);
        size_t bytes = 0;
        while (next < total && part->shard_count < LIMIT_SHARDS_PER_INVENTORY) {
            bytes += guess_bytes(shards_at(shards, next));
            if (bytes > PART_BYTES_MAX && part->shard_count > 0)
                break;
            part->shard_count++;
            next++;
        }
        count++;
    } while (next < total);
    parts[count - 1].last = true;
    *ret_count = count;
    return parts;
}
