/*
 * Where a shard's schema and an expected one differ, for an operator who asks. The expected one is
 * fetched from the coordinator; it is worth what the digest in the operator's request says. Nothing
 * is written.
 */
#pragma once

#include "blob.h"
#include "fetch.h"
#include "settings.h"
#include "shards.h"
#include "tasks.h"

typedef struct Differences Differences;

typedef struct DifferencesSettings {
    uv_loop_t *loop;
    const AgentSettings *settings;
    Shards *shards;
    BlobStore *blobs;
    Fetch *fetch;
} DifferencesSettings;

Differences *differences_new(const DifferencesSettings *settings); /* returns owned */
void differences_free(Differences *differences);                   /* NULL-safe; before the tasks */
void differences_handle(void *context, Task *task); /* TaskHandler; `context` is a Differences */
/* A blob has come, or can't be had. */
void differences_blob(Differences *differences, const Digest *digest, const Error *err);
