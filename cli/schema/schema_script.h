/*
 * Operations between two schemas as SQL: sections of a revision, or a script. Pure.
 */
#pragma once

#include "schema_diff.h"

/* Labels of enums have to be committed before anything uses them. */
typedef enum SchemaScriptPart { SCHEMA_SCRIPT_LABELS, SCHEMA_SCRIPT_REST } SchemaScriptPart;

/* Whether there is anything to run in that part. */
bool schema_script_has(const SchemaDiff *diff, SchemaScriptPart part);
/* SQL, ended by a newline; what can't be said is a comment at the end. `units`: each statement is
 * to commit alone, but for those that must be seen together (what is rebuilt; functions, whose
 * bodies are not looked at), which are a block; what loses rows has no comment
 * then, since its statement may come to stand elsewhere. */
const char *schema_script_section(Arena *arena, const SchemaDiff *diff, SchemaScriptPart part,
                                  bool units);
/* A comment a line for each operation that loses rows. */
const char *schema_script_lost(Arena *arena, const SchemaDiff *diff);
/* The first of what can't be said, on one line; '' = everything can. */
const char *schema_script_not_said(Arena *arena, const SchemaDiff *diff);
/* `diff` without what can't be said of the types that get labels in `up`. */
SchemaDiff schema_script_without_labels(Arena *arena, const SchemaDiff *diff, const SchemaDiff *up);
/* A script for psql: labels, and the rest in a transaction. */
const char *schema_script_whole(Arena *arena, const SchemaDiff *diff);
