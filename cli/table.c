#include "table.h"

#include <string.h>

Table table_begin(CommandContext *context, const char *const *header)
{
    Table table = {.context = context};
    for (; header[table.columns] != NULL; table.columns++)
        strlist_add(context->arena, &table.cells, header[table.columns]);
    return table;
}

void table_cell(Table *table, const char *text)
{
    strlist_add(table->context->arena, &table->cells, text);
}

void table_cell_int(Table *table, int64_t number)
{
    table_cell(table, arena_printf(table->context->arena, "%lld", (long long)number));
}

/* Columns on a terminal, not bytes: a UTF-8 sequence counts once. */
static size_t shown_width(const char *text)
{
    size_t width = 0;
    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xC0) != 0x80;
    return width;
}

void table_print(const Table *table)
{
    size_t widths[TABLE_COLUMNS_MAX] = {0};
    for (size_t i = 0; i < table->cells.count; i++) {
        size_t width = shown_width(table->cells.items[i]);
        if (width > widths[i % table->columns])
            widths[i % table->columns] = width;
    }
    AUTO_STR Str line = {0};
    for (size_t i = 0; i < table->cells.count; i++) {
        size_t column = i % table->columns;
        const char *cell = table->cells.items[i];
        str_append(&line, cell);
        if (column + 1 < table->columns) {
            for (size_t pad = shown_width(cell); pad < widths[column] + 2; pad++)
                str_append_char(&line, ' ');
            continue;
        }
        while (line.length > 0 && line.data[line.length - 1] == ' ')
            line.data[--line.length] = '\0';
        say(table->context, "%s", str_text(&line));
        str_clear(&line);
    }
}

const char *about_size(Arena *arena, uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double size = (double)bytes;
    size_t unit = 0;
    for (; size >= 1024 && unit + 1 < sizeof units / sizeof *units; unit++)
        size /= 1024;
    return arena_printf(arena, unit == 0 ? "%.0f %s" : "%.1f %s", size, units[unit]);
}

const char *about_time(Arena *arena, uint64_t ms)
{
    if (ms < 1000)
        return arena_printf(arena, "%llu ms", (unsigned long long)ms);
    if (ms < 60 * 1000)
        return arena_printf(arena, "%.1f s", (double)ms / 1000);
    if (ms < 60 * 60 * 1000)
        return arena_printf(arena, "%.0f min", (double)ms / (60 * 1000));
    return arena_printf(arena, "%.1f h", (double)ms / (60 * 60 * 1000));
}
