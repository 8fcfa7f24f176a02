#include "run.h"
#include "run_plan.h"

#include "clock.h"

#include <string.h>

static const CommandOption options[] = {
    RUN_READ_OPTIONS,
    {"verbose", 'v', NULL, "also what pgtide keeps in the shard, and its history"},
    {"check-heads", 0, NULL, "exit status 3 unless every head is applied"},
    {0},
};

enum { HISTORY_SHOWN = 20 };

/* A row, or a head without one because another applied revision depends on it. */
typedef struct CurrentRevision {
    const char *revision;
    const char *marks; /* " (head) (mergepoint)" */
} CurrentRevision;

/* What was found, told when the run ends. */
typedef struct Current {
    const ShardReading *shard;
    const DatabaseReading *reading;
    CurrentRevision *revisions; /* sorted */
    size_t revision_count;
    StrList unknown; /* rows that no file has */
    bool compared;   /* there are revision files to compare with */
    bool at_heads;   /* every head is applied */
    ChangedList changed;
    StrList due; /* repeatables */
    StrList heads;
} Current;

/* --- marks ------------------------------------------------------------------------------------ */

/* As Alembic's `current` marks them. */
static const char *marks(Run *run, const Current *current, const char *id)
{
    if (!current->compared)
        return "";
    if (graph_find(run_map(run), id) == NULL)
        return " (unknown)";
    GraphMarks found = graph_marks(run_map(run), id);
    const char *head = found.effective_head ? " (effective head)" : " (head)";
    return arena_printf(run->arena, "%s%s%s", found.head ? head : "",
                        found.branch_point ? " (branchpoint)" : "",
                        found.merge_point ? " (mergepoint)" : "");
}

/* Applied revisions that no other applied one revises. */
static StrList tips(Run *run, const StrList *known)
{
    StrList applied;
    StrList out = {0};
    if (graph_applied(run->arena, run_map(run), known, &applied, NULL) != ERR_OK)
        return *known;
    for (size_t i = 0; i < applied.count; i++) {
        StrList children = graph_children(run->arena, run_map(run), applied.items[i]);
        bool revised = false;
        for (size_t k = 0; k < children.count && !revised; k++)
            revised = strlist_has(&applied, children.items[k]);
        if (!revised)
            strlist_add(run->arena, &out, applied.items[i]);
    }
    return out;
}

static void list_revisions(Run *run, Current *current)
{
    StrList known = {0};
    StrList shown = run->rows;
    for (size_t i = 0; i < run->rows.count && current->compared; i++)
        strlist_add(run->arena,
                    graph_find(run_map(run), run->rows.items[i]) == NULL ? &current->unknown
                                                                         : &known,
                    run->rows.items[i]);
    if (current->compared) {
        shown = tips(run, &known);
        for (size_t i = 0; i < current->unknown.count; i++)
            strlist_add(run->arena, &shown, current->unknown.items[i]);
        strlist_sort(&shown);
        current->at_heads =
            current->unknown.count == 0 && run_plan_all_heads(run->arena, run_map(run), &known);
    }
    current->revisions = ARENA_ARRAY(run->arena, CurrentRevision, shown.count + 1);
    for (size_t i = 0; i < shown.count; i++)
        current->revisions[current->revision_count++] = (CurrentRevision){
            .revision = shown.items[i], .marks = marks(run, current, shown.items[i])};
}

/* --- the run ---------------------------------------------------------------------------------- */

static void on_read(Run *run)
{
    Error err;
    const ShardReading *shard = &run->reading->shards[0];
    if (shard->rows_unread && shard->trusted) {
        err_set(&err, ERR_STATE, "this role may not read alembic_version");
        err_hint(&err, "Connect as its owner, or have SELECT on it granted.");
        run_fail(run, &err);
        return;
    }
    Current *current = ARENA_NEW(run->arena, Current);
    run->data = current;
    current->reading = run->reading;
    current->shard = &run->reading->shards[0];
    current->compared = run_map(run) != NULL;
    if (current->compared) {
        AppliedList applied = run_applied_copy(run->arena, run->reading);
        current->heads = graph_heads(run->arena, run_map(run));
        current->changed = run_plan_changed(run->arena, run_map(run), &run->rows, &applied);
        current->due = run_plan_due(run->arena, run_map(run), &applied);
    }
    list_revisions(run, current);
    if (context_has(run_context(run), "check-heads") && !current->at_heads)
        run->outcome = RUN_DIFFERENT;
    run_end(run);
}

static void begin(Run *run)
{
    bool all = context_has(run_context(run), "verbose") || run_context(run)->json;
    const ReadArgs args = {.history_limit = all ? HISTORY_SHOWN : 0, .with_applied = all};
    run_read(run, &args, on_read);
}

/* --- for people ------------------------------------------------------------------------------- */

static void say_history(Run *run, const DatabaseReading *reading)
{
    for (size_t i = 0; i < reading->history_count; i++) {
        const HistoryEntry *entry = &reading->history[i];
        char when[TIME_TEXT_SIZE];
        time_format_rfc3339(entry->finished_unix_ms, when);
        bool moved = !strlist_equal(&entry->rows_before, &entry->rows_after);
        bool named = !moved && entry->revision[0] != '\0'; /* a repeatable, or a step that failed */
        run_say(run, "%s %s %s %s%s%s%s%s by %s%s%s", when, entry->outcome, entry->direction,
                named ? entry->revision : "", named ? " at " : "",
                run_rows_text(run->arena, &entry->rows_before), moved ? " -> " : "",
                moved ? run_rows_text(run->arena, &entry->rows_after) : "", entry->who,
                entry->message[0] == '\0' ? "" : ": ", entry->message);
    }
}

static void say_verbose(Run *run, const Current *current)
{
    const ShardReading *shard = current->shard;
    char fleet[UUID_TEXT_SIZE];
    uuid_format(&shard->fleet_id, fleet);
    run_say(run, "database: %s%s%s", current->reading->database,
            shard->schema[0] == '\0' ? "" : ", schema ", shard->schema);
    run_say(run, "adopted: %s", shard->adopted ? "yes" : "no");
    if (shard->adopted)
        run_say(run, "fleet: %s, fence %llu, epoch %llu",
                uuid_is_nil(&shard->fleet_id) ? "none" : fleet, (unsigned long long)shard->fence,
                (unsigned long long)shard->epoch);
    for (size_t i = 0; i < current->changed.count; i++) {
        const ChangedRevision *changed = &current->changed.items[i];
        run_say(run, "%s: %s (%s)",
                changed->comparable ? "changed after it was applied"
                                    : "can't be compared with what was applied",
                changed->revision, changed->file);
    }
    for (size_t i = 0; i < current->due.count; i++)
        run_say(run, "due: %s", current->due.items[i]);
    say_history(run, current->reading);
}

static void say_revisions(Run *run, const Current *current)
{
    if (!run_is_one_of_many(run)) {
        for (size_t i = 0; i < current->revision_count; i++)
            run_say(run, "%s%s", current->revisions[i].revision, current->revisions[i].marks);
        return;
    }
    StrList texts = {0};
    for (size_t i = 0; i < current->revision_count; i++)
        strlist_add(run->arena, &texts,
                    arena_printf(run->arena, "%s%s", current->revisions[i].revision,
                                 current->revisions[i].marks));
    run_say(run, "%s", run_rows_text(run->arena, &texts));
}

static void tell(Run *run)
{
    const Current *current = run->data;
    CommandContext *context = run_context(run);
    say_revisions(run, current);
    if (current->shard->rows_unread)
        run_note(run, "the version rows were not read: which revisions are applied is not known");
    if (!current->shard->trusted)
        run_note(run, "pgtide will not write here: %s", current->shard->message);
    if (current->shard->identity_mismatch)
        run_note(run, "the shard was adopted at another server, database or schema");
    if (current->unknown.count > 0)
        run_note(run, "no revision file has the id %s: other files, or another project, led here",
                 strlist_join(run->arena, &current->unknown, ", "));
    if (context_has(context, "verbose"))
        say_verbose(run, current);
    if (context_has(context, "check-heads") && !current->at_heads)
        run_note(run, "not every head is applied; heads: %s",
                 run_rows_text(run->arena, &current->heads));
}

/* --- for programs ----------------------------------------------------------------------------- */

static void write_history(JsonWriter *json, const DatabaseReading *reading)
{
    json_field_array(json, "history");
    for (size_t i = 0; i < reading->history_count; i++) {
        const HistoryEntry *entry = &reading->history[i];
        json_object_begin(json);
        json_field_int(json, "seq", entry->seq);
        json_field_string(json, "direction", entry->direction);
        json_field_string(json, "revision", entry->revision);
        json_field_strings(json, "rows_before", &entry->rows_before);
        json_field_strings(json, "rows_after", &entry->rows_after);
        json_field_string(json, "outcome", entry->outcome);
        json_field_string(json, "who", entry->who);
        json_field_string(json, "sqlstate", entry->sqlstate);
        json_field_string(json, "message", entry->message);
        json_field_time(json, "finished", entry->finished_unix_ms);
        json_object_end(json);
    }
    json_array_end(json);
}

static void write_compared(JsonWriter *json, const Current *current)
{
    json_field_bool(json, "at_heads", current->at_heads);
    json_field_strings(json, "unknown", &current->unknown);
    json_field_strings(json, "due", &current->due);
    json_field_array(json, "changed");
    for (size_t i = 0; i < current->changed.count; i++) {
        const ChangedRevision *changed = &current->changed.items[i];
        json_object_begin(json);
        json_field_string(json, "revision", changed->revision);
        json_field_string(json, "file", changed->file);
        json_field_bool(json, "comparable", changed->comparable);
        json_object_end(json);
    }
    json_array_end(json);
}

static void put(Run *run, JsonWriter *json)
{
    const Current *current = run->data;
    if (current == NULL)
        return;
    const ShardReading *shard = current->shard;
    json_field_string(json, "database", current->reading->database);
    json_field_string(json, "schema", shard->schema);
    json_field_array(json, "revisions");
    for (size_t i = 0; i < current->revision_count; i++)
        json_text(json, current->revisions[i].revision);
    json_array_end(json);
    if (current->compared)
        write_compared(json, current);
    json_field_bool(json, "adopted", shard->adopted);
    json_field_bool(json, "trusted", shard->trusted);
    json_field_bool(json, "identity_mismatch", shard->identity_mismatch);
    json_field_uuid(json, "fleet", &shard->fleet_id);
    json_field_uint(json, "fence", shard->fence);
    json_field_uint(json, "epoch", shard->epoch);
    write_history(json, current->reading);
}

/* `current` works without a project, but then has no heads to check. */
static const RunWork work = {
    .project = RUN_PROJECT_OPTIONAL,
    .begin = begin,
    .say = tell,
    .json = put,
};
static const RunWork checking = {
    .project = RUN_PROJECT_NEEDED,
    .begin = begin,
    .say = tell,
    .json = put,
};

static ErrCode run(CommandContext *context, Error *err)
{
    return run_databases(context, context_has(context, "check-heads") ? &checking : &work, err);
}

const CliCommand cmd_current = {
    .words = "current",
    .arguments = "",
    .summary = "print the version rows of a database, or many",
    .details = "Rows are marked as Alembic marks them: (head), (effective head) for one that "
               "another revision depends on, (branchpoint), (mergepoint); (unknown) is a row that "
               "no revision file has. Nothing is written. With --verbose or --json also: applied "
               "revisions whose files were changed since, repeatable files that are due, and the "
               "newest history.\n\n" RUN_EXIT_STATUS,
    .options = options,
    .run = run,
};
