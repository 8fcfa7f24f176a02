/*
 * Operations between two schemas as the sections of a revision. Pure.
 */
#pragma once

#include "schema_diff.h"

/* Labels of enums have to be committed before anything uses them. */
typedef enum AutogenPart { AUTOGEN_LABELS, AUTOGEN_REST } AutogenPart;

/* Whether there is anything to run in that part. */
bool autogen_has(const SchemaDiff *diff, AutogenPart part);
/* SQL, ended by a newline; what can't be said is a comment at the end. `units`: each statement is
 * to commit alone, but for those that must be seen together (what is rebuilt; functions, whose
 * bodies are not looked at), which are a block; what loses rows has no comment
 * then, since its statement may come to stand elsewhere. */
const char *autogen_section(Arena *arena, const SchemaDiff *diff, AutogenPart part, bool units);
/* A comment a line for each operation that loses rows. */
const char *autogen_lost(Arena *arena, const SchemaDiff *diff);
/* The first of what can't be said, on one line; '' = everything can. */
const char *autogen_not_said(Arena *arena, const SchemaDiff *diff);
/* `diff` without what can't be said of the types that get labels in `up`. */
SchemaDiff autogen_without_labels(Arena *arena, const SchemaDiff *diff, const SchemaDiff *up);
