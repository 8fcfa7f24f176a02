#include "safe.h"

#include "file.h"
#include "named_limits.h"
#include "safe_forms.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- files ------------------------------------------------------------------------------------ */

ErrCode safe_files_load(Arena *arena, const char *directory, SafeFiles *ret_files, Error *err)
{
    DIR *dir = opendir(directory);
    if (dir == NULL) {
        err_set(err, ERR_NOT_FOUND, "can't read the directory %.200s: %s", directory,
                strerror(errno));
        err_hint(err, "It is named by `safe` in pgtide.yaml.");
        return ERR_NOT_FOUND;
    }
    StrList names = {0};
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL && names.count <= LIMIT_SAFE_FILES) {
        if (entry->d_name[0] != '.' && str_ends_with(entry->d_name, ".sql"))
            strlist_add(arena, &names, entry->d_name);
    }
    closedir(dir);
    if (names.count > LIMIT_SAFE_FILES)
        return err_set(err, ERR_LIMIT, "more than %d files in %.200s", LIMIT_SAFE_FILES, directory);
    strlist_sort(&names);
    SafeFiles files = {.items = ARENA_ARRAY(arena, SafeFile, names.count)};
    for (size_t i = 0; i < names.count; i++) {
        uint8_t *bytes;
        size_t length;
        ErrCode code = file_read_all(arena, path_join(arena, directory, names.items[i]),
                                     LIMIT_REVISION_FILE_BYTES, &bytes, &length, err);
        if (code != ERR_OK)
            return code;
        files.items[files.count++] =
            (SafeFile){.name = names.items[i], .bytes = bytes, .length = length};
    }
    *ret_files = files;
    return ERR_OK;
}

SafeQuestion *safe_question_add(SafeQuestions *questions, SafeForm form)
{
    if (questions->count == questions->capacity) {
        size_t capacity = questions->capacity == 0 ? 32 : 2 * questions->capacity;
        questions->items = arena_grow(questions->arena, questions->items, questions->count,
                                      capacity, sizeof(SafeQuestion));
        questions->capacity = capacity;
    }
    SafeQuestion *question = &questions->items[questions->count++];
    *question =
        (SafeQuestion){.form = form, .schema = "", .relation = "", .name = "", .detail = ""};
    return question;
}

static ErrCode file_read(SafeQuestions *questions, const char *path, const SafeFile *file,
                         SafeList *list, Error *err)
{
    Arena *arena = questions->arena;
    const char *text = (const char *)file->bytes;
    if (!str_is_utf8(text, file->length)) {
        err_set(err, ERR_SCRIPT, "not UTF-8, or holds a NUL");
        err_at(err, path, 0);
        return ERR_SCRIPT;
    }
    StatementList statements;
    ErrCode code = sql_split(arena, path, text, file->length, 1, &statements, err);
    if (code != ERR_OK)
        return code;
    if (list->count + statements.count > LIMIT_SAFE_STATEMENTS)
        return err_set(err, ERR_LIMIT, "more than %d safe statements", LIMIT_SAFE_STATEMENTS);
    list->items = arena_grow(arena, list->items, list->count, list->count + statements.count,
                             sizeof(SafeStatement));
    for (size_t i = 0; i < statements.count; i++) {
        SafeStatement *safe = &list->items[list->count];
        *safe = (SafeStatement){.file = path, .statement = &statements.items[i]};
        code = safe_form_read(questions, list->count, safe, err);
        if (code != ERR_OK)
            return code;
        list->count++;
    }
    return ERR_OK;
}

ErrCode safe_list_read(Arena *arena, const char *directory, const SafeFiles *files,
                       SafeList *ret_list, Error *err)
{
    SafeQuestions questions = {.arena = arena};
    SafeList list = {0};
    for (size_t i = 0; i < files->count; i++) {
        const char *path = path_join(arena, directory, files->items[i].name);
        ErrCode code = file_read(&questions, path, &files->items[i], &list, err);
        if (code != ERR_OK)
            return code;
    }
    list.questions = questions.items;
    list.question_count = questions.count;
    *ret_list = list;
    return ERR_OK;
}

/* --- the question ----------------------------------------------------------------------------- */

/* In the schema where CREATE would put it: PostgreSQL looks nowhere else for IF NOT EXISTS. */
#define HOME                                                                                       \
    "(SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname ="                               \
    " CASE WHEN v.schema <> '' THEN v.schema ELSE pg_catalog.current_schema() END)"
#define ATTRIBUTE(condition)                                                                       \
    "EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = r.oid AND a.attnum > 0"      \
    " AND NOT a.attisdropped AND a.attname = v.name" condition ")"
#define DETAIL(key) "pg_catalog.jsonb_extract_path_text(v.detail::jsonb, '" key "')"

static const char *const form_sql[SAFE_FORM_COUNT] = {
#define X(form, condition) [SAFE_FORM_##form] = condition,
#include "safe_forms.def"
#undef X
};

/* An INVALID index: CREATE INDEX IF NOT EXISTS is content with it, queries are not. */
#define INVALID_INDEX                                                                              \
    "EXISTS (SELECT FROM pg_catalog.pg_index i, pg_catalog.pg_class c, pg_catalog.pg_class t"      \
    " WHERE t.oid = r.oid AND c.relname = v.name AND c.relnamespace = t.relnamespace"              \
    " AND i.indexrelid = c.oid AND NOT i.indisvalid)"

static void append_literal(Str *sql, const char *text)
{
    str_append(sql, "E'");
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '\'' || *at == '\\')
            str_append_char(sql, *at);
        str_append_char(sql, *at);
    }
    str_append(sql, "'");
}

static void append_values(Str *sql, const SafeList *list)
{
    for (size_t i = 0; i < list->question_count; i++) {
        const SafeQuestion *question = &list->questions[i];
        str_printf(sql, "%s(%zu, %d, ", i == 0 ? "" : ", ", question->statement, question->form);
        const char *const texts[] = {question->schema, question->relation, question->name,
                                     question->detail};
        for (size_t t = 0; t < sizeof texts / sizeof texts[0]; t++) {
            append_literal(sql, texts[t]);
            str_append(sql, ", ");
        }
        str_printf(sql, "%s)", question->lenient ? "true" : "false");
    }
}

/* Only the forms that are there: each one costs planning. */
static void append_cases(Str *sql, const SafeList *list)
{
    bool used[SAFE_FORM_COUNT] = {false};
    for (size_t i = 0; i < list->question_count; i++)
        used[list->questions[i].form] = true;
    str_append(sql, "CASE WHEN v.lenient AND r.oid IS NULL THEN 't'");
    if (used[SAFE_FORM_INDEX])
        str_printf(sql, " WHEN v.form = %d AND " INVALID_INDEX " THEN 'i'", SAFE_FORM_INDEX);
    str_append(sql, " ELSE CASE CASE v.form");
    for (int form = 0; form < SAFE_FORM_COUNT; form++) {
        if (used[form])
            str_printf(sql, " WHEN %d THEN %s", form, form_sql[form]);
    }
    str_append(sql, " END WHEN true THEN 't' ELSE 'f' END END");
}

static const char question_of_all[] =
    "SELECT '-'::text AS statement, CASE WHEN pg_catalog.pg_is_in_recovery() THEN 'r'"
    " ELSE 'p' END AS answer UNION ALL SELECT '+', CASE WHEN EXISTS (SELECT FROM"
    " pg_catalog.pg_namespace n WHERE n.nspname = ";

static StatementList one_select(Arena *arena, const Str *sql)
{
    StatementList statements = {.items = ARENA_NEW(arena, Statement), .count = 1};
    statements.items[0] = (Statement){
        .text = arena_strdup(arena, str_text(sql)),
        .line = 1,
        .column = 1,
        .first_keyword = "SELECT",
        .second_keyword = "",
    };
    return statements;
}

StatementList safe_question(Arena *arena, const SafeList *list, const char *schema)
{
    AUTO_STR Str sql = {0};
    str_append(&sql, question_of_all);
    append_literal(&sql, schema);
    str_printf(&sql, ") OR %s THEN 't' ELSE 'f' END", schema[0] == '\0' ? "true" : "false");
    if (list->question_count > 0) {
        str_append(&sql, " UNION ALL SELECT v.statement::text, ");
        append_cases(&sql, list);
        str_append(&sql, " FROM (VALUES ");
        append_values(&sql, list);
        str_append(&sql, ") AS v(statement, form, schema, relation, name, detail, lenient)"
                         " CROSS JOIN LATERAL (SELECT CASE WHEN v.relation <> '' THEN"
                         " pg_catalog.to_regclass(CASE WHEN v.schema <> '' THEN"
                         " pg_catalog.quote_ident(v.schema) || '.' ELSE '' END ||"
                         " pg_catalog.quote_ident(v.relation))::oid END AS oid) AS r");
    }
    return one_select(arena, &sql);
}

StatementList safe_blockers(Arena *arena, const SafeStatement *safe)
{
    AUTO_STR Str sql = {0};
    str_append(&sql, "SELECT 'held by ' || pg_catalog.string_agg(DISTINCT pg_catalog.format("
                     "'pid %s (%s%s, %s for %s s)', a.pid, a.usename,"
                     " ' ' || nullif(a.application_name, ''), a.state, pg_catalog.round("
                     "extract(epoch FROM pg_catalog.now() - a.xact_start))), ', ')"
                     " FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a"
                     " ON a.pid = l.pid WHERE l.locktype = 'relation' AND l.granted"
                     " AND l.pid <> pg_catalog.pg_backend_pid()"
                     " AND l.relation = pg_catalog.to_regclass(");
    append_literal(&sql, safe->relation);
    str_append(&sql, ")::oid");
    return one_select(arena, &sql);
}

/* --- the answer ------------------------------------------------------------------------------- */

/* One missing question makes the statement missing; an INVALID index is worse. */
static SafeState state_with(SafeState state, char answer)
{
    if (answer == 'i' || state == SAFE_INVALID)
        return SAFE_INVALID;
    if (answer == 'f' || state == SAFE_MISSING)
        return SAFE_MISSING;
    return SAFE_PRESENT;
}

bool safe_answer_read(Arena *arena, const SafeList *list, const char *const *values,
                      size_t row_count, size_t column_count, SafeAnswer *ret_answer)
{
    SafeAnswer answer = {.states = ARENA_ARRAY(arena, SafeState, list->count)};
    if (column_count != 2 || row_count != list->question_count + 2)
        return false;
    for (size_t row = 0; row < row_count; row++) {
        const char *statement = values[2 * row];
        const char *said = values[2 * row + 1];
        if (statement == NULL || said == NULL)
            return false;
        if (statement[0] == '-') {
            answer.in_recovery = said[0] == 'r';
        } else if (statement[0] == '+') {
            answer.has_schema = said[0] == 't';
        } else {
            size_t index = strtoul(statement, NULL, 10);
            if (index >= list->count)
                return false;
            answer.states[index] = state_with(answer.states[index], said[0]);
        }
    }
    for (size_t i = 0; i < list->count; i++)
        answer.missing += answer.states[i] == SAFE_MISSING;
    *ret_answer = answer;
    return true;
}
