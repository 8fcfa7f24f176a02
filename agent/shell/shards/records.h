/*
 * What a shard's own rows say of it (engine/shard/shard_record.h), read for an operator who asks
 * why it is where it is. Nothing is written.
 */
#pragma once

#include "settings.h"
#include "shards.h"
#include "tasks.h"

typedef struct Records Records;

typedef struct RecordsSettings {
    uv_loop_t *loop;
    const AgentSettings *settings;
    Shards *shards;
} RecordsSettings;

Records *records_new(const RecordsSettings *settings); /* returns owned */
void records_free(Records *records);                   /* NULL-safe; before the tasks */
void records_handle(void *context, Task *task);        /* TaskHandler; `context` is a Records */
