#include "import_write.h"

#include "file.h"
#include "named_limits.h"

#include <stdlib.h>
#include <string.h>

enum { FILE_NAME_BYTES_MAX = 200 };

typedef struct Origin {
    const char *key;
    const Script *script;
    bool met; /* an item has it */
} Origin;

/* An item by its id. */
typedef struct ItemId {
    const char *id;
    size_t index;
} ItemId;

typedef struct Planner {
    Arena *arena;
    Import *import;
    const ImportTool *tool;
    const Project *project;
    Script *const *scripts;
    size_t script_count;
    Origin *origins; /* of earlier imports of this tool, sorted by key */
    size_t origin_count;
    ItemId *ids;       /* of items, sorted */
    Origin **imported; /* per item: its earlier import; NULL = new */
    StrList taken;     /* ids, sorted */
    StrList left_out;  /* ids of items that could not be planned */
    const char *last;  /* what the next one revises; NULL = nothing */
    ImportPlan plan;
} Planner;

size_t import_problem_count(const Import *import)
{
    size_t count = 0;
    for (size_t i = 0; i < import->note_count; i++)
        count += import->notes[i].problem;
    return count;
}

/* --- what is there already -------------------------------------------------------------------- */

static int compare_origins(const void *a, const void *b)
{
    return strcmp(((const Origin *)a)->key, ((const Origin *)b)->key);
}

static Origin *origin_find(Planner *planner, const char *key)
{
    Origin wanted = {.key = key};
    if (planner->origin_count == 0)
        return NULL;
    return bsearch(&wanted, planner->origins, planner->origin_count, sizeof wanted,
                   compare_origins);
}

static int compare_ids(const void *a, const void *b)
{
    const ItemId *one = a;
    const ItemId *other = b;
    int order = strcmp(one->id, other->id);
    return order != 0 ? order : (one->index > other->index) - (one->index < other->index);
}

/* Repeatables and baselines are counted apart: none has the id of a revision. */
static const char *item_name(const Planner *planner, size_t index)
{
    const ImportedRevision *item = &planner->import->items[index];
    return item->kind == SCRIPT_REVISION
               ? item->id
               : arena_printf(planner->arena, "%d:%s", (int)item->kind, item->id);
}

static void ids_sort(Planner *planner)
{
    const Import *import = planner->import;
    planner->ids = ARENA_ARRAY(planner->arena, ItemId, import->count);
    for (size_t i = 0; i < import->count; i++)
        planner->ids[i] = (ItemId){.id = item_name(planner, i), .index = i};
    if (import->count > 1)
        qsort(planner->ids, import->count, sizeof *planner->ids, compare_ids);
}

/* The first item with that id; NULL = none. */
static const ItemId *item_find(const Planner *planner, const char *id)
{
    size_t low = 0;
    size_t high = planner->import->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(planner->ids[middle].id, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < planner->import->count && strcmp(planner->ids[low].id, id) == 0;
    return found ? &planner->ids[low] : NULL;
}

/* What the project calls the item `id`, which may have been renamed here since. */
static const char *project_id(const Planner *planner, const char *id)
{
    const ItemId *item = item_find(planner, id);
    const Origin *origin = item == NULL ? NULL : planner->imported[item->index];
    return origin == NULL ? id : origin->script->id;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_taken(const Planner *planner, const char *id)
{
    return planner->taken.count > 0 && bsearch(&id, planner->taken.items, planner->taken.count,
                                               sizeof id, compare_texts) != NULL;
}

static void origins_read(Planner *planner)
{
    const char *name = planner->tool->name;
    size_t length = strlen(name);
    planner->origins = ARENA_ARRAY(planner->arena, Origin, planner->script_count);
    for (size_t i = 0; i < planner->script_count; i++) {
        const Script *script = planner->scripts[i];
        strlist_add(planner->arena, &planner->taken, script->id);
        if (strncmp(script->origin, name, length) == 0 && script->origin[length] == ' ')
            planner->origins[planner->origin_count++] =
                (Origin){.key = script->origin + length + 1, .script = script};
    }
    strlist_sort(&planner->taken);
    if (planner->origin_count > 1)
        qsort(planner->origins, planner->origin_count, sizeof *planner->origins, compare_origins);
}

/* The imported revision that no other imported one revises. */
static const char *last_imported(Planner *planner)
{
    StrList revised = {0};
    for (size_t i = 0; i < planner->origin_count; i++) {
        const Script *script = planner->origins[i].script;
        for (size_t p = 0; p < script->parents.count; p++)
            strlist_add(planner->arena, &revised, script->parents.items[p]);
    }
    strlist_sort(&revised);
    const char *last = NULL;
    for (size_t i = 0; i < planner->origin_count; i++) {
        const Script *script = planner->origins[i].script;
        if (script->kind == SCRIPT_REVISION &&
            (revised.count == 0 || bsearch(&script->id, revised.items, revised.count,
                                           sizeof script->id, compare_texts) == NULL))
            last = script->id;
    }
    return last;
}

/* --- one file --------------------------------------------------------------------------------- */

static void header_line(Str *out, const char *key, const char *value)
{
    if (value[0] == '\0')
        return;
    str_printf(out, "-- %s: ", key);
    for (const char *at = value; *at != '\0'; at++)
        str_append_char(out, (unsigned char)*at < ' ' || *at == 0x7f ? ' ' : *at);
    str_append_char(out, '\n');
}

/* Without blank lines at its ends. */
static void section(Str *out, const char *marker, const char *sql)
{
    const char *begin = sql;
    for (const char *at = sql; *at == ' ' || *at == '\t' || *at == '\n' || *at == '\r'; at++) {
        if (*at == '\n')
            begin = at + 1;
    }
    size_t length = strlen(begin);
    while (length > 0 && strchr(" \t\r\n", begin[length - 1]) != NULL)
        length--;
    str_printf(out, "\n-- +%s\n", marker);
    str_append_bytes(out, begin, length);
    if (length > 0)
        str_append_char(out, '\n');
}

static void graph_headers(Planner *planner, const ImportedRevision *item, const StrList *parents,
                          Str *out)
{
    Arena *arena = planner->arena;
    StrList depends_on = {0};
    for (size_t i = 0; i < item->depends_on.count; i++)
        strlist_add(arena, &depends_on, project_id(planner, item->depends_on.items[i]));
    header_line(out, "revises", strlist_join(arena, parents, ", "));
    header_line(out, "depends-on", strlist_join(arena, &depends_on, ", "));
    header_line(out, "labels", strlist_join(arena, &item->labels, ", "));
    header_line(out, "placeholders", strlist_join(arena, &item->placeholders, ", "));
}

static const char *file_text(Planner *planner, const ImportedRevision *item, const StrList *parents)
{
    static const char *const keys[] = {
        [SCRIPT_REVISION] = "revision",
        [SCRIPT_REPEATABLE] = "repeatable",
        [SCRIPT_BASELINE] = "baseline",
    };
    Arena *arena = planner->arena;
    AUTO_STR Str out = {0};
    header_line(&out, keys[item->kind], item->id);
    if (item->kind == SCRIPT_REVISION)
        graph_headers(planner, item, parents, &out);
    header_line(&out, "created", item->created);
    header_line(&out, "message", item->message);
    header_line(&out, "origin",
                arena_printf(arena, "%s %s", planner->tool->name, item->origin_key));
    if (item->no_transaction)
        header_line(&out, "transaction", "none");
    bool revision = item->kind == SCRIPT_REVISION;
    if (revision && item->down == NULL)
        header_line(&out, "irreversible",
                    item->irreversible != NULL ? item->irreversible
                                               : "no down file in the imported project");
    section(&out, "upgrade", item->up);
    if (revision && item->down != NULL)
        section(&out, "downgrade", item->down);
    if (item->verify != NULL)
        section(&out, "verify", item->verify);
    return arena_strndup(arena, str_text(&out), out.length);
}

/* <id>_<slug>.sql, <id>.sql where the id says it all. */
static const char *file_path(Planner *planner, const ImportedRevision *item)
{
    Arena *arena = planner->arena;
    const char *directory = planner->project->versions.items[planner->project->versions.count - 1];
    const char *prefix = item->kind == SCRIPT_REPEATABLE ? "R_"
                         : item->kind == SCRIPT_BASELINE ? "baseline_"
                                                         : "";
    const char *slug = import_id(arena, item->message);
    bool said = slug[0] == '\0' || str_ends_with(item->id, slug) || item->kind != SCRIPT_REVISION;
    size_t room =
        strlen(item->id) < FILE_NAME_BYTES_MAX ? FILE_NAME_BYTES_MAX - strlen(item->id) : 0;
    const char *name = said || room < 2 ? arena_printf(arena, "%s%s.sql", prefix, item->id)
                                        : arena_printf(arena, "%s%s_%.*s.sql", prefix, item->id,
                                                       (int)room - 1, slug);
    return path_join(arena, directory, name);
}

static void leave_out(Planner *planner, const ImportedRevision *item, const char *text)
{
    import_problem(planner->import, item->file, 0, "%s", text);
    strlist_add(planner->arena, &planner->left_out, item->id);
}

/* Parses what would be written. */
static bool file_make(Planner *planner, const ImportedRevision *item, const StrList *parents,
                      ImportFile *ret)
{
    ImportFile file = {
        .item = item, .path = file_path(planner, item), .text = file_text(planner, item, parents)};
    Script *script;
    Error err = {0};
    ErrCode code = script_parse(planner->arena, file.path, (const uint8_t *)file.text,
                                strlen(file.text), &script, &err);
    if (code != ERR_OK) {
        leave_out(planner, item,
                  err.line > 0
                      ? arena_printf(planner->arena, "%s (line %d of the revision made of it)",
                                     err.message, err.line)
                      : err.message);
        return false;
    }
    file.script = script;
    *ret = file;
    return true;
}

/* --- the plan --------------------------------------------------------------------------------- */

/* What an item revises, by ids of the project; false = one of them is missing. */
static bool parents_choose(Planner *planner, const ImportedRevision *item, StrList *ret_parents)
{
    StrList parents = {0};
    if (item->kind != SCRIPT_REVISION)
        return true;
    if (!planner->tool->graph) {
        if (planner->last != NULL)
            strlist_add(planner->arena, &parents, planner->last);
        *ret_parents = parents;
        return true;
    }
    for (size_t i = 0; i < item->parents.count; i++) {
        const char *parent = item->parents.items[i];
        if (strlist_has(&planner->left_out, parent) ||
            (item_find(planner, parent) == NULL && !is_taken(planner, parent))) {
            leave_out(planner, item,
                      arena_printf(planner->arena, "revises %s, which is not imported", parent));
            return false;
        }
        strlist_add(planner->arena, &parents, project_id(planner, parent));
    }
    *ret_parents = parents;
    return true;
}

/* An item that was imported before: what differs is told, and left as it is. */
static void known(Planner *planner, const ImportedRevision *item, Origin *origin)
{
    const Script *script = origin->script;
    planner->plan.known++;
    ImportFile file;
    if (!file_make(planner, item, &script->parents, &file))
        return;
    if (strcmp(file.script->token_digest, script->token_digest) != 0)
        import_note(planner->import, item->file, 0,
                    "differs from %s, imported earlier: left as it is", script->file);
    else if (strcmp(file.script->message, script->message) != 0)
        import_note(planner->import, item->file, 0,
                    "has another name than %s, imported earlier: left as it is", script->file);
}

/* An imported revision whose key is gone from the tool's project and that does the same. */
static const Script *renamed_from(Planner *planner, const Script *script)
{
    for (size_t i = 0; i < planner->origin_count; i++) {
        const Origin *origin = &planner->origins[i];
        if (!origin->met && strcmp(origin->script->token_digest, script->token_digest) == 0)
            return origin->script;
    }
    return NULL;
}

static void add_new(Planner *planner, const ImportedRevision *item)
{
    StrList parents;
    ImportFile file;
    if (!revision_id_is_valid(item->id)) {
        leave_out(planner, item,
                  arena_printf(planner->arena, "'%s' can't be a revision id", item->id));
        return;
    }
    if (!parents_choose(planner, item, &parents) || !file_make(planner, item, &parents, &file))
        return;
    const Script *renamed = renamed_from(planner, file.script);
    if (renamed != NULL) {
        import_note(planner->import, item->file, 0,
                    "is what was imported earlier as %s (%s): renamed, not imported again",
                    renamed->file, renamed->origin);
        planner->plan.known++;
        return;
    }
    if (is_taken(planner, file.script->id)) {
        leave_out(
            planner, item,
            arena_printf(planner->arena, "the project has another revision '%s'", file.script->id));
        return;
    }
    planner->plan.files[planner->plan.count++] = file;
    if (item->kind == SCRIPT_REVISION)
        planner->last = file.script->id;
}

/* What was told of files that were imported earlier has been told then. */
static void notes_drop(Planner *planner)
{
    Import *import = planner->import;
    StrList files = {0};
    for (size_t i = 0; i < import->count; i++) {
        const ImportedRevision *item = &import->items[i];
        if (planner->imported[i] == NULL)
            continue;
        strlist_add(planner->arena, &files, item->file);
        if (item->down_file != NULL)
            strlist_add(planner->arena, &files, item->down_file);
    }
    strlist_sort(&files);
    size_t kept = 0;
    for (size_t i = 0; i < import->note_count; i++) {
        const ImportNote *note = &import->notes[i];
        if (note->problem || files.count == 0 ||
            bsearch(&note->file, files.items, files.count, sizeof note->file, compare_texts) ==
                NULL)
            import->notes[kept++] = *note;
    }
    import->note_count = kept;
}

static bool is_second(const Planner *planner, size_t index)
{
    return item_find(planner, item_name(planner, index))->index != index;
}

/* Origins of the tool's other projects are not looked for in this one. */
static void other_scopes_settle(Planner *planner)
{
    const Import *import = planner->import;
    for (size_t i = 0; i < planner->origin_count && planner->tool->keys_have_scope; i++) {
        Origin *origin = &planner->origins[i];
        size_t scope = strcspn(origin->key, ":") + 1;
        bool ours = false;
        for (size_t n = 0; n < import->count && !ours; n++)
            ours = strncmp(import->items[n].origin_key, origin->key, scope) == 0;
        origin->met = origin->met || !ours;
    }
}

static void items_plan(Planner *planner)
{
    Import *import = planner->import;
    size_t behind = 0; /* of the last item that was imported earlier */
    for (size_t i = 0; i < import->count; i++) {
        Origin *origin =
            is_second(planner, i) ? NULL : origin_find(planner, import->items[i].origin_key);
        planner->imported[i] = origin;
        if (origin == NULL)
            continue;
        origin->met = true;
        if (import->items[i].kind == SCRIPT_REVISION)
            behind = i + 1;
    }
    notes_drop(planner);
    other_scopes_settle(planner);
    for (size_t i = 0; i < import->count; i++) {
        const ImportedRevision *item = &import->items[i];
        size_t before = planner->plan.count;
        if (is_second(planner, i))
            import_problem(import, item->file, 0, "another file is revision '%s' too", item->id);
        else if (planner->imported[i] != NULL)
            known(planner, item, planner->imported[i]);
        else
            add_new(planner, item);
        if (planner->plan.count > before && i < behind && item->kind == SCRIPT_REVISION &&
            !planner->tool->graph)
            import_note(import, item->file, 0,
                        "is older than some imported earlier, and runs behind them");
    }
}

static void gone_note(Planner *planner)
{
    for (size_t i = 0; i < planner->origin_count; i++) {
        const Script *script = planner->origins[i].script;
        if (!planner->origins[i].met)
            import_note(planner->import, script->file, 0, "is no longer in the imported project");
    }
}

ErrCode import_plan(Import *import, const ImportTool *tool, const Project *project,
                    Script *const *scripts, size_t script_count, ImportPlan *ret_plan, Error *err)
{
    Planner planner = {
        .arena = import->arena,
        .import = import,
        .tool = tool,
        .project = project,
        .scripts = scripts,
        .script_count = script_count,
    };
    origins_read(&planner);
    planner.last = last_imported(&planner);
    ids_sort(&planner);
    planner.imported = ARENA_ARRAY(import->arena, Origin *, import->count);
    planner.plan.files = ARENA_ARRAY(import->arena, ImportFile, import->count);
    items_plan(&planner);
    gone_note(&planner);
    size_t count = script_count + planner.plan.count;
    if (count > LIMIT_REVISIONS)
        return err_set(err, ERR_LIMIT, "more than %d revision files", LIMIT_REVISIONS);
    Script **all = ARENA_ARRAY(import->arena, Script *, count);
    if (script_count > 0)
        memcpy(all, scripts, script_count * sizeof(Script *));
    for (size_t i = 0; i < planner.plan.count; i++)
        all[script_count + i] = planner.plan.files[i].script;
    RevisionMap *map;
    ErrCode code = graph_build(import->arena, all, count, &map, err);
    if (code != ERR_OK)
        return err_wrap(err, "the imported revisions don't fit the project");
    planner.plan.heads = graph_heads(import->arena, map);
    *ret_plan = planner.plan;
    return ERR_OK;
}

ErrCode import_write(const ImportPlan *plan, Error *err)
{
    for (size_t i = 0; i < plan->count; i++) {
        const ImportFile *file = &plan->files[i];
        ErrCode code = file_write_new(file->path, file->text, strlen(file->text), 0666, err);
        if (code != ERR_OK)
            return code;
    }
    return ERR_OK;
}
