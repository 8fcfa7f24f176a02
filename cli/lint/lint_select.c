#include "lint_select.h"

#include "placeholder.h"

#include <string.h>
#include <unistd.h>

const char *lint_path(Arena *arena, const char *path)
{
    char here[4096];
    while (str_starts_with(path, "./"))
        path += 2;
    if (path[0] != '/' || getcwd(here, sizeof here) == NULL)
        return arena_strdup(arena, path);
    size_t length = strlen(here);
    bool below = strncmp(path, here, length) == 0 && path[length] == '/';
    return arena_strdup(arena, below ? path + length + 1 : path);
}

/* --- reading ---------------------------------------------------------------------------------- */

static void add_file(CommandContext *context, LintSelection *selection, const Script *script,
                     bool outside)
{
    LintFile *file = &selection->files[selection->count++];
    Error ignored;
    *file = (LintFile){.script = script, .outside = outside, .wanted = outside};
    file->bound = script_bind(context->arena, script, &selection->assignments, &file->script,
                              &ignored) == ERR_OK;
}

/* A file that is no revision is a finding; one that can't be opened is an error. */
static ErrCode read_file(CommandContext *context, LintSelection *selection, const char *path,
                         Script **ret_script, Error *err)
{
    *ret_script = NULL;
    ErrCode code = script_load(context->arena, path, ret_script, err);
    if (code != ERR_SCRIPT && code != ERR_LIMIT)
        return code;
    lint_refused(context->arena, lint_path(context->arena, path), err, &selection->refused);
    return ERR_OK;
}

static ErrCode build_maps(CommandContext *context, LintSelection *selection, Script **scripts,
                          size_t count, Error *err)
{
    Arena *arena = context->arena;
    Script **plain = ARENA_ARRAY(arena, Script *, count + 1);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (scripts[i]->kind == SCRIPT_REVISION)
            plain[kept++] = scripts[i];
    }
    ErrCode code = graph_build(arena, scripts, count, &selection->map, err);
    if (code == ERR_OK)
        code = graph_build(arena, plain, kept, &selection->plain, err);
    /* What the files that are missing would say is not known. */
    if (code == ERR_OK || selection->refused.count == 0)
        return code;
    selection->map = selection->plain = NULL;
    return ERR_OK;
}

static ErrCode read_project(CommandContext *context, LintSelection *selection, Error *err)
{
    Arena *arena = context->arena;
    StrList paths;
    ErrCode code = placeholder_check(&selection->assignments, err);
    if (code == ERR_OK)
        code = project_load(arena, context->config, &selection->project, err);
    if (code == ERR_OK)
        code = project_files(arena, &selection->project, &paths, err);
    if (code != ERR_OK)
        return code;
    Script **scripts = ARENA_ARRAY(arena, Script *, paths.count + 1);
    size_t count = 0;
    selection->files = ARENA_ARRAY(arena, LintFile, paths.count + context->arguments.count);
    for (size_t i = 0; i < paths.count; i++) {
        Script *script;
        code = read_file(context, selection, paths.items[i], &script, err);
        if (code != ERR_OK)
            return code;
        if (script == NULL)
            continue;
        scripts[count++] = script;
        add_file(context, selection, script, false);
    }
    return build_maps(context, selection, scripts, count, err);
}

/* --- what is asked for ------------------------------------------------------------------------ */

static LintFile *find_id(const LintSelection *selection, const char *id)
{
    for (size_t i = 0; i < selection->count; i++) {
        if (strcmp(selection->files[i].script->id, id) == 0)
            return &selection->files[i];
    }
    return NULL;
}

static bool is_same(const Script *a, const Script *b)
{
    return memcmp(&a->source_sha256, &b->source_sha256, sizeof a->source_sha256) == 0;
}

static ErrCode want_file(CommandContext *context, LintSelection *selection, const char *path,
                         Error *err)
{
    Script *script;
    for (size_t i = 0; i < selection->refused.count; i++) {
        if (strcmp(selection->refused.items[i].file, lint_path(context->arena, path)) == 0)
            return ERR_OK;
    }
    ErrCode code = read_file(context, selection, path, &script, err);
    if (code != ERR_OK || script == NULL)
        return code;
    LintFile *file = find_id(selection, script->id);
    if (file != NULL && is_same(file->script, script))
        file->wanted = true;
    else
        add_file(context, selection, script, true);
    return ERR_OK;
}

static ErrCode want_revisions(CommandContext *context, LintSelection *selection, const char *text,
                              Error *err)
{
    const Script **scripts;
    size_t count;
    if (selection->map == NULL) {
        err_set(err, ERR_GRAPH, "'%.80s' can't be looked up while files are refused", text);
        err_hint(err, "Name files, or nothing, and `pgtide lint` tells what is wrong with them.");
        return ERR_GRAPH;
    }
    ErrCode code =
        strchr(text, ':') != NULL
            ? graph_range(context->arena, selection->map, NULL, text, &scripts, &count, err)
            : graph_resolve(context->arena, selection->map, text, &scripts, &count, err);
    for (size_t i = 0; code == ERR_OK && i < count; i++) {
        LintFile *file = find_id(selection, scripts[i]->id);
        if (file != NULL)
            file->wanted = true;
    }
    return code;
}

/* All that does not stand at or below it. A repeatable may have changed since: it is looked at. */
static ErrCode want_since(CommandContext *context, LintSelection *selection, const char *since,
                          Error *err)
{
    StrList rows = {0}, below;
    const char *id;
    if (selection->map == NULL)
        return want_revisions(context, selection, since, err);
    ErrCode code = graph_resolve_one(context->arena, selection->map, since, &id, err);
    if (code != ERR_OK)
        return code;
    strlist_add(context->arena, &rows, id);
    code = graph_applied(context->arena, selection->map, &rows, &below, err);
    for (size_t i = 0; code == ERR_OK && i < selection->count; i++) {
        LintFile *file = &selection->files[i];
        file->wanted = file->wanted || !strlist_has(&below, file->script->id);
    }
    return code;
}

static ErrCode choose(CommandContext *context, LintSelection *selection, Error *err)
{
    const char *since = context_option(context, "since");
    ErrCode code = ERR_OK;
    if (since != NULL)
        code = want_since(context, selection, since, err);
    for (size_t i = 0; code == ERR_OK && i < context->arguments.count; i++) {
        const char *text = context->arguments.items[i];
        code = str_ends_with(text, ".sql") ? want_file(context, selection, text, err)
                                           : want_revisions(context, selection, text, err);
    }
    bool all = since == NULL && context->arguments.count == 0;
    for (size_t i = 0; i < selection->count; i++) {
        LintFile *file = &selection->files[i];
        file->wanted = (all || file->wanted) && file->script->kind != SCRIPT_BASELINE;
    }
    return code;
}

ErrCode lint_select(CommandContext *context, LintSelection *ret_selection, Error *err)
{
    LintSelection selection = {.assignments = context_options(context, "set")};
    ErrCode code = read_project(context, &selection, err);
    if (code == ERR_OK)
        code = choose(context, &selection, err);
    if (code == ERR_OK)
        *ret_selection = selection;
    return code;
}
