/*
 * What the schema of a session's database is, read without writing: its stamp, which is cheap, and
 * the whole of it. The rules of shard.h count: one operation at a time, a callback that runs once.
 */
#pragma once

#include "schema_read.h"
#include "shard.h"

/* `stamp` is NULL with an error. */
typedef void ShardStampCb(ShardSession *session, const char *stamp, const Error *err, void *data);
/* Of all of the database, whatever the session's shard is. `deadline_ms` 0 = 30 s. */
void shard_read_stamp(ShardSession *session, uint32_t deadline_ms, ShardStampCb *cb, void *data);

/* `model` is NULL with an error. ERR_NOT_FOUND: no such schema; ERR_LIMIT. */
typedef void ShardModelCb(ShardSession *session, const SchemaModel *model, const Error *err,
                          void *data);
/* Of this schema, or with '' of all of the database. `deadline_ms` 0 = 60 s. */
void shard_read_model(ShardSession *session, const char *schema, uint32_t deadline_ms,
                      ShardModelCb *cb, void *data);
