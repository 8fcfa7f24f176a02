#include "fetch.h"

#include "named_limits.h"

#include <stdlib.h>
#include <string.h>

enum {
    FETCH_ASK_AGAIN_MS = 2000,
    FETCH_WANTED_MAX = 64,
};

struct Fetch {
    FetchSettings settings;
    Digest wanted[FETCH_WANTED_MAX];
    size_t wanted_count;
    uint64_t offset; /* of the first one */
    bool begun;      /* its total is known */
    uv_timer_t timer;
};

static void ask(Fetch *fetch)
{
    BlobFetch piece = {.digest = fetch->wanted[0], .offset = fetch->offset};
    uv_timer_again(&fetch->timer);
    fetch->settings.ask(fetch->settings.context, &piece);
}

static void next(Fetch *fetch, const Error *err)
{
    Digest digest = fetch->wanted[0];
    fetch->wanted_count--;
    memmove(fetch->wanted, fetch->wanted + 1, fetch->wanted_count * sizeof(Digest));
    fetch->offset = 0;
    fetch->begun = false;
    if (fetch->wanted_count > 0)
        ask(fetch);
    else
        uv_timer_stop(&fetch->timer);
    fetch->settings.done(fetch->settings.context, &digest, err);
}

static void on_timer(uv_timer_t *timer)
{
    Fetch *fetch = timer->data;
    if (fetch->wanted_count > 0)
        ask(fetch);
}

Fetch *fetch_new(const FetchSettings *settings)
{
    Fetch *fetch = xcalloc(1, sizeof(*fetch));
    fetch->settings = *settings;
    uv_timer_init(settings->loop, &fetch->timer);
    fetch->timer.data = fetch;
    return fetch;
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void fetch_free(Fetch *fetch)
{
    if (fetch != NULL)
        uv_close((uv_handle_t *)&fetch->timer, on_timer_closed);
}

bool fetch_is_wanted(const Fetch *fetch, const Digest *digest)
{
    for (size_t i = 0; i < fetch->wanted_count; i++)
        if (digest_equal(&fetch->wanted[i], digest))
            return true;
    return false;
}

void fetch_want(Fetch *fetch, const Digest *digest)
{
    if (fetch_is_wanted(fetch, digest) || fetch->wanted_count == FETCH_WANTED_MAX)
        return; /* the order comes again */
    fetch->wanted[fetch->wanted_count++] = *digest;
    if (fetch->wanted_count > 1)
        return;
    uv_timer_start(&fetch->timer, on_timer, FETCH_ASK_AGAIN_MS, FETCH_ASK_AGAIN_MS);
    ask(fetch);
}

void fetch_resume(Fetch *fetch)
{
    if (fetch->wanted_count > 0)
        ask(fetch);
}

/* What arrived before a restart is not fetched again. */
static ErrCode begin(Fetch *fetch, const BlobChunk *chunk, Error *err)
{
    if (chunk->total == 0)
        return err_set(err, ERR_NOT_FOUND, "the coordinator has no such bundle or plan");
    if (chunk->total > LIMIT_BUNDLE_BYTES)
        return err_set(err, ERR_LIMIT, "a blob of %llu bytes is too large",
                       (unsigned long long)chunk->total);
    fetch->begun = true;
    return blob_put_begin(fetch->settings.blobs, &chunk->digest, chunk->total, &fetch->offset, err);
}

static ErrCode take(Fetch *fetch, const BlobChunk *chunk, Error *err)
{
    ErrCode code = ERR_OK;
    if (!fetch->begun)
        code = begin(fetch, chunk, err);
    if (code == ERR_OK && chunk->offset == fetch->offset && fetch->offset < chunk->total)
        code = blob_put_append(fetch->settings.blobs, &chunk->digest, chunk->offset,
                               chunk->bytes.bytes, chunk->bytes.length, &fetch->offset, err);
    if (code == ERR_OK && fetch->offset >= chunk->total)
        code = blob_put_finish(fetch->settings.blobs, &chunk->digest, err);
    return code;
}

void fetch_chunk(Fetch *fetch, const BlobChunk *chunk)
{
    if (fetch->wanted_count == 0 || !digest_equal(&fetch->wanted[0], &chunk->digest))
        return; /* an answer to a question asked twice */
    Error err;
    uint64_t before = fetch->offset;
    if (take(fetch, chunk, &err) != ERR_OK)
        next(fetch, &err);
    else if (blob_has(fetch->settings.blobs, &chunk->digest))
        next(fetch, NULL);
    else if (fetch->offset != before)
        ask(fetch); /* else the timer does */
}
