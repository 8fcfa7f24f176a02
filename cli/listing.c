#include "listing.h"

#include <string.h>

static bool is_head(Arena *arena, const RevisionMap *map, const char *id)
{
    return graph_children(arena, map, id).count == 0;
}

static const char *marks(CommandContext *context, const RevisionMap *map, const Script *script,
                         bool is_current)
{
    StrList words = {0};
    Arena *arena = context->arena;
    if (script->labels.count > 0)
        strlist_add(arena, &words, strlist_join(arena, &script->labels, ", "));
    if (is_head(arena, map, script->id))
        strlist_add(arena, &words, "head");
    if (graph_is_branch_point(map, script->id))
        strlist_add(arena, &words, "branchpoint");
    if (graph_is_merge_point(map, script->id))
        strlist_add(arena, &words, "mergepoint");
    if (is_current)
        strlist_add(arena, &words, "current");
    return words.count == 0 ? "" : arena_printf(arena, " (%s)", strlist_join(arena, &words, ") ("));
}

static const char *parents_text(CommandContext *context, const Script *script)
{
    return script->parents.count == 0 ? "<base>"
                                      : strlist_join(context->arena, &script->parents, ", ");
}

void listing_line(CommandContext *context, const RevisionMap *map, const Script *script,
                  bool is_current)
{
    say(context, "%s -> %s%s%s%s", parents_text(context, script), script->id,
        marks(context, map, script, is_current), script->message[0] == '\0' ? "" : ", ",
        script->message);
}

void listing_verbose(CommandContext *context, const RevisionMap *map, const Script *script,
                     bool is_current)
{
    say(context, "Rev: %s%s", script->id, marks(context, map, script, is_current));
    say(context, "Parent: %s", parents_text(context, script));
    if (script->depends_on.count > 0)
        say(context, "Depends on: %s", strlist_join(context->arena, &script->depends_on, ", "));
    say(context, "Path: %s", script->file);
    if (script->created[0] != '\0')
        say(context, "Created: %s", script->created);
    if (!script->transactional)
        say(context, "Transaction: none");
    if (script->irreversible != NULL)
        say(context, "Irreversible: %s", script->irreversible);
    if (script->message[0] != '\0')
        say(context, "\n    %s", script->message);
    say(context, "%s", "");
}

void listing_json(JsonWriter *json, const RevisionMap *map, const Script *script, bool is_current)
{
    char digest[DIGEST_TEXT_SIZE];
    digest_format(&script->source_sha256, digest);
    AUTO_ARENA Arena *arena = arena_new();
    json_object_begin(json);
    json_field_string(json, "revision", script->id);
    json_field_strings(json, "revises", &script->parents);
    json_field_strings(json, "depends_on", &script->depends_on);
    json_field_strings(json, "labels", &script->labels);
    json_field_string(json, "message", script->message);
    json_field_string(json, "created", script->created);
    json_field_string(json, "file", script->file);
    json_field_bool(json, "head", is_head(arena, map, script->id));
    json_field_bool(json, "branch_point", graph_is_branch_point(map, script->id));
    json_field_bool(json, "merge_point", graph_is_merge_point(map, script->id));
    json_field_bool(json, "current", is_current);
    json_field_bool(json, "transactional", script->transactional);
    json_field_string(json, "irreversible", script->irreversible);
    json_field_string(json, "source_sha256", digest);
    json_field_string(json, "token_digest", script->token_digest);
    json_object_end(json);
}
