/*
 * A schema as JSON: what `pgtide schema dump --json` prints and `pgtide schema diff` reads. It has
 * more than the text: which object needs which, and columns' order.
 */
#pragma once

#include "json.h"
#include "schema_model.h"

void schema_json_write(const SchemaModel *model, JsonWriter *json); /* one object */
/* Reads it, alone or as the `result` of a command's output. ERR_CONFIG when it is something else,
 * ERR_LIMIT. */
ErrCode schema_json_read(Arena *arena, const char *text, size_t length, SchemaModel *ret_model,
                         Error *err) MUST_CHECK;
