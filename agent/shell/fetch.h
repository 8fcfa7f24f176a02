/*
 * Fetches blobs by digest from the coordinator, in chunks, one blob at a time; what arrives is
 * worth what its digest says.
 */
#pragma once

#include "blob.h"
#include "message.h"

#include <uv.h>

typedef struct Fetch Fetch;

typedef struct FetchSettings {
    uv_loop_t *loop;
    BlobStore *blobs; /* borrows */
    /* Asks for a piece; it may get lost. */
    void (*ask)(void *context, const BlobFetch *fetch);
    /* A wanted blob is there (`err` NULL), or can't be had. */
    void (*done)(void *context, const Digest *digest, const Error *err);
    void *context;
} FetchSettings;

Fetch *fetch_new(const FetchSettings *settings); /* returns owned */
void fetch_free(Fetch *fetch);                   /* NULL-safe */

/* Queues it; nothing when it is wanted already. Not for one that is there. */
void fetch_want(Fetch *fetch, const Digest *digest);
bool fetch_is_wanted(const Fetch *fetch, const Digest *digest);
void fetch_chunk(Fetch *fetch, const BlobChunk *chunk);
/* There is a line again: ask at once. */
void fetch_resume(Fetch *fetch);
