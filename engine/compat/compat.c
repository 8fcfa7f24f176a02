#include "compat.h"

#include "json.h"
#include "named_limits.h"
#include "objects_sql.h"
#include "sql_tree.h"
#include "statements_sql.h"

#include "pg.h"

#include <stdlib.h>
#include <string.h>

/* The path that revisions run under is kept for the query behind, which is run under ours. */
const char compat_path_sql[] = "SELECT pg_catalog.set_config('pgtide.path',"
                               " pg_catalog.current_schemas(false)::pg_catalog.text, true),"
                               " pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true)";

/* --- questions -------------------------------------------------------------------------------- */

typedef struct Value {
    const char *name; /* "$1" */
    const char *text;
} Value;

/* A query of ours with values in it: agents' sessions run plain texts. Comments are left out, since
 * they need not be read on each server. */
static const char *filled(Arena *arena, const char *sql, const Value *values, size_t count)
{
    AUTO_STR Str out = {0};
    for (const char *at = sql; *at != '\0'; at++) {
        if (at[0] == '-' && at[1] == '-') {
            at += strcspn(at, "\n");
            if (*at == '\0')
                break;
        }
        const Value *value = NULL;
        for (size_t i = 0; i < count && value == NULL; i++)
            value = str_starts_with(at, values[i].name) ? &values[i] : NULL;
        if (value == NULL) {
            str_append_char(&out, *at);
            continue;
        }
        str_append(&out, value->text);
        at += strlen(value->name) - 1;
    }
    return arena_strdup(arena, str_text(&out));
}

CompatReport compat_report(Arena *arena, const TakenList *taken)
{
    return (CompatReport){
        .arena = arena,
        .taken = taken,
        .found = ARENA_ARRAY(arena, CompatFound, taken->count + 1),
        .untold = "extension pg_stat_statements is not in this database",
        .role = "",
    };
}

const char *compat_objects_sql(const CompatReport *report)
{
    AUTO_STR Str text = {0};
    JsonWriter json = json_writer(&text);
    json_array_begin(&json);
    for (size_t i = 0; i < report->taken->count; i++) {
        const Taken *taken = &report->taken->items[i];
        json_object_begin(&json);
        json_field_uint(&json, "i", i);
        json_field_string(&json, "kind", taken_kind_name(taken->kind));
        json_field_string(&json, "how", taken_how_name(taken->how));
        json_field_bool(&json, "missed", taken_is_missed(taken));
        json_field_string(&json, "schema", taken->schema);
        json_field_string(&json, "name", taken->name);
        json_field_string(&json, "part", taken->part);
        json_field_int(&json, "arguments", taken->argument_count);
        json_object_end(&json);
    }
    json_array_end(&json);
    const Value values[] = {{"$1", sql_literal(report->arena, str_text(&text))}};
    return filled(report->arena, objects_sql, values, 1);
}

/* As it stands in a statement, quoted or not. */
static void write_words(JsonWriter *json, Arena *arena, const char *name)
{
    json_text(json, name);
    if (strchr(name, '"') == NULL)
        return;
    AUTO_STR Str quoted = {0};
    for (const char *at = name; *at != '\0'; at++) {
        if (*at == '"')
            str_append_char(&quoted, '"');
        str_append_char(&quoted, *at);
    }
    json_text(json, arena_strdup(arena, str_text(&quoted)));
}

const char *compat_statements_sql(const CompatReport *report)
{
    if (report->untold != NULL)
        return NULL;
    Arena *arena = report->arena;
    AUTO_STR Str text = {0};
    JsonWriter json = json_writer(&text);
    json_array_begin(&json);
    for (size_t i = 0; i < report->taken->count; i++) {
        const Taken *taken = &report->taken->items[i];
        if (!taken_is_missed(taken))
            continue;
        const CompatFound *found = &report->found[i];
        write_words(&json, arena, taken->name);
        for (size_t k = 0; k < found->children.count; k++)
            write_words(&json, arena, found->children.items[k]);
        for (size_t k = 0; k < found->sources.count; k++)
            write_words(&json, arena, found->sources.items[k]);
        if (taken_is_attribute(taken))
            write_words(&json, arena, taken->part);
    }
    json_array_end(&json);
    static const char info[] = "(SELECT i.%s::text FROM %s.pg_stat_statements_info i)";
    const char *evicted = "NULL::text";
    const char *since = "NULL::text";
    if (report->has_info) {
        evicted = arena_printf(arena, info, "dealloc", report->schema);
        since = arena_printf(arena, info, "stats_reset", report->schema);
    }
    const Value values[] = {
        {"$1", sql_literal(arena, str_text(&text))},
        {"$2", report->schema},
        {"$3", evicted},
        {"$4", since},
    };
    return filled(arena, statements_sql, values, 4);
}

/* --- answers ---------------------------------------------------------------------------------- */

static const char *cell(const CompatRows *rows, size_t row, size_t column)
{
    const char *value = column < rows->columns ? rows->values[row * rows->columns + column] : NULL;
    return value == NULL ? "" : value;
}

static ErrCode check_rows(const CompatRows *rows, Error *err)
{
    if (rows->count <= LIMIT_COMPAT_ROWS)
        return ERR_OK;
    err_set(err, ERR_LIMIT, "more than %d things use what is taken away", LIMIT_COMPAT_ROWS);
    err_hint(err, "Ask about fewer revisions at once.");
    return ERR_LIMIT;
}

static CompatUse *add_use(CompatReport *report, size_t taken, const char *kind, const char *name,
                          CompatSure sure)
{
    if (report->use_count == report->use_capacity) {
        size_t capacity = report->use_capacity == 0 ? 16 : report->use_capacity * 2;
        report->uses = arena_grow(report->arena, report->uses, report->use_count, capacity,
                                  sizeof *report->uses);
        report->use_capacity = capacity;
    }
    CompatUse *use = &report->uses[report->use_count++];
    *use = (CompatUse){.taken = taken,
                       .kind = arena_strdup(report->arena, kind),
                       .name = arena_strdup(report->arena, name),
                       .sure = sure};
    return use;
}

enum { ROW_WHAT, ROW_TAKEN, ROW_KIND, ROW_NAME, ROW_SAID, ROW_TEXT, ROW_SCHEMA };

static void read_found(CompatReport *report, const CompatRows *rows, size_t row, CompatFound *found)
{
    Arena *arena = report->arena;
    const char *name = cell(rows, row, ROW_NAME);
    StrList rivals = {0};
    if (found->name == NULL) {
        found->name = arena_strdup(arena, name);
        found->kind = arena_strdup(arena, cell(rows, row, ROW_KIND));
    } else {
        found->name = arena_printf(arena, "%s, %s", found->name, name);
    }
    found->twins = found->twins || strtoul(cell(rows, row, ROW_SAID), NULL, 10) > 0;
    strlist_add(arena, &found->schemas, cell(rows, row, ROW_SCHEMA));
    if (!pg_array_parse(arena, cell(rows, row, ROW_TEXT), &rivals))
        return;
    for (size_t i = 0; i < rivals.count; i++)
        strlist_add(arena, &found->rivals, rivals.items[i]);
}

static void read_statements(CompatReport *report, const CompatRows *rows, size_t row)
{
    Arena *arena = report->arena;
    const char *version = cell(rows, row, ROW_KIND); /* 1.10 */
    const char *minor = strchr(version, '.');
    const char *flaw = cell(rows, row, ROW_SAID);
    report->untold = flaw[0] == '\0' ? NULL : arena_strdup(arena, flaw);
    report->schema = arena_strdup(arena, cell(rows, row, ROW_NAME));
    report->role = arena_strdup(arena, cell(rows, row, ROW_TEXT));
    enum { MINOR_WITH_INFO = 9 };
    report->has_info = version[0] > '1' || (minor != NULL && atoi(minor + 1) >= MINOR_WITH_INFO);
}

/* What no look at the database can tell. */
static void note_untold(CompatReport *report)
{
    for (size_t i = 0; i < report->taken->count; i++) {
        const Taken *taken = &report->taken->items[i];
        const char *why = NULL;
        if (taken->kind == TAKEN_UNREADABLE)
            why = "what it takes away is not known";
        else if (!taken_is_missed(taken) || report->found[i].name == NULL)
            continue;
        else if (taken->kind == TAKEN_LABEL)
            why = "labels are constants, which statistics of statements leave out";
        else if (taken->kind == TAKEN_SEQUENCE)
            why = "sequences are named in constants, which statistics of statements leave out";
        if (why != NULL)
            strlist_add(report->arena, &report->notes,
                        arena_printf(report->arena, "%s, line %d, %s: cannot tell: %s",
                                     taken->revision, taken->line,
                                     taken_describe(report->arena, taken), why));
    }
}

ErrCode compat_read_objects(CompatReport *report, const CompatRows *rows, Error *err)
{
    ErrCode code = check_rows(rows, err);
    if (code != ERR_OK)
        return code;
    for (size_t row = 0; row < rows->count; row++) {
        const char *what = cell(rows, row, ROW_WHAT);
        size_t i = strtoul(cell(rows, row, ROW_TAKEN), NULL, 10);
        const char *kind = cell(rows, row, ROW_KIND);
        const char *name = cell(rows, row, ROW_NAME);
        if (strcmp(what, "statements") == 0) {
            read_statements(report, rows, row);
        } else if (i >= report->taken->count) {
            return err_set(err, ERR_INTERNAL, "a use of what is not taken away");
        } else if (strcmp(what, "found") == 0) {
            read_found(report, rows, row, &report->found[i]);
        } else if (strcmp(what, "child") == 0) {
            CompatFound *found = &report->found[i];
            strlist_add(report->arena, &found->children, arena_strdup(report->arena, name));
            strlist_add(report->arena, &found->homes,
                        arena_strdup(report->arena, cell(rows, row, ROW_SCHEMA)));
        } else if (strcmp(what, "source") == 0) {
            strlist_add(report->arena, &report->found[i].sources,
                        arena_strdup(report->arena, name));
        } else if (strcmp(what, "object") == 0) {
            add_use(report, i, kind, name, COMPAT_USES);
        } else {
            const char *why = NULL;
            bool about = strcmp(cell(rows, row, ROW_SAID), "t") == 0;
            CompatSure sure = body_uses(report->arena, cell(rows, row, ROW_TEXT),
                                        &report->taken->items[i], about, &why);
            if (sure != COMPAT_NOT)
                add_use(report, i, kind, name, sure)->why = why;
        }
    }
    note_untold(report);
    return ERR_OK;
}

ErrCode compat_sample_read(Arena *arena, const CompatRows *rows, CompatSample *ret_sample,
                           Error *err)
{
    enum { USER, ID, CALLS, SINCE, TEXT };
    ErrCode code = check_rows(rows, err);
    if (code == ERR_OK && rows->count == 0)
        code = err_set(err, ERR_INTERNAL, "no row about the statistics of statements");
    if (code != ERR_OK)
        return code;
    CompatSample sample = {.items = ARENA_ARRAY(arena, CompatStatement, rows->count),
                           .evicted = strtoull(cell(rows, 0, CALLS), NULL, 10),
                           .since = arena_strdup(arena, cell(rows, 0, SINCE))};
    for (size_t row = 1; row < rows->count; row++)
        sample.items[sample.count++] =
            (CompatStatement){.user = arena_strdup(arena, cell(rows, row, USER)),
                              .id = arena_strdup(arena, cell(rows, row, ID)),
                              .since = arena_strdup(arena, cell(rows, row, SINCE)),
                              .text = arena_strdup(arena, cell(rows, row, TEXT)),
                              .calls = strtoull(cell(rows, row, CALLS), NULL, 10)};
    *ret_sample = sample;
    return ERR_OK;
}

CompatSample compat_sample_keep(Arena *arena, const CompatSample *sample)
{
    CompatSample kept = {.items = ARENA_ARRAY(arena, CompatStatement, sample->count + 1),
                         .count = sample->count,
                         .evicted = sample->evicted,
                         .since = arena_strdup(arena, sample->since)};
    for (size_t i = 0; i < sample->count; i++)
        kept.items[i] = (CompatStatement){.user = arena_strdup(arena, sample->items[i].user),
                                          .id = arena_strdup(arena, sample->items[i].id),
                                          .since = "",
                                          .text = "",
                                          .calls = sample->items[i].calls};
    return kept;
}

/* --- statements ------------------------------------------------------------------------------- */

/* Both are in the order of users and ids, which the server has made: equal ones are found, not
 * ordered, since its order of ids is not ours. */
static uint64_t calls_before(const CompatSample *sample, const CompatStatement *statement,
                             size_t *cursor)
{
    for (size_t n = 0; sample != NULL && n < sample->count; n++) {
        size_t at = (*cursor + n) % sample->count;
        if (strcmp(sample->items[at].id, statement->id) != 0 ||
            strcmp(sample->items[at].user, statement->user) != 0)
            continue;
        *cursor = at + 1;
        return sample->items[at].calls;
    }
    return 0;
}

static bool is_own(const CompatReport *report, const CompatJudgeArgs *args,
                   const CompatStatement *statement, const Query *query)
{
    if (strcmp(statement->user, report->role) != 0)
        return false;
    return query_is_copy_out(query) ||
           (args->own != NULL &&
            strlist_has(args->own, compat_fingerprint(report->arena, statement->text)));
}

static void judge(CompatReport *report, const CompatJudgeArgs *args,
                  const CompatStatement *statement, uint64_t calls)
{
    const Query *query = query_read(report->arena, statement->text);
    if (is_own(report, args, statement, query))
        return;
    for (size_t i = 0; i < report->taken->count; i++) {
        const Taken *taken = &report->taken->items[i];
        const char *why = NULL;
        if (!taken_is_missed(taken) || report->found[i].name == NULL)
            continue;
        CompatSure sure = query_uses(query, taken, &report->found[i], &why);
        if (sure == COMPAT_NOT)
            continue;
        if (sure == COMPAT_USES && taken->how == TAKEN_CHANGED) {
            sure = COMPAT_MAY;
            why = "names it, and may stand another type";
        }
        CompatUse *use = add_use(report, i, "query", statement->id, sure);
        use->why = why;
        use->user = statement->user;
        use->calls = calls;
        use->since = statement->since[0] != '\0' ? statement->since : args->now->since;
        use->shown = query_shown(query);
    }
}

void compat_judge(CompatReport *report, const CompatJudgeArgs *args)
{
    if (args->now == NULL)
        return;
    size_t cursor = 0;
    for (size_t i = 0; i < args->now->count; i++) {
        const CompatStatement *statement = &args->now->items[i];
        uint64_t before = calls_before(args->before, statement, &cursor);
        uint64_t calls = statement->calls >= before ? statement->calls - before : statement->calls;
        if (calls == 0 || (args->ignore != NULL && strlist_has(args->ignore, statement->user)))
            continue;
        judge(report, args, statement, calls);
    }
    uint64_t known = args->before == NULL ? 0 : args->before->evicted;
    uint64_t evicted = /* it begins anew with a reset */
        args->now->evicted >= known ? args->now->evicted - known : args->now->evicted;
    report->forgotten = evicted > 0;
    if (report->forgotten)
        strlist_add(report->arena, &report->notes,
                    arena_printf(report->arena,
                                 "pg_stat_statements has forgotten statements %llu times since: "
                                 "rare ones may be missing",
                                 (unsigned long long)evicted));
}

const char *compat_fingerprint(Arena *arena, const char *text)
{
    PgQueryFingerprintResult result = pg_query_fingerprint(text);
    const char *fingerprint = result.error == NULL && result.fingerprint_str != NULL
                                  ? arena_strdup(arena, result.fingerprint_str)
                                  : "";
    pg_query_free_fingerprint_result(result);
    return fingerprint;
}
