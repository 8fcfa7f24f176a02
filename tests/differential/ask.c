/*
 * Asks pgtide's revision graph many questions in one process: a JSON object a line on stdin, one on
 * stdout.
 *
 * in:  {"files": [[name, text], ...],
 *       "queries": [{"kind": "upgrade|downgrade|stamp|range", "rows": [...], "targets": [...],
 *                    "purge": false}, ...]}
 * out: {"error": {...}} when the files are no graph, or {"answers": [...]}, each {"error": {...}}
 * or
 *      {"steps": [["upgrade", id], ...], "rows": [...], "between": [rows after each step, ...]}
 */
#include "graph.h"

#include "file.h"
#include "json.h"

#include <jansson.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void answer_error(JsonWriter *json, const Error *err)
{
    json_object_begin(json);
    json_field_object(json, "error");
    json_field_string(json, "code", err_code_name(err->code));
    json_field_string(json, "message", err->message);
    json_field_string(json, "detail", err->detail);
    json_field_string(json, "hint", err->hint);
    json_field_string(json, "file", err->file);
    json_field_int(json, "line", err->line);
    json_object_end(json);
    json_object_end(json);
}

static void answer_steps(JsonWriter *json, const GraphSteps *steps)
{
    json_object_begin(json);
    json_field_array(json, "steps");
    for (size_t i = 0; i < steps->count; i++) {
        json_array_begin(json);
        json_text(json, direction_name(steps->items[i].direction));
        json_text(json, steps->items[i].revision);
        json_array_end(json);
    }
    json_array_end(json);
    json_field_strings(json, "rows", &steps->rows_after);
    json_field_array(json, "between");
    for (size_t i = 0; i < steps->count; i++)
        json_strings(json, &steps->items[i].rows_after);
    json_array_end(json);
    json_object_end(json);
}

static StrList texts_read(Arena *arena, const json_t *array)
{
    StrList list = {0};
    for (size_t i = 0; i < json_array_size(array); i++)
        strlist_add(arena, &list, json_string_value(json_array_get(array, i)));
    return list;
}

static void range_answer(Arena *arena, const RevisionMap *map, const StrList *rows,
                         const char *range, JsonWriter *json)
{
    const Script **scripts;
    size_t count;
    Error err;
    if (graph_range(arena, map, rows, range, &scripts, &count, &err) != ERR_OK) {
        answer_error(json, &err);
        return;
    }
    json_object_begin(json);
    json_field_array(json, "steps");
    for (size_t i = 0; i < count; i++) {
        json_array_begin(json);
        json_text(json, "range");
        json_text(json, scripts[i]->id);
        json_array_end(json);
    }
    json_array_end(json);
    json_field_strings(json, "rows", rows);
    json_field_array(json, "between");
    json_array_end(json);
    json_object_end(json);
}

static void query_answer(Arena *arena, const RevisionMap *map, const json_t *query,
                         JsonWriter *json)
{
    const char *kind = json_string_value(json_object_get(query, "kind"));
    StrList rows = texts_read(arena, json_object_get(query, "rows"));
    StrList targets = texts_read(arena, json_object_get(query, "targets"));
    GraphSteps steps = {0};
    Error err;
    ErrCode code;
    if (strcmp(kind, "range") == 0) {
        range_answer(arena, map, &rows, targets.items[0], json);
        return;
    }
    if (strcmp(kind, "upgrade") == 0)
        code = graph_upgrade(arena, map, &rows, targets.items[0], &steps, &err);
    else if (strcmp(kind, "downgrade") == 0)
        code = graph_downgrade(arena, map, &rows, targets.items[0], &steps, &err);
    else
        code = graph_stamp(arena, map, &rows, &targets,
                           json_is_true(json_object_get(query, "purge")), &steps.rows_after, &err);
    if (code != ERR_OK)
        answer_error(json, &err);
    else
        answer_steps(json, &steps);
}

static ErrCode files_read(Arena *arena, const json_t *files, RevisionMap **ret_map, Error *err)
{
    size_t count = json_array_size(files);
    Script **scripts = ARENA_ARRAY(arena, Script *, count);
    for (size_t i = 0; i < count; i++) {
        const json_t *file = json_array_get(files, i);
        const char *name = json_string_value(json_array_get(file, 0));
        const json_t *text = json_array_get(file, 1);
        ErrCode code = script_parse(arena, path_join(arena, "versions", name),
                                    (const uint8_t *)json_string_value(text),
                                    json_string_length(text), &scripts[i], err);
        if (code != ERR_OK)
            return code;
    }
    return graph_build(arena, scripts, count, ret_map, err);
}

static void case_answer(Arena *arena, const json_t *asked, JsonWriter *json)
{
    RevisionMap *map;
    Error err;
    if (files_read(arena, json_object_get(asked, "files"), &map, &err) != ERR_OK) {
        answer_error(json, &err);
        return;
    }
    const json_t *queries = json_object_get(asked, "queries");
    json_object_begin(json);
    json_field_array(json, "answers");
    for (size_t i = 0; i < json_array_size(queries); i++)
        query_answer(arena, map, json_array_get(queries, i), json);
    json_array_end(json);
    json_object_end(json);
}

int main(void)
{
    AUTO_ARENA Arena *arena = arena_new();
    AUTO_STR Str out = {0};
    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, stdin) > 0) {
        json_t *asked = json_loads(line, 0, NULL);
        if (asked == NULL) {
            fputs("not a JSON object\n", stderr);
            return 2;
        }
        str_clear(&out);
        JsonWriter json = json_writer(&out);
        case_answer(arena, asked, &json);
        puts(str_text(&out));
        fflush(stdout);
        json_decref(asked);
        arena_reset(arena);
    }
    free(line);
    return 0;
}
