/*
 * What a rehearsal on a copy of a shard needs (engine/shard/copy_facts.h, and its schema as pg_dump
 * writes it), read for an operator. Nothing is written, and no row is read.
 */
#pragma once

#include "settings.h"
#include "shards.h"
#include "tasks.h"

typedef struct Sources Sources;

typedef struct SourcesSettings {
    uv_loop_t *loop;
    const AgentSettings *settings;
    Shards *shards;
} SourcesSettings;

Sources *sources_new(const SourcesSettings *settings); /* returns owned */
void sources_free(Sources *sources);                   /* NULL-safe; before the tasks */
void sources_handle(void *context, Task *task);        /* TaskHandler; `context` is a Sources */
