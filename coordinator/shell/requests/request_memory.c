#include "request_memory.h"

#include "arena.h"
#include "named_limits.h"

#include <stdlib.h>
#include <string.h>

enum { ANSWER_BYTES_MAX = 16 * 1024 };

typedef struct Done {
    Uuid request_id;
    uint64_t created_unix_ms;
    uint8_t *answer; /* owned */
    size_t answer_length;
} Done;

struct RequestMemory {
    Done *items;
    size_t count;
    size_t capacity;
};

RequestMemory *request_memory_new(void)
{
    return xcalloc(1, sizeof(RequestMemory));
}

void request_memory_free(RequestMemory *memory)
{
    if (memory == NULL)
        return;
    for (size_t i = 0; i < memory->count; i++)
        free(memory->items[i].answer);
    free(memory->items);
    free(memory);
}

static void forget_old(RequestMemory *memory, uint64_t unix_ms)
{
    size_t kept = 0;
    for (size_t i = 0; i < memory->count; i++) {
        if (memory->items[i].created_unix_ms + 2 * (uint64_t)LIMIT_CLOCK_SKEW_MS < unix_ms)
            free(memory->items[i].answer);
        else
            memory->items[kept++] = memory->items[i];
    }
    memory->count = kept;
}

static Done *find(const RequestMemory *memory, const Uuid *request_id)
{
    for (size_t i = 0; i < memory->count; i++) {
        if (uuid_equal(&memory->items[i].request_id, request_id))
            return &memory->items[i];
    }
    return NULL;
}

ErrCode request_memory_add(RequestMemory *memory, const Uuid *request_id, uint64_t created_unix_ms,
                           uint64_t unix_ms, Error *err)
{
    forget_old(memory, unix_ms);
    if (memory->count >= REQUEST_MEMORY_MAX)
        return err_set(err, ERR_LIMIT, "more than %d requests in ten minutes", REQUEST_MEMORY_MAX);
    if (memory->count == memory->capacity) {
        memory->capacity = memory->capacity == 0 ? 64 : memory->capacity * 2;
        memory->items = xrealloc(memory->items, memory->capacity * sizeof *memory->items);
    }
    memory->items[memory->count++] = (Done){*request_id, created_unix_ms, NULL, 0};
    return ERR_OK;
}

bool request_memory_has(const RequestMemory *memory, const Uuid *request_id)
{
    return find(memory, request_id) != NULL;
}

void request_memory_set_answer(RequestMemory *memory, const Uuid *request_id, const void *bytes,
                               size_t length)
{
    Done *done = find(memory, request_id);
    if (done == NULL || length > ANSWER_BYTES_MAX)
        return;
    free(done->answer);
    done->answer = xcalloc(1, length + 1);
    memcpy(done->answer, bytes, length);
    done->answer_length = length;
}

const uint8_t *request_memory_answer(const RequestMemory *memory, const Uuid *request_id,
                                     size_t *ret_length)
{
    const Done *done = find(memory, request_id);
    if (done == NULL || done->answer == NULL)
        return NULL;
    *ret_length = done->answer_length;
    return done->answer;
}
