#include "rehearse_tell.h"

#include "rehearsal.h"
#include "table.h"

#include <string.h>

enum { NAMES_SHOWN = 4 };

/* Of the statements of a step. */
typedef struct StepSum {
    uint64_t duration_ms;
    uint64_t estimate_ms;
    uint64_t reads_stopped_ms; /* the longest lock that keeps others from reading, estimated */
    uint64_t writes_stopped_ms;
    TraceClass worst;
} StepSum;

static bool is_of(const TracedStatement *item, const GraphStep *step)
{
    return strcmp(item->cost.revision, step->revision) == 0;
}

static bool is_tried(const RehearsalReport *report, const GraphStep *step)
{
    return !strlist_has(&report->not_tried, step->revision);
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static StepSum sum_of(const RehearsalReport *report, const GraphStep *step)
{
    StepSum sum = {0};
    for (size_t i = 0; i < report->trace.count; i++) {
        const TracedStatement *item = &report->trace.items[i];
        if (!is_of(item, step))
            continue;
        sum.worst = item->trace_class > sum.worst ? item->trace_class : sum.worst;
        sum.duration_ms += item->cost.duration_ms;
        sum.estimate_ms += item->estimate_ms;
        for (size_t k = 0; k < item->lock_count; k++) {
            const TraceLock *lock = &item->locks[k];
            if (lock->strength >= TRACE_STOPS_READS)
                sum.reads_stopped_ms = larger(sum.reads_stopped_ms, lock->held_estimate_ms);
            if (lock->strength >= TRACE_STOPS_WRITES)
                sum.writes_stopped_ms = larger(sum.writes_stopped_ms, lock->held_estimate_ms);
        }
    }
    return sum;
}

static const char *copy_name(CopyMethod method)
{
    static const char *const names[] = {"schema", "dump", "clone"};
    return names[method];
}

/* --- for people ------------------------------------------------------------------------------- */

static const char *some_names(Arena *arena, const StrList *list)
{
    StrList shown = {0};
    for (size_t i = 0; i < list->count && i < NAMES_SHOWN; i++)
        strlist_add(arena, &shown, list->items[i]);
    const char *text = strlist_join(arena, &shown, ", ");
    return list->count <= NAMES_SHOWN
               ? text
               : arena_printf(arena, "%s and %zu more", text, list->count - NAMES_SHOWN);
}

static void say_locks(CommandContext *context, const TracedStatement *item)
{
    for (size_t i = 0; i < item->lock_count;) {
        const TraceLock *lock = &item->locks[i];
        StrList tables = {0};
        for (; i < item->lock_count && item->locks[i].strength == lock->strength; i++)
            strlist_add(context->arena, &tables, item->locks[i].relation);
        const char *stops = lock->strength >= TRACE_STOPS_READS ? ", which stops reads and writes"
                            : lock->strength >= TRACE_STOPS_WRITES ? ", which stops writes"
                                                                   : "";
        const char *held = item->alone ? "while it runs"
                                       : arena_printf(context->arena, "for %s",
                                                      about_time(context->arena, lock->held_ms));
        const char *there = lock->held_estimate_ms > lock->held_ms
                                ? arena_printf(context->arena, " (there about %s)",
                                               about_time(context->arena, lock->held_estimate_ms))
                                : "";
        say(context, "    locks %s: %s %s%s%s", some_names(context->arena, &tables), lock->mode,
            held, there, stops);
    }
}

static void say_work(CommandContext *context, const TracedStatement *item)
{
    Arena *arena = context->arena;
    if (item->rewritten.count > 0)
        say(context, "    rewrites %s", some_names(arena, &item->rewritten));
    if (item->scanned.count > 0)
        say(context, "    scans %s", some_names(arena, &item->scanned));
    if (item->built.count > 0)
        say(context, "    builds %s on %s", some_names(arena, &item->built),
            some_names(arena, &item->built_on));
    if (item->changed.count > 0)
        say(context, "    may change all rows of %s", some_names(arena, &item->changed));
    if (item->held.count > 0)
        say(context, "    ran while %s was locked against everything",
            some_names(arena, &item->held));
}

static void say_statement(CommandContext *context, const TracedStatement *item)
{
    Arena *arena = context->arena;
    const StatementFacts *cost = &item->cost;
    const char *there =
        item->real_bytes == 0
            ? ""
            : arena_printf(arena, "; there about %s, for %s", about_time(arena, item->estimate_ms),
                           about_size(context->arena, item->real_bytes));
    const char *rows =
        cost->rows == 0 ? "" : arena_printf(arena, ", %llu rows", (unsigned long long)cost->rows);
    say(context, "  line %u: %s", cost->line, cost->what);
    say(context, "    %s: %s, %s of WAL%s%s", trace_class_name(item->trace_class),
        about_time(arena, cost->duration_ms), about_size(context->arena, cost->wal_bytes), rows,
        there);
    say_work(context, item);
    say_locks(context, item);
}

static const char *what_copy(CopyMethod method)
{
    static const char *const names[] = {"a copy without data", "a copy by pg_dump", "a clone"};
    return names[method];
}

void rehearsal_tell(CommandContext *context, const RehearsalReport *report)
{
    Arena *arena = context->arena;
    if (report->step_count == 0) {
        say(context, "nothing to rehearse: %s is there already", report->source.facts.database);
        return;
    }
    say(context, "on %s of %s (%s):", what_copy(report->method), report->source.facts.database,
        about_size(context->arena, report->source.facts.size_bytes));
    StepSum all = {0};
    for (size_t i = 0; i < report->step_count && i <= report->steps_done; i++) {
        const GraphStep *step = &report->steps[i];
        StepSum sum = sum_of(report, step);
        say(context, "%s %s%s", direction_name(step->direction), step->revision,
            i == report->steps_done ? ": failed"
            : is_tried(report, step)
                ? ""
                : ": not tried: its `when-fingerprint` is not the schema of the copy");
        for (size_t k = 0; k < report->trace.count; k++) {
            if (is_of(&report->trace.items[k], step))
                say_statement(context, &report->trace.items[k]);
        }
        all.duration_ms += sum.duration_ms;
        all.estimate_ms += sum.estimate_ms;
        all.reads_stopped_ms = larger(all.reads_stopped_ms, sum.reads_stopped_ms);
        all.writes_stopped_ms = larger(all.writes_stopped_ms, sum.writes_stopped_ms);
    }
    say(context, "%zu of %zu steps in %s; on %s about %s, reads stopped up to %s, writes up to %s",
        report->steps_done - report->not_tried.count, report->step_count,
        about_time(arena, all.duration_ms), report->source.facts.database,
        about_time(arena, all.estimate_ms), about_time(arena, all.reads_stopped_ms),
        about_time(arena, all.writes_stopped_ms));
}

/* --- as JSON ---------------------------------------------------------------------------------- */

static void json_statement(JsonWriter *json, const TracedStatement *item)
{
    const StatementFacts *cost = &item->cost;
    json_object_begin(json);
    json_field_uint(json, "line", cost->line);
    json_field_string(json, "what", cost->what);
    json_field_string(json, "class", trace_class_name(item->trace_class));
    json_field_bool(json, "in_transaction", !item->alone);
    json_field_uint(json, "duration_ms", cost->duration_ms);
    json_field_uint(json, "estimate_ms", item->estimate_ms);
    json_field_uint(json, "wal_bytes", cost->wal_bytes);
    json_field_uint(json, "rows", cost->rows);
    json_field_uint(json, "table_bytes", item->real_bytes);
    json_field_strings(json, "rewrites", &item->rewritten);
    json_field_strings(json, "scans", &item->scanned);
    json_field_strings(json, "builds", &item->built);
    json_field_strings(json, "builds_on", &item->built_on);
    json_field_strings(json, "changes", &item->changed);
    json_field_strings(json, "while_locked", &item->held);
    json_field_array(json, "locks");
    for (size_t i = 0; i < item->lock_count; i++) {
        json_object_begin(json);
        json_field_string(json, "relation", item->locks[i].relation);
        json_field_string(json, "mode", item->locks[i].mode);
        json_field_uint(json, "held_ms", item->locks[i].held_ms);
        json_field_uint(json, "held_estimate_ms", item->locks[i].held_estimate_ms);
        json_object_end(json);
    }
    json_array_end(json);
    json_object_end(json);
}

static void json_step(JsonWriter *json, const RehearsalReport *report, const GraphStep *step)
{
    StepSum sum = sum_of(report, step);
    json_object_begin(json);
    json_field_string(json, "revision", step->revision);
    json_field_string(json, "direction", direction_name(step->direction));
    json_field_bool(json, "needed", is_tried(report, step));
    json_field_string(json, "class",
                      is_tried(report, step) ? trace_class_name(sum.worst) : REHEARSAL_NOT_TRIED);
    json_field_uint(json, "duration_ms", sum.duration_ms);
    json_field_uint(json, "estimate_ms", sum.estimate_ms);
    json_field_uint(json, "reads_stopped_ms", sum.reads_stopped_ms);
    json_field_uint(json, "writes_stopped_ms", sum.writes_stopped_ms);
    json_field_array(json, "statements");
    for (size_t i = 0; i < report->trace.count; i++) {
        if (is_of(&report->trace.items[i], step))
            json_statement(json, &report->trace.items[i]);
    }
    json_array_end(json);
    json_object_end(json);
}

void rehearsal_json(JsonWriter *json, const RehearsalReport *report)
{
    json_object_begin(json);
    json_field_string(json, "format", "pgtide-rehearsal-1");
    if (report->has_bundle) {
        json_field_string(json, "bundle_name", report->bundle_name);
        json_field_digest(json, "bundle", &report->bundle);
    }
    json_field_time(json, "made", report->made_unix_ms);
    json_field_uint(json, "made_unix_ms", report->made_unix_ms);
    json_field_string(json, "database", report->source.facts.database);
    json_field_string(json, "schema", report->source.schema);
    json_field_uint(json, "server_version", report->source.facts.server_version);
    json_field_uint(json, "size_bytes", report->source.facts.size_bytes);
    json_field_string(json, "copy", copy_name(report->method));
    json_field_strings(json, "rows", &report->source.facts.rows);
    json_field_strings(json, "rows_after", &report->rows_after);
    json_field_array(json, "steps");
    for (size_t i = 0; i < report->steps_done; i++)
        json_step(json, report, &report->steps[i]);
    json_array_end(json);
    json_object_end(json);
}
