#include "listing.h"

#include "run.h"

#include <string.h>

static const char *joined(CommandContext *context, const StrList *list)
{
    return strlist_join(context->arena, list, ", ");
}

static const char *parents_text(CommandContext *context, const Script *script)
{
    return script->parents.count == 0 ? "<base>" : joined(context, &script->parents);
}

/* " (shop) (head) (current)" */
static const char *marks_text(CommandContext *context, const RevisionMap *map, const Script *script,
                              const ListingForm *form)
{
    Arena *arena = context->arena;
    GraphMarks marks = graph_marks(map, script->id);
    StrList labels = graph_branch_labels(arena, map, script->id);
    StrList words = {0};
    if (labels.count > 0 && !form->verbose)
        strlist_add(arena, &words, joined(context, &labels));
    if (marks.head)
        strlist_add(arena, &words, marks.effective_head ? "effective head" : "head");
    if (form->rows != NULL && strlist_has(form->rows, script->id))
        strlist_add(arena, &words, "current");
    if (form->forks && marks.branch_point)
        strlist_add(arena, &words, "branchpoint");
    if (form->forks && marks.merge_point)
        strlist_add(arena, &words, "mergepoint");
    if (script->phase != SCRIPT_PHASE_NONE && !form->verbose)
        strlist_add(arena, &words, script_phase_name(script->phase));
    return words.count == 0 ? "" : arena_printf(arena, " (%s)", strlist_join(arena, &words, ") ("));
}

static void say_line(CommandContext *context, const RevisionMap *map, const Script *script,
                     const ListingForm *form)
{
    const char *front = form->front == NULL ? "" : form->front;
    if (form->parents)
        front = arena_printf(context->arena, "%s -> ", parents_text(context, script));
    if (form->parents && script->depends_on.count > 0)
        front = arena_printf(context->arena, "%s (%s) -> ", parents_text(context, script),
                             joined(context, &script->depends_on));
    const char *message = form->message ? script->message : "";
    say(context, "%s%s%s%s%s", front, script->id, marks_text(context, map, script, form),
        message[0] == '\0' ? "" : ", ", message);
}

static void say_list(CommandContext *context, const char *name, const StrList *list)
{
    if (list->count > 0)
        say(context, "%s: %s", name, joined(context, list));
}

static void say_verbose(CommandContext *context, const RevisionMap *map, const Script *script,
                        const ListingForm *form)
{
    ListingForm all = *form;
    all.forks = true;
    StrList children = graph_children(context->arena, map, script->id);
    StrList labels = graph_branch_labels(context->arena, map, script->id);
    say(context, "Rev: %s%s", script->id, marks_text(context, map, script, &all));
    say(context, "%s: %s", script->parents.count > 1 ? "Merges" : "Parent",
        parents_text(context, script));
    say_list(context, "Also depends on", &script->depends_on);
    if (children.count > 1)
        say_list(context, "Branches into", &children);
    say_list(context, "Branch names", &labels);
    say(context, "Path: %s", script->file);
    if (script->created[0] != '\0')
        say(context, "Created: %s", script->created);
    if (script->origin != NULL && script->origin[0] != '\0')
        say(context, "Origin: %s", script->origin);
    if (!script->transactional)
        say(context, "Transaction: none");
    if (script->phase != SCRIPT_PHASE_NONE)
        say(context, "Phase: %s", script_phase_name(script->phase));
    if (script->irreversible != NULL)
        say(context, "Irreversible: %s", script->irreversible);
    if (graph_baseline(map, script->id) != NULL)
        say(context, "Baseline: %s", graph_baseline(map, script->id)->file);
    if (script->message[0] != '\0')
        say(context, "\n    %s", script->message);
    say(context, "%s", "");
}

void listing_say(CommandContext *context, const RevisionMap *map, const Script *script,
                 const ListingForm *form)
{
    if (form->verbose)
        say_verbose(context, map, script, form);
    else
        say_line(context, map, script, form);
}

void listing_json(JsonWriter *json, const RevisionMap *map, const Script *script,
                  const StrList *rows)
{
    char digest[DIGEST_TEXT_SIZE];
    digest_format(&script->source_sha256, digest);
    AUTO_ARENA Arena *arena = arena_new();
    GraphMarks marks = graph_marks(map, script->id);
    StrList branches = graph_branch_labels(arena, map, script->id);
    StrList children = graph_children(arena, map, script->id);
    const Script *baseline = graph_baseline(map, script->id);
    json_object_begin(json);
    json_field_string(json, "revision", script->id);
    json_field_strings(json, "revises", &script->parents);
    json_field_strings(json, "depends_on", &script->depends_on);
    json_field_strings(json, "labels", &script->labels);
    json_field_strings(json, "branches", &branches);
    json_field_strings(json, "revised_by", &children);
    json_field_string(json, "message", script->message);
    json_field_string(json, "created", script->created);
    json_field_string(json, "file", script->file);
    json_field_string(json, "baseline", baseline == NULL ? NULL : baseline->file);
    json_field_bool(json, "head", marks.head);
    json_field_bool(json, "effective_head", marks.effective_head);
    json_field_bool(json, "branch_point", marks.branch_point);
    json_field_bool(json, "merge_point", marks.merge_point);
    if (rows == NULL)
        json_field_null(json, "current");
    else
        json_field_bool(json, "current", strlist_has(rows, script->id));
    json_field_bool(json, "transactional", script->transactional);
    json_field_string(json, "phase",
                      script->phase == SCRIPT_PHASE_NONE ? NULL : script_phase_name(script->phase));
    json_field_string(json, "irreversible", script->irreversible);
    json_field_string(json, "source_sha256", digest);
    json_field_string(json, "token_digest", script->token_digest);
    json_object_end(json);
}

void listing_all(CommandContext *context, const RevisionMap *map, const Script *const *scripts,
                 size_t count, const ListingForm *form)
{
    JsonWriter json = context_json(context);
    json_array_begin(&json);
    for (size_t i = 0; i < count; i++) {
        if (context->json)
            listing_json(&json, map, scripts[i], form->rows);
        else
            listing_say(context, map, scripts[i], form);
    }
    json_array_end(&json);
}

static void on_rows(Run *run)
{
    StrList *rows = run_shared(run);
    *rows = strlist_copy(run_context(run)->arena, &run->rows);
    run_end(run);
}

static void read_rows(Run *run)
{
    run_read(run, &(ReadArgs){0}, on_rows);
}

ErrCode listing_rows(CommandContext *context, StrList *ret_rows, Error *err)
{
    StrList rows = {0};
    const RunWork work = {.begin = read_rows, .shared = &rows};
    ErrCode code = run_databases(context, &work, err);
    if (code == ERR_OK)
        *ret_rows = rows;
    return code;
}

static ErrCode current_find(CommandContext *context, const RevisionMap *map, const StrList *rows,
                            const Script ***ret_scripts, Error *err)
{
    const Script **scripts = ARENA_ARRAY(context->arena, const Script *, rows->count + 1);
    for (size_t i = 0; i < rows->count; i++) {
        scripts[i] = graph_find(map, rows->items[i]);
        if (scripts[i] == NULL) {
            err_set(err, ERR_REVISION_UNKNOWN, "can't locate revision identified by '%.160s'",
                    rows->items[i]);
            err_detail(err, "it is a version row, and no revision file has that id");
            err_hint(err,
                     "Use the revision files it came from; `pgtide stamp --purge` forgets it.");
            return ERR_REVISION_UNKNOWN;
        }
    }
    *ret_scripts = scripts;
    return ERR_OK;
}

ErrCode listing_find(CommandContext *context, const RevisionMap *map, const char *wanted,
                     const Script ***ret_scripts, size_t *ret_count, const StrList **ret_rows,
                     Error *err)
{
    if (strcmp(wanted, "current") != 0) {
        ErrCode code = graph_resolve(context->arena, map, wanted, ret_scripts, ret_count, err);
        if (code == ERR_OK)
            *ret_rows = NULL;
        return code;
    }
    StrList *rows = ARENA_NEW(context->arena, StrList);
    ErrCode code = listing_rows(context, rows, err);
    if (code == ERR_OK)
        code = current_find(context, map, rows, ret_scripts, err);
    if (code != ERR_OK)
        return code;
    *ret_count = rows->count;
    *ret_rows = rows;
    return ERR_OK;
}
