/*
 * Operations between two schemas, for people and for programs.
 */
#pragma once

#include "command.h"
#include "schema_diff.h"

/* Says so where servers of different versions wrote the two: texts that differ may mean the same.
 */
void schema_tell_versions(CommandContext *context, const SchemaModel *from, const SchemaModel *to);
/* A line, and its SQL below it. */
void schema_tell_operation(CommandContext *context, const SchemaOperation *operation);
/* An array of that key. */
void schema_tell_json(JsonWriter *json, const char *key, const SchemaDiff *diff);
