#include "pg.h"

#include <errno.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

size_t pg_rows(const PgResult *result)
{
    return (size_t)PQntuples(result->handle);
}

size_t pg_columns(const PgResult *result)
{
    return (size_t)PQnfields(result->handle);
}

const char *pg_column_name(const PgResult *result, int column)
{
    const char *name = PQfname(result->handle, column);
    return name == NULL ? "" : name;
}

const char *pg_text(const PgResult *result, size_t row, int column)
{
    if (row >= pg_rows(result) || column >= PQnfields(result->handle))
        return "";
    return PQgetvalue(result->handle, (int)row, column);
}

bool pg_is_null(const PgResult *result, size_t row, int column)
{
    if (row >= pg_rows(result) || column >= PQnfields(result->handle))
        return true;
    return PQgetisnull(result->handle, (int)row, column) == 1;
}

bool pg_bool(const PgResult *result, size_t row, int column)
{
    return strcmp(pg_text(result, row, column), "t") == 0;
}

int64_t pg_i64(const PgResult *result, size_t row, int column)
{
    char *end;
    errno = 0;
    long long value = strtoll(pg_text(result, row, column), &end, 10);
    return errno != 0 || *end != '\0' ? 0 : value;
}

uint64_t pg_u64(const PgResult *result, size_t row, int column)
{
    const char *text = pg_text(result, row, column);
    if (*text == '-')
        return (uint64_t)pg_i64(result, row, column);
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    return errno != 0 || *end != '\0' ? 0 : value;
}

bool pg_is_false(const PgResult *result)
{
    enum { BOOL_OID = 16 };
    return PQntuples(result->handle) == 1 && PQnfields(result->handle) == 1 &&
           PQftype(result->handle, 0) == BOOL_OID && strcmp(pg_text(result, 0, 0), "f") == 0;
}

const char *pg_tag(const PgResult *result)
{
    return PQcmdStatus(result->handle);
}

size_t pg_affected(const PgResult *result)
{
    return (size_t)strtoul(PQcmdTuples(result->handle), NULL, 10);
}

/* Reads one element at `*at`, quoted or bare, and leaves `*at` behind it. */
static bool parse_element(const char **at, Str *out)
{
    const char *p = *at;
    str_clear(out);
    if (*p != '"') {
        size_t length = strcspn(p, ",{}\"\\");
        if (length == 0 || (length == 4 && strncasecmp(p, "NULL", 4) == 0))
            return false;
        str_append_bytes(out, p, length);
        *at = p + length;
        return true;
    }
    for (p++; *p != '"'; p++) {
        if (*p == '\\')
            p++;
        if (*p == '\0')
            return false;
        str_append_char(out, *p);
    }
    *at = p + 1;
    return true;
}

bool pg_array_parse(Arena *arena, const char *text, StrList *out)
{
    StrList list = {0};
    AUTO_STR Str element = {0};
    const char *at = text;
    if (*at++ != '{')
        return false;
    if (strcmp(at, "}") == 0) {
        *out = list;
        return true;
    }
    for (;;) {
        if (!parse_element(&at, &element))
            return false;
        strlist_add(arena, &list, str_text(&element));
        if (*at == '}')
            break;
        if (*at++ != ',')
            return false;
    }
    if (at[1] != '\0')
        return false;
    *out = list;
    return true;
}

const char *pg_array_format(Arena *arena, const StrList *list)
{
    AUTO_STR Str out = {0};
    str_append_char(&out, '{');
    for (size_t i = 0; i < list->count; i++) {
        str_append(&out, i == 0 ? "\"" : ",\"");
        for (const char *p = list->items[i]; *p != '\0'; p++) {
            if (*p == '"' || *p == '\\')
                str_append_char(&out, '\\');
            str_append_char(&out, *p);
        }
        str_append_char(&out, '"');
    }
    str_append_char(&out, '}');
    return arena_strndup(arena, str_text(&out), out.length);
}

PgBatch pg_batch(Arena *arena)
{
    return (PgBatch){.arena = arena};
}

void pg_batch_add(PgBatch *batch, const char *sql)
{
    pg_batch_add_params(batch, sql, 0, NULL);
}

void pg_batch_add_params(PgBatch *batch, const char *sql, int param_count,
                         const char *const *params)
{
    if (batch->count == batch->capacity) {
        size_t capacity = batch->capacity == 0 ? 16 : batch->capacity * 2;
        batch->items =
            arena_grow(batch->arena, batch->items, batch->count, capacity, sizeof *batch->items);
        batch->capacity = capacity;
    }
    PgStatement *statement = &batch->items[batch->count++];
    *statement = (PgStatement){.sql = sql, .param_count = param_count};
    if (param_count > 0)
        statement->params =
            arena_memdup(batch->arena, params, sizeof *params * (size_t)param_count);
}

void pg_batch_add_prepared(PgBatch *batch, const char *sql, int param_count,
                           const char *const *params)
{
    pg_batch_add_params(batch, sql, param_count, params);
    batch->items[batch->count - 1].prepared = true;
}

void pg_batch_add_foreign(PgBatch *batch, const char *sql)
{
    pg_batch_add(batch, sql);
    batch->items[batch->count - 1].foreign = true;
}

void pg_batch_add_copy(PgBatch *batch, const char *sql, const char *data, size_t length)
{
    pg_batch_add(batch, sql);
    PgStatement *statement = &batch->items[batch->count - 1];
    statement->copy_data = data;
    statement->copy_length = length;
}

ErrCode pg_parse_conninfo(Arena *arena, const char *text, const PgKeyword **ret_keywords,
                          size_t *ret_count, Error *err)
{
    char *why = NULL;
    PQconninfoOption *options = PQconninfoParse(text, &why);
    if (options == NULL) {
        PQfreemem(why); /* it may quote the password */
        err_set(err, ERR_CONFIG, "not a valid connection url or keyword string");
        size_t scheme = strcspn(text, "+:/");
        if (text[scheme] == '+' && strstr(text, "://") != NULL)
            err_hint(err, "That is SQLAlchemy's form: leave out the +DRIVER before ://.");
        else
            err_hint(err, "Write postgresql://user@host:port/database or \"host=... dbname=...\".");
        return ERR_CONFIG;
    }
    size_t given = 0;
    for (PQconninfoOption *option = options; option->keyword != NULL; option++)
        given += option->val != NULL;
    PgKeyword *keywords = ARENA_ARRAY(arena, PgKeyword, given + 1);
    size_t count = 0;
    for (PQconninfoOption *option = options; option->keyword != NULL; option++) {
        if (option->val == NULL)
            continue;
        keywords[count].name = arena_strdup(arena, option->keyword);
        keywords[count++].value = arena_strdup(arena, option->val);
    }
    PQconninfoFree(options);
    *ret_keywords = keywords;
    *ret_count = count;
    return ERR_OK;
}
