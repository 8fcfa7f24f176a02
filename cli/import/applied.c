#include "applied.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { NAMED_MAX = 5 };

typedef struct Known {
    const char *key;
    const Script *script;
    bool applied;
    bool below; /* an applied one builds on it */
} Known;

typedef struct Solver {
    Arena *arena;
    const ImportTool *tool;
    const RevisionMap *map;
    Known *by_key; /* revisions of the tool, sorted by key */
    size_t count;
    Known **by_id; /* the same, sorted by id */
    StrList unknown;
    StrList holes;
} Solver;

/* --- statements ------------------------------------------------------------------------------- */

/* a.b -> "a"."b": the same within a literal as outside. NULL: it has other characters. */
static const char *quoted_name(Arena *arena, const char *table)
{
    AUTO_STR Str out = {0};
    size_t part = 0;
    size_t dots = 0;
    str_append_char(&out, '"');
    for (const char *at = table; *at != '\0'; at++) {
        if (*at == '.' && part > 0 && dots++ == 0) {
            str_append(&out, "\".\"");
            part = 0;
        } else if (isalnum((unsigned char)*at) || *at == '_') {
            str_append_char(&out, *at);
            part++;
        } else {
            return NULL;
        }
    }
    str_append_char(&out, '"');
    return part == 0 ? NULL : arena_strdup(arena, str_text(&out));
}

ErrCode applied_statement(Arena *arena, const ImportTool *tool, const char *sql, const char *table,
                          const char **ret_sql, Error *err)
{
    AUTO_STR Str out = {0};
    if (table == NULL) {
        *ret_sql = sql;
        return ERR_OK;
    }
    const char *name = quoted_name(arena, table);
    if (name == NULL) {
        err_set(err, ERR_USAGE, "'%.80s' can't be the name of %s's table", table, tool->name);
        err_hint(err, "Say NAME or SCHEMA.NAME, of letters, digits and '_'.");
        return ERR_USAGE;
    }
    const char *at;
    while ((at = strstr(sql, tool->table)) != NULL) {
        str_append_bytes(&out, sql, (size_t)(at - sql));
        str_append(&out, name);
        sql = at + strlen(tool->table);
    }
    str_append(&out, sql);
    *ret_sql = arena_strdup(arena, str_text(&out));
    return ERR_OK;
}

/* --- revisions of the tool -------------------------------------------------------------------- */

static int compare_keys(const void *a, const void *b)
{
    return strcmp(((const Known *)a)->key, ((const Known *)b)->key);
}

static int compare_ids(const void *a, const void *b)
{
    return strcmp((*(Known *const *)a)->script->id, (*(Known *const *)b)->script->id);
}

static void known_read(Solver *solver)
{
    size_t length = strlen(solver->tool->name);
    size_t count = graph_count(solver->map);
    solver->by_key = ARENA_ARRAY(solver->arena, Known, count);
    for (size_t i = 0; i < count; i++) {
        const Script *script = graph_script_at(solver->map, i);
        if (strncmp(script->origin, solver->tool->name, length) == 0 &&
            script->origin[length] == ' ')
            solver->by_key[solver->count++] =
                (Known){.key = script->origin + length + 1, .script = script};
    }
    if (solver->count > 1)
        qsort(solver->by_key, solver->count, sizeof *solver->by_key, compare_keys);
    solver->by_id = ARENA_ARRAY(solver->arena, Known *, solver->count);
    for (size_t i = 0; i < solver->count; i++)
        solver->by_id[i] = &solver->by_key[i];
    if (solver->count > 1)
        qsort(solver->by_id, solver->count, sizeof *solver->by_id, compare_ids);
}

static Known *known_by_key(const Solver *solver, const char *key)
{
    Known wanted = {.key = key};
    return bsearch(&wanted, solver->by_key, solver->count, sizeof wanted, compare_keys);
}

static Known *known_by_id(const Solver *solver, const char *id)
{
    Known wanted = {.script = &(Script){.id = id}};
    Known *pointer = &wanted;
    Known **found = bsearch(&pointer, solver->by_id, solver->count, sizeof pointer, compare_ids);
    return found == NULL ? NULL : *found;
}

/* --- keys ------------------------------------------------------------------------------------- */

/* A tool with several projects in one table: the part before the colon is none of ours. */
static bool is_foreign(const Solver *solver, const char *key)
{
    size_t scope = strcspn(key, ":") + 1;
    for (size_t i = 0; i < solver->count && solver->tool->keys_have_scope; i++) {
        if (strncmp(solver->by_key[i].key, key, scope) == 0)
            return false;
    }
    return solver->tool->keys_have_scope;
}

static ErrCode with_ancestors(Solver *solver, const Known *newest, Error *err)
{
    StrList rows = {0};
    StrList applied;
    strlist_add(solver->arena, &rows, newest->script->id);
    ErrCode code = graph_applied(solver->arena, solver->map, &rows, &applied, err);
    for (size_t i = 0; i < applied.count && code == ERR_OK; i++) {
        Known *known = known_by_id(solver, applied.items[i]);
        if (known != NULL)
            known->applied = true;
    }
    return code;
}

static ErrCode key_read(Solver *solver, const char *key, AppliedState *state, Error *err)
{
    const ImportTool *tool = solver->tool;
    if (tool->key_compare != NULL && str_starts_with(key, "<=")) {
        for (size_t i = 0; i < solver->count; i++) {
            if (tool->key_compare(solver->by_key[i].key, key + 2) <= 0)
                solver->by_key[i].applied = true;
        }
        return ERR_OK;
    }
    Known *known = known_by_key(solver, key);
    if (known != NULL && tool->applied_newest_only)
        return with_ancestors(solver, known, err);
    if (known != NULL)
        known->applied = true;
    else if (is_foreign(solver, key))
        strlist_add(solver->arena, &state->ignored, key);
    else
        strlist_add(solver->arena, &solver->unknown, key);
    return ERR_OK;
}

/* "a, b, c and 4 more" */
static const char *named(Arena *arena, const StrList *list)
{
    StrList first = *list;
    if (first.count > NAMED_MAX)
        first.count = NAMED_MAX;
    const char *text = strlist_join(arena, &first, ", ");
    if (list->count > NAMED_MAX)
        text = arena_printf(arena, "%s and %zu more", text, list->count - NAMED_MAX);
    return text;
}

static ErrCode unknown_refuse(const Solver *solver, Error *err)
{
    if (solver->unknown.count == 0)
        return ERR_OK;
    err_set(err, ERR_STATE, "%s has applied what no revision here is: %s", solver->tool->name,
            named(solver->arena, &solver->unknown));
    err_hint(err, "Run `pgtide import` on the project as it was deployed, then stamp again.");
    return ERR_STATE;
}

/* --- the graph -------------------------------------------------------------------------------- */

/* Everything below an applied revision must be applied too. Walked from the newest, so that what
 * lies below one that was walked is not walked again. */
static ErrCode order_check(Solver *solver, Error *err)
{
    const Script **scripts;
    size_t count;
    graph_newest_first(solver->arena, solver->map, &scripts, &count);
    for (size_t i = 0; i < count; i++) {
        Known *known = known_by_id(solver, scripts[i]->id);
        if (known == NULL || !known->applied || known->below)
            continue;
        StrList rows = {0};
        StrList below;
        strlist_add(solver->arena, &rows, known->script->id);
        ErrCode code = graph_applied(solver->arena, solver->map, &rows, &below, err);
        if (code != ERR_OK)
            return code;
        for (size_t n = 0; n < below.count; n++) {
            Known *ancestor = known_by_id(solver, below.items[n]);
            if (ancestor == known)
                continue;
            if (ancestor != NULL)
                ancestor->below = true;
            if ((ancestor == NULL || !ancestor->applied) &&
                !strlist_has(&solver->holes, below.items[n]))
                strlist_add(solver->arena, &solver->holes, below.items[n]);
        }
        if (solver->holes.count > 0) {
            err_set(err, ERR_STATE, "%s has applied %s without what it builds on: %s",
                    solver->tool->name, known->script->id, named(solver->arena, &solver->holes));
            err_hint(err,
                     "Apply the missing ones with %s, or, if the database has what they do, "
                     "say so with `pgtide stamp REVISION`.",
                     solver->tool->name);
            return ERR_STATE;
        }
    }
    return ERR_OK;
}

/* A shard that went on with pgtide must not be put back by what an old table says. */
static ErrCode present_check(const Solver *solver, const AppliedKeys *keys, const StrList *present,
                             Error *err)
{
    for (size_t i = 0; i < present->count; i++) {
        const char *row = present->items[i];
        const Known *known = known_by_id(solver, row);
        if ((known != NULL && known->applied) || strlist_has(&keys->applied, row))
            continue;
        err_set(err, ERR_STATE, "the shard stands at %s, where %s has never brought it", row,
                solver->tool->name);
        err_hint(err, "If the version rows are wrong and %s's table is right, say --purge.",
                 solver->tool->name);
        return ERR_STATE;
    }
    return ERR_OK;
}

ErrCode applied_rows(Arena *arena, const ImportTool *tool, const RevisionMap *map,
                     const AppliedKeys *keys, const StrList *present, bool purge,
                     AppliedState *ret_state, Error *err)
{
    Solver solver = {.arena = arena, .tool = tool, .map = map};
    AppliedState state = {0};
    ErrCode code = ERR_OK;
    known_read(&solver);
    if (solver.count == 0) {
        err_set(err, ERR_NOT_FOUND, "no revision of this project was imported from %s", tool->name);
        err_hint(err, "Run `pgtide import PATH --from %s` first.", tool->name);
        return ERR_NOT_FOUND;
    }
    StrList half_done = {0};
    for (size_t i = 0; i < keys->half_done.count; i++) {
        if (!is_foreign(&solver, keys->half_done.items[i]))
            strlist_add(arena, &half_done, keys->half_done.items[i]);
    }
    if (half_done.count > 0) {
        err_set(err, ERR_STATE, "%s says that it broke off in the middle of %s", tool->name,
                named(arena, &half_done));
        err_hint(err,
                 "Look what of it is there, finish it or take it back, have %s say so, then "
                 "stamp again.",
                 tool->name);
        return ERR_STATE;
    }
    for (size_t i = 0; i < keys->applied.count && code == ERR_OK; i++)
        code = key_read(&solver, keys->applied.items[i], &state, err);
    if (code == ERR_OK)
        code = unknown_refuse(&solver, err);
    if (code == ERR_OK)
        code = order_check(&solver, err);
    if (code == ERR_OK && !purge)
        code = present_check(&solver, keys, present, err);
    if (code != ERR_OK)
        return code;
    for (size_t i = 0; i < solver.count; i++) {
        state.count += solver.by_id[i]->applied;
        if (solver.by_id[i]->applied && !solver.by_id[i]->below)
            strlist_add(arena, &state.rows, solver.by_id[i]->script->id);
    }
    *ret_state = state;
    return ERR_OK;
}
