/*
 * Which changing requests have been acted on: each request id once. What is older than the time in
 * which a request is taken at all is forgotten.
 */
#pragma once

#include "ids.h"

typedef struct RequestMemory RequestMemory;

enum { REQUEST_MEMORY_MAX = 20000 };

RequestMemory *request_memory_new(void); /* returns owned */
void request_memory_free(RequestMemory *memory);

/* Forgets what is older than twice LIMIT_CLOCK_SKEW_MS. ERR_LIMIT: more requests than anybody
 * makes. */
ErrCode request_memory_add(RequestMemory *memory, const Uuid *request_id, uint64_t created_unix_ms,
                           uint64_t unix_ms, Error *err) MUST_CHECK;
bool request_memory_has(const RequestMemory *memory, const Uuid *request_id);
/* The answer that was given, for a request that comes again because the answer was lost; copied.
 * Borrows; NULL when there is none. */
void request_memory_set_answer(RequestMemory *memory, const Uuid *request_id, const void *bytes,
                               size_t length);
const uint8_t *request_memory_answer(const RequestMemory *memory, const Uuid *request_id,
                                     size_t *ret_length);
