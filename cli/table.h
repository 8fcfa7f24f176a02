/*
 * Tables and figures for people: columns as wide as their widest cell.
 */
#pragma once

#include "command.h"

enum { TABLE_COLUMNS_MAX = 12 };

typedef struct Table {
    CommandContext *context;
    size_t columns;
    StrList cells; /* row by row, the header first */
} Table;

/* `header` ends with NULL. */
Table table_begin(CommandContext *context, const char *const *header);
void table_cell(Table *table, const char *text);
void table_cell_int(Table *table, int64_t number);
void table_print(const Table *table);

/* "3.4 MiB", "12.0 s"; --json has the bytes and the milliseconds. Live in `arena`. */
const char *about_size(Arena *arena, uint64_t bytes);
const char *about_time(Arena *arena, uint64_t ms);
