/*
 * Operations between two schemas as JSON, for programs.
 */
#pragma once

#include "json.h"
#include "schema_diff.h"

/* An array of that key: the first operations, until their texts are longer than `bytes_max`. How
 * many there are in it. */
size_t schema_diff_json(JsonWriter *json, const char *key, const SchemaDiff *diff,
                        size_t bytes_max);
