/*
 * Bytes as text that is small enough for an answer: compressed by zlib, written in base64.
 */
#pragma once

#include "arena.h"
#include "str.h"

#include <stddef.h>
#include <stdint.h>

void packed_text_write(Str *out, const void *bytes, size_t length);
/* `length`: as it was before. In `arena`. ERR_PROTOCOL: it is not what was written. */
ErrCode packed_text_read(Arena *arena, const char *text, size_t length, uint8_t **ret_bytes,
                         Error *err) MUST_CHECK;
