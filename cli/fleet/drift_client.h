/*
 * What the coordinator says of the fleet's schemas, for `fleet drift` and `drift ...`.
 */
#pragma once

#include "client.h"

/* The view VIEW_KIND_DRIFT; a copy, for json_decref(). `select` NULL = all shards. */
ErrCode drift_view(Client *client, const char *select, json_t **ret_view, Error *err) MUST_CHECK;
/* Groups, and classes of those that are there, which a view has left out. */
int64_t drift_untold(const json_t *view);
/* The view's object of one shard; a copy likewise. ERR_NOT_FOUND. */
ErrCode drift_view_shard(Client *client, const char *name, json_t **ret_shard,
                         Error *err) MUST_CHECK;

/* Where a shard and what is expected of it differ, through its agent: the object that
 * agent/shell/shards/differences.c writes; a copy. ERR_STATE: nothing is expected of it. */
ErrCode drift_differences(Client *client, const json_t *shard, json_t **ret_differences,
                          Error *err) MUST_CHECK;

/* "008_x (databases, PostgreSQL 15)" of a group or a shard. */
const char *drift_place_text(Arena *arena, const json_t *place);
/* The first digits of a fingerprint: "f1:0123456789ab"; '' stays ''. */
const char *drift_short(Arena *arena, const char *fingerprint);
/* Rows of a group or a shard; texts are borrowed. */
StrList drift_rows(Arena *arena, const json_t *place);
