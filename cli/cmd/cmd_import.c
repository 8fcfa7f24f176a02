#include "command.h"
#include "import_sql.h"
#include "import_write.h"

#include "file.h"

#include <stdio.h>
#include <string.h>

static const CommandOption options[] = {
    {"from", 0, "TOOL", "whose project it is (default: auto, found out)"},
    {"option", 'o', "KEY=VALUE", "what the tool's reader should know; may be given several times"},
    {"dry-run", 'n', NULL, "tell what would be written, write nothing"},
    {"strict", 0, NULL, "write nothing if there is any problem"},
    {"verbose", 'v', NULL, "every note, file by file"},
    {0},
};

static ErrCode tool_unknown(Arena *arena, const char *name, Error *err)
{
    StrList names = {0};
    for (const ImportTool *const *at = import_tools(); *at != NULL; at++)
        strlist_add(arena, &names, (*at)->name);
    const char *nearest = str_nearest(name, names.items, names.count);
    err_set(err, ERR_USAGE, "can't import from '%s'", name);
    if (nearest != NULL)
        err_hint(err, "Did you mean %s? There are: %s.", nearest,
                 strlist_join(arena, &names, ", "));
    else
        err_hint(err, "There are: %s.", strlist_join(arena, &names, ", "));
    return ERR_USAGE;
}

/* The one tool that knows the project; numbered files, the last of all, only when no other does. */
static ErrCode tool_recognise(Arena *arena, const char *path, const ImportTool **ret_tool,
                              Error *err)
{
    const ImportTool *found = NULL;
    StrList names = {0};
    for (const ImportTool *const *at = import_tools(); *at != NULL; at++) {
        bool last = at[1] == NULL;
        if ((last && found != NULL) || !(*at)->recognise(arena, path))
            continue;
        found = *at;
        strlist_add(arena, &names, found->name);
    }
    if (found == NULL) {
        err_set(err, ERR_NOT_FOUND, "no migrations of a known tool in %.200s", path);
        err_hint(err, "Name the directory that holds them, and the tool with --from "
                      "(`pgtide import --help` lists them).");
        return ERR_NOT_FOUND;
    }
    if (names.count > 1) {
        err_set(err, ERR_USAGE, "%.200s could be a project of several tools: %s", path,
                strlist_join(arena, &names, ", "));
        err_hint(err, "Say which one with --from.");
        return ERR_USAGE;
    }
    *ret_tool = found;
    return ERR_OK;
}

static ErrCode tool_choose(CommandContext *context, const char *path, const ImportTool **ret_tool,
                           Error *err)
{
    const char *name = context_option(context, "from");
    if (!file_exists(path)) {
        err_set(err, ERR_NOT_FOUND, "there is no %.200s", path);
        err_hint(err, "PATH is the other tool's project or its directory of migrations.");
        return ERR_NOT_FOUND;
    }
    if (name == NULL || strcmp(name, "auto") == 0)
        return tool_recognise(context->arena, path, ret_tool, err);
    const ImportTool *tool = import_tool(name);
    if (tool == NULL)
        return tool_unknown(context->arena, name, err);
    *ret_tool = tool;
    return ERR_OK;
}

static ErrCode options_check(const ImportTool *tool, const StrList *given, Error *err)
{
    for (size_t i = 0; i < given->count; i++) {
        size_t length = strcspn(given->items[i], "=");
        bool known = false;
        size_t count = 0;
        for (; tool->options != NULL && tool->options[count] != NULL; count++)
            known = known || (strlen(tool->options[count]) == length &&
                              strncmp(tool->options[count], given->items[i], length) == 0);
        if (given->items[i][length] == '\0') {
            return err_set(err, ERR_USAGE, "--option takes KEY=VALUE, not '%s'", given->items[i]);
        }
        if (known)
            continue;
        char key[64];
        snprintf(key, sizeof key, "%.*s", (int)length, given->items[i]);
        const char *nearest = str_nearest(key, tool->options, count);
        err_set(err, ERR_USAGE, "%s has no option '%s'", tool->name, key);
        if (nearest != NULL)
            err_hint(err, "Did you mean '%s'?", nearest);
        return ERR_USAGE;
    }
    return ERR_OK;
}

/* --- what is told ----------------------------------------------------------------------------- */

static void write_json(CommandContext *context, const Import *import, const ImportPlan *plan,
                       bool written)
{
    JsonWriter json = context_json(context);
    json_object_begin(&json);
    json_field_string(&json, "tool", import->tool);
    json_field_string(&json, "path", import->path);
    json_field_bool(&json, "written", written);
    json_field_uint(&json, "imported_before", plan->known);
    json_field_uint(&json, "problems", import_problem_count(import));
    json_field_strings(&json, "heads", &plan->heads);
    json_field_array(&json, "revisions");
    for (size_t i = 0; i < plan->count; i++) {
        const Script *script = plan->files[i].script;
        json_object_begin(&json);
        json_field_string(&json, "revision", script->id);
        json_field_string(&json, "origin", script->origin);
        json_field_string(&json, "from", plan->files[i].item->file);
        json_field_string(&json, "file", plan->files[i].path);
        json_field_strings(&json, "revises", &script->parents);
        json_field_string(&json, "transaction", script->transactional ? "revision" : "none");
        json_field_string(&json, "irreversible", script->irreversible);
        json_object_end(&json);
    }
    json_array_end(&json);
    json_field_array(&json, "notes");
    for (size_t i = 0; i < import->note_count; i++) {
        const ImportNote *item = &import->notes[i];
        json_object_begin(&json);
        json_field_string(&json, "file", item->file);
        if (item->line > 0)
            json_field_int(&json, "line", item->line);
        else
            json_field_null(&json, "line");
        json_field_bool(&json, "problem", item->problem);
        json_field_string(&json, "text", item->text);
        json_object_end(&json);
    }
    json_array_end(&json);
    json_object_end(&json);
}

static const char *place(Arena *arena, const ImportNote *item)
{
    return item->line > 0 ? arena_printf(arena, "%s:%d", item->file, item->line) : item->file;
}

/* Without the path that the user gave. */
static const char *short_place(Arena *arena, const Import *import, const ImportNote *item)
{
    const char *full = place(arena, item);
    size_t length = strlen(import->path);
    if (strncmp(full, import->path, length) != 0)
        return path_basename(full);
    full += length;
    return full + strspn(full, "/");
}

/* One line for all notes of the same text: where, and how many. */
static void tell_group(CommandContext *context, const Import *import, size_t first)
{
    enum { NAMED_MAX = 3 };
    const ImportNote *group = &import->notes[first];
    StrList places = {0};
    size_t count = 0;
    for (size_t i = first; i < import->note_count; i++) {
        if (import->notes[i].problem || strcmp(import->notes[i].text, group->text) != 0)
            continue;
        if (count++ < NAMED_MAX)
            strlist_add(context->arena, &places,
                        short_place(context->arena, import, &import->notes[i]));
    }
    const char *named = strlist_join(context->arena, &places, ", ");
    if (count > NAMED_MAX)
        note(context, "%s: in %zu files (%s, ...; --verbose lists them)", group->text, count,
             named);
    else
        note(context, "%s: %s", named, group->text);
}

static bool told_before(const Import *import, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (!import->notes[i].problem &&
            strcmp(import->notes[i].text, import->notes[index].text) == 0)
            return true;
    }
    return false;
}

static void tell_notes(CommandContext *context, const Import *import)
{
    bool verbose = context_has(context, "verbose");
    for (size_t i = 0; i < import->note_count; i++) {
        const ImportNote *item = &import->notes[i];
        if (item->problem)
            continue;
        if (verbose)
            note(context, "%s: %s", place(context->arena, item), item->text);
        else if (!told_before(import, i))
            tell_group(context, import, i);
    }
    for (size_t i = 0; i < import->note_count; i++) {
        const ImportNote *item = &import->notes[i];
        if (item->problem)
            note(context, "problem: %s: %s", place(context->arena, item), item->text);
    }
}

static const char *plural(size_t count)
{
    return count == 1 ? "" : "s";
}

static void tell(CommandContext *context, const Import *import, const ImportPlan *plan,
                 bool written, const char *directory)
{
    size_t irreversible = 0;
    size_t without = 0;
    for (size_t i = 0; i < plan->count; i++) {
        const Script *script = plan->files[i].script;
        irreversible += script->irreversible != NULL;
        without += !script->transactional;
        if (context_has(context, "dry-run") || context_has(context, "verbose"))
            say(context, "%s <- %s", plan->files[i].path, plan->files[i].item->file);
    }
    tell_notes(context, import);
    size_t problems = import_problem_count(import);
    say(context, "%s %zu revision%s from %s (%s) %s %s%s", written ? "imported" : "would import",
        plan->count, plural(plan->count), import->path, import->tool, written ? "into" : "to",
        directory, plan->count == 0 ? ": nothing new" : "");
    if (!written && context_has(context, "strict") && problems > 0)
        say(context, "  nothing was written, because of --strict");
    if (plan->known > 0)
        say(context, "  %zu imported earlier, left as they are", plan->known);
    if (irreversible > 0)
        say(context, "  %zu can't be downgraded (`irreversible:`)", irreversible);
    if (without > 0)
        say(context, "  %zu without a transaction around the whole (`transaction: none`)", without);
    if (problems > 0)
        say(context, "  %zu problem%s: see above", problems, plural(problems));
    if (plan->heads.count > 1)
        note(context, "there are %zu heads now: %s; `pgtide merge heads -m TEXT` joins them",
             plan->heads.count, strlist_join(context->arena, &plan->heads, ", "));
}

/* What can't be tidied has been noted, and goes. */
static void items_tidy(Import *import)
{
    size_t kept = 0;
    for (size_t i = 0; i < import->count; i++) {
        if (import_tidy(import, &import->items[i]))
            import->items[kept++] = import->items[i];
    }
    import->count = kept;
}

static ErrCode run(CommandContext *context, Error *err)
{
    Arena *arena = context->arena;
    Import import = {
        .arena = arena,
        .path = context_argument(context, 0),
        .options = context_options(context, "option"),
    };
    Project project;
    Script **scripts;
    size_t count;
    const ImportTool *tool;
    ImportPlan plan;
    ErrCode code = project_load(arena, context->config, &project, err);
    if (code == ERR_OK)
        code = project_scripts(arena, &project, &scripts, &count, err);
    if (code == ERR_OK)
        code = tool_choose(context, import.path, &tool, err);
    if (code == ERR_OK)
        code = options_check(tool, &import.options, err);
    if (code != ERR_OK)
        return code;
    import.tool = tool->name;
    code = tool->read(&import, err);
    if (code == ERR_OK)
        items_tidy(&import);
    if (code == ERR_OK)
        code = import_plan(&import, tool, &project, scripts, count, &plan, err);
    if (code != ERR_OK)
        return code;
    size_t problems = import_problem_count(&import);
    bool write =
        !context_has(context, "dry-run") && !(context_has(context, "strict") && problems > 0);
    if (write)
        code = import_write(&plan, err);
    if (code != ERR_OK)
        return code;
    write_json(context, &import, &plan, write);
    tell(context, &import, &plan, write, project.versions.items[project.versions.count - 1]);
    context->exit_status = problems > 0 ? err_exit_status(ERR_DIFFERENCE) : 0;
    return ERR_OK;
}

const CliCommand cmd_import = {
    .words = "import",
    .arguments = "PATH",
    .arguments_min = 1,
    .arguments_max = 1,
    .summary = "read another tool's migrations as revisions of this project",
    .details =
        "PATH is the other tool's project or its directory of migrations; it is only read. Its\n"
        "migrations become revision files of this project with an `origin:` header, in the tool's\n"
        "order. Run again, it adds what is new. What was changed to fit (BEGIN and COMMIT around\n"
        "a file, for example) is told. A file that can't be read is a problem: it is left out,\n"
        "the others are imported, and the exit status is 3.\n"
        "\n"
        "Tools: golang-migrate, goose, dbmate, diesel, prisma, alembic, flyway, sqitch, dag "
        "(directories\n"
        "with metadata.yaml), numbered (plain SQL files). docs/import.md tells about each, and "
        "about\n"
        "their --option KEY=VALUE.",
    .options = options,
    .run = run,
};
