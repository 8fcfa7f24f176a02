/*
 * Names of shards: from the configuration, and from the rows of a discovery query.
 */
#pragma once

#include "shards_scan.h"

typedef struct ShardNameList {
    Arena *arena;
    ShardName *items;
    size_t count;
    size_t capacity;
} ShardNameList;

/* ERR_LIMIT beyond LIMIT_SHARDS_PER_AGENT. Texts are copied. */
ErrCode shard_names_add(ShardNameList *list, const char *database, const char *schema,
                        LabelList labels, Error *err) MUST_CHECK;
ErrCode shard_names_add_configured(ShardNameList *list, const ClusterSettings *cluster,
                                   Error *err) MUST_CHECK;
/* Columns database, schema, labels (the last two may be missing). */
ErrCode shard_names_add_rows(ShardNameList *list, const PgResult *result, int column_count,
                             Error *err) MUST_CHECK;
/* What a discovery command prints: [{"database": ..., "schema": ..., "labels": {...}}, ...], the
 * last two may be missing. ERR_CONFIG names the element that is wrong. */
ErrCode shard_names_add_json(ShardNameList *list, const char *text, size_t length,
                             Error *err) MUST_CHECK;
/* Sorted, the first of equal ones kept. */
ShardNames shard_names_finish(ShardNameList *list);
/* {"k": "v"} or k=v pairs separated by spaces or commas. */
ErrCode shard_labels_parse(Arena *arena, const char *text, LabelList *ret_labels,
                           Error *err) MUST_CHECK;
