#include "safe_trial.h"

#include "clock.h"

#include <string.h>

/* One file's statements: list->items [from, to). */
typedef struct FileTrial {
    Trial *trial;
    Arena *arena;
    const SafeList *list;
    size_t from;
    size_t to;
    SafeResult *result;
} FileTrial;

/* Schema and rows. */
typedef struct Picture {
    SchemaText schema;
    SchemaText data;
} Picture;

static ErrCode take_picture(Trial *trial, Arena *arena, Picture *ret, Error *err)
{
    ErrCode code = trial_schema(trial, arena, &ret->schema, err);
    return code == ERR_OK ? trial_data(trial, arena, &ret->data, err) : code;
}

static ErrCode run_statements(FileTrial *file, bool second, Error *err)
{
    for (size_t i = file->from; i < file->to; i++) {
        const SafeStatement *safe = &file->list->items[i];
        ErrCode code = trial_statement(file->trial, safe->file, safe->statement, err);
        if (code == ERR_INTERRUPTED || code == ERR_CONNECT)
            return code;
        if (code != ERR_OK) {
            file->result->error = *err;
            file->result->second_run = second;
            file->result->failed = true;
            return ERR_OK;
        }
    }
    return ERR_OK;
}

static void note_difference(FileTrial *file, const Picture *before, const Picture *after)
{
    AUTO_STR Str difference = {0};
    schema_text_diff(&before->schema, &after->schema, &difference);
    schema_text_diff(&before->data, &after->data, &difference);
    file->result->difference = arena_strdup(file->arena, str_text(&difference));
    file->result->failed = difference.length > 0;
}

static ErrCode try_file(FileTrial *file, Error *err)
{
    AUTO_ARENA Arena *texts = arena_new();
    Picture first, second;
    ErrCode code = run_statements(file, false, err);
    if (code != ERR_OK || file->result->failed)
        return code;
    code = take_picture(file->trial, texts, &first, err);
    if (code == ERR_OK)
        code = run_statements(file, true, err);
    if (code != ERR_OK || file->result->failed)
        return code;
    code = take_picture(file->trial, texts, &second, err);
    if (code == ERR_OK)
        note_difference(file, &first, &second);
    return code;
}

/* --- what the catalogs would answer ----------------------------------------------------------- */

typedef struct Asked {
    Arena *arena;
    const SafeList *list;
    SafeAnswer answer;
    bool read;
} Asked;

static void on_answer(const PgReply *reply, void *data)
{
    Asked *asked = data;
    const PgResult *result = &reply->results[0];
    size_t rows = pg_rows(result);
    const char **values = ARENA_ARRAY(asked->arena, const char *, 2 * rows + 1);
    for (size_t row = 0; row < rows; row++) {
        values[2 * row] = arena_strdup(asked->arena, pg_text(result, row, 0));
        values[2 * row + 1] = arena_strdup(asked->arena, pg_text(result, row, 1));
    }
    asked->read = safe_answer_read(asked->arena, asked->list, values, rows, 2, &asked->answer);
}

/* Files may undo each other, so this is asked once, after all of them. */
static ErrCode ask_what_is_missing(Trial *trial, Arena *arena, const SafeList *list,
                                   SafeResult *results, size_t count, Error *err)
{
    Asked asked = {.arena = arena, .list = list};
    StatementList question = safe_question(arena, list, "");
    ErrCode code = trial_query(trial, question.items[0].text, on_answer, &asked, err);
    if (code == ERR_OK && !asked.read)
        code = err_set(err, ERR_INTERNAL, "the catalogs answered something else than asked");
    if (code != ERR_OK)
        return code;
    for (size_t i = 0; i < list->count; i++) {
        const SafeStatement *safe = &list->items[i];
        if (asked.answer.states[i] != SAFE_MISSING)
            continue;
        for (size_t f = 0; f < count; f++) {
            SafeResult *result = &results[f];
            if (result->failed || strcmp(result->file, safe->file) != 0)
                continue;
            result->missing = arena_printf(arena, "%s%s:%d: %s\n", result->missing, safe->file,
                                           safe->statement->line, safe->what);
        }
    }
    for (size_t f = 0; f < count; f++)
        results[f].failed = results[f].failed || results[f].missing[0] != '\0';
    return ERR_OK;
}

ErrCode safe_trial_run(Trial *trial, Arena *arena, const SafeList *list, SafeResult **ret_results,
                       size_t *ret_count, Error *err)
{
    SafeResult *results = ARENA_ARRAY(arena, SafeResult, list->count);
    size_t count = 0;
    ErrCode code = ERR_OK;
    for (size_t from = 0, to = 0; from < list->count && code == ERR_OK; from = to) {
        while (to < list->count && strcmp(list->items[to].file, list->items[from].file) == 0)
            to++;
        SafeResult *result = &results[count++];
        *result = (SafeResult){.file = list->items[from].file, .difference = "", .missing = ""};
        FileTrial file = {trial, arena, list, from, to, result};
        uint64_t started_ms = clock_monotonic_ms();
        code = try_file(&file, err);
        result->duration_ms = clock_monotonic_ms() - started_ms;
    }
    bool failed = false;
    for (size_t i = 0; i < count; i++)
        failed = failed || results[i].failed;
    if (code == ERR_OK && !failed)
        code = ask_what_is_missing(trial, arena, list, results, count, err);
    if (code != ERR_OK)
        return code;
    *ret_results = results;
    *ret_count = count;
    return ERR_OK;
}
