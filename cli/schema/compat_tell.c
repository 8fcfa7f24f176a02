#include "compat_tell.h"

#include <string.h>

static void use_json(JsonWriter *json, const CompatUse *use)
{
    json_object_begin(json);
    json_field_string(json, "kind", use->kind);
    json_field_string(json, "name", use->name);
    json_field_string(json, "sure", compat_sure_name(use->sure));
    json_field_string(json, "why", use->why);
    if (use->user != NULL) {
        json_field_string(json, "user", use->user);
        json_field_uint(json, "calls", use->calls);
        json_field_string(json, "since", use->since[0] == '\0' ? NULL : use->since);
        json_field_string(json, "query", use->shown);
    }
    json_object_end(json);
}

static void taken_json(JsonWriter *json, const CompatReport *report, size_t index)
{
    const Taken *taken = &report->taken->items[index];
    json_object_begin(json);
    json_field_string(json, "revision", taken->revision);
    json_field_string(json, "file", taken->file);
    json_field_int(json, "line", taken->line);
    json_field_string(json, "kind", taken->word);
    json_field_string(json, "how", taken_how_name(taken->how));
    json_field_string(json, "schema", taken->schema[0] == '\0' ? NULL : taken->schema);
    json_field_string(json, "name", taken->name);
    json_field_string(json, "part", taken->part[0] == '\0' ? NULL : taken->part);
    json_field_string(json, "to", taken->to[0] == '\0' ? NULL : taken->to);
    json_field_string(json, "found", report->found[index].name);
    json_field_array(json, "uses");
    for (size_t i = 0; i < report->use_count; i++) {
        if (report->uses[i].taken == index)
            use_json(json, &report->uses[i]);
    }
    json_array_end(json);
    json_object_end(json);
}

static void write_json(CommandContext *context, const CompatReport *report, const char *since,
                       uint64_t watched_ms)
{
    JsonWriter json = context_json(context);
    json_object_begin(&json);
    json_field_bool(&json, "used", report->use_count > 0);
    json_field_array(&json, "taken");
    for (size_t i = 0; i < report->taken->count; i++) {
        if (taken_is_missed(&report->taken->items[i]))
            taken_json(&json, report, i);
    }
    json_array_end(&json);
    json_field_object(&json, "statements");
    json_field_bool(&json, "told", report->untold == NULL);
    json_field_string(&json, "reason", report->untold);
    json_field_string(&json, "since", since == NULL || since[0] == '\0' ? NULL : since);
    json_field_uint(&json, "watched_ms", watched_ms);
    json_object_end(&json);
    json_field_strings(&json, "notes", &report->notes);
    json_object_end(&json);
}

static void say_use(CommandContext *context, const CompatUse *use)
{
    Arena *arena = context->arena;
    const char *who = use->user == NULL
                          ? ""
                          : arena_printf(arena, " of %s, %llu call%s%s%s", use->user,
                                         (unsigned long long)use->calls, use->calls == 1 ? "" : "s",
                                         use->since[0] == '\0' ? "" : " since ", use->since);
    say(context, "  %-8s %s %s%s%s%s", compat_sure_name(use->sure), use->kind,
        plain_text(arena, use->name), plain_text(arena, who), use->why == NULL ? "" : ": ",
        use->why == NULL ? "" : use->why);
    if (use->shown != NULL)
        say(context, "           %s", plain_text(arena, use->shown));
}

/* Returns whether it is used. */
static bool say_taken(CommandContext *context, const CompatReport *report, size_t index)
{
    const Taken *taken = &report->taken->items[index];
    const CompatFound *found = &report->found[index];
    size_t uses = 0;
    say(context, "%s (%s:%d)", plain_text(context->arena, taken_describe(context->arena, taken)),
        taken->file, taken->line);
    if (found->twins && found->name != NULL)
        say(context, "  taken to be %s; there are others of that name",
            plain_text(context->arena, found->name));
    for (size_t i = 0; i < report->use_count; i++) {
        if (report->uses[i].taken != index)
            continue;
        say_use(context, &report->uses[i]);
        uses++;
    }
    if (found->name == NULL)
        say(context, "  is not in this database");
    else if (uses == 0 && taken->kind != TAKEN_LABEL && taken->kind != TAKEN_SEQUENCE)
        say(context, "  nothing that pgtide can see uses it");
    return uses > 0;
}

bool compat_tell(CommandContext *context, const CompatReport *report, const char *since,
                 uint64_t watched_ms)
{
    size_t used = 0;
    size_t count = 0;
    if (context->json)
        write_json(context, report, since, watched_ms);
    for (size_t i = 0; i < report->taken->count; i++) {
        if (!taken_is_missed(&report->taken->items[i]))
            continue;
        count++;
        used += say_taken(context, report, i) ? 1 : 0;
    }
    for (size_t i = 0; i < report->notes.count; i++)
        say(context, "%s", plain_text(context->arena, report->notes.items[i]));
    if (report->untold != NULL)
        say(context, "cannot tell which statements use it: %s",
            plain_text(context->arena, report->untold));
    else if (watched_ms > 0)
        say(context, "statements: those called while it was watched, %llu ms",
            (unsigned long long)watched_ms);
    else if (since == NULL || since[0] == '\0')
        say(context, "statements: since when their calls count is not known");
    else
        say(context, "statements: their calls count since %s", plain_text(context->arena, since));
    say(context, "%zu of %zu taken away %s used, or may be", used, count, used == 1 ? "is" : "are");
    return report->use_count > 0;
}
