/*
 * Operations between two schemas, for people and for programs.
 */
#pragma once

#include "command.h"
#include "schema_diff.h"

/* A line, and its SQL below it. */
void schema_tell_operation(CommandContext *context, const SchemaOperation *operation);
/* An array of that key. */
void schema_tell_json(JsonWriter *json, const char *key, const SchemaDiff *diff);
