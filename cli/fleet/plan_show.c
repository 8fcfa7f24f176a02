#include "plan_show.h"

#include "client.h"
#include "table.h"

#include "clock.h"
#include "digest.h"
#include "file.h"
#include "named_limits.h"
#include "plan_view.h"
#include "rehearsal.h"

#include <stdlib.h>
#include <string.h>

enum { SHOWN_LEFT_OUT = 10 };

ErrCode plan_show_open(CommandContext *context, const char *path, const Trust *trust,
                       ShownPlan *ret_plan, Error *err)
{
    Arena *arena = context->arena;
    uint8_t *bytes;
    size_t length;
    size_t signatures;
    PlanFile file;
    Signers signers = {0};
    const uint8_t *payload;
    ErrCode code = file_read_all(arena, path, LIMIT_PLAN_BYTES, &bytes, &length, err);
    if (code == ERR_OK)
        code = plan_file_decode(arena, bytes, length, &file, err);
    if (code == ERR_OK && trust != NULL)
        code = envelope_open(arena, file.header_envelope.bytes, file.header_envelope.length,
                             MESSAGE_PLAN, trust_lookup_operator, (void *)(uintptr_t)trust,
                             &payload, &length, &signers, err);
    else if (code == ERR_OK)
        code =
            envelope_peek_unverified(arena, file.header_envelope.bytes, file.header_envelope.length,
                                     MESSAGE_PLAN, &payload, &length, &signatures, err);
    if (code == ERR_OK)
        code = plan_header_decode(arena, payload, length, &ret_plan->header, err);
    if (code == ERR_OK)
        code = plan_file_check(arena, &file, &ret_plan->header, &ret_plan->shards, err);
    if (code != ERR_OK)
        return err_wrap(err, "%s", path);
    ret_plan->digest = sha256_bytes(payload, length);
    ret_plan->signature_checked = trust != NULL;
    bool by_author = false;
    for (size_t i = 0; i < signers.count; i++)
        by_author = by_author || strcmp(signers.items[i].keyid, ret_plan->header.author) == 0;
    if (trust != NULL &&
        (!by_author || !uuid_equal(&ret_plan->header.fleet_id, trust_fleet_id(trust))))
        return err_set(err, ERR_SIGNATURE_INVALID,
                       "%.200s: not signed by its author for this fleet", path);
    return ERR_OK;
}

/* --- figures as people say them --------------------------------------------------------------- */

static const char *estimate_text(CommandContext *context, int64_t ms)
{
    unsigned long long seconds = (unsigned long long)ms / 1000;
    if (ms < 10000)
        return arena_printf(context->arena, "%llu.%llus", seconds,
                            (unsigned long long)ms % 1000 / 100);
    if (seconds < 120)
        return arena_printf(context->arena, "%llus", seconds);
    if (seconds < 7200)
        return arena_printf(context->arena, "%llum%02llus", seconds / 60, seconds % 60);
    return arena_printf(context->arena, "%lluh%02llum", seconds / 3600, seconds / 60 % 60);
}

static const char *duration_text(CommandContext *context, int64_t ms)
{
    char *text = arena_alloc(context->arena, DURATION_TEXT_SIZE);
    duration_format((uint64_t)ms, text);
    return text;
}

static bool is_known(const json_t *object, const char *key)
{
    return json_is_integer(json_object_get(object, key));
}

static const char *plural(int64_t count)
{
    return count == 1 ? "" : "s";
}

/* --- parts ------------------------------------------------------------------------------------ */

static void tell_drifted(CommandContext *context, const json_t *plan)
{
    int64_t drifted = answer_int(plan, "drifted");
    const json_t *shards = json_object_get(plan, "drifted_shards");
    for (size_t i = 0; i < json_array_size(shards) && i < SHOWN_LEFT_OUT; i++)
        say(context,
            "drifted    %s: its schema is not what its revisions make (pgtide fleet drift)",
            json_string_value(json_array_get(shards, i)));
    if (drifted > SHOWN_LEFT_OUT)
        say(context, "drifted    and %lld more", (long long)drifted - SHOWN_LEFT_OUT);
}

static void tell_choice(CommandContext *context, const json_t *plan)
{
    int64_t there = answer_int(plan, "already_there");
    int64_t left_out = answer_int(plan, "left_out");
    const json_t *shards = json_object_get(plan, "left_out_shards");
    if (answer_text(plan, "select")[0] != '\0')
        say(context, "select     %s", answer_text(plan, "select"));
    if (is_known(plan, "seed"))
        say(context, "seed       %lld: the same seed and the same shards give the same plan",
            (long long)answer_int(plan, "seed"));
    say(context, "shards     %lld in %zu wave%s, order %s; %lld %s there already, %lld left out",
        (long long)answer_int(plan, "shards"), json_array_size(json_object_get(plan, "waves")),
        plural((int64_t)json_array_size(json_object_get(plan, "waves"))),
        answer_text(plan, "order"), (long long)there, there == 1 ? "is" : "are",
        (long long)left_out);
    for (size_t i = 0; i < json_array_size(shards) && i < SHOWN_LEFT_OUT; i++) {
        const json_t *shard = json_array_get(shards, i);
        say(context, "left out   %s: %s", answer_text(shard, "shard"),
            answer_text(shard, "reason"));
    }
    if (left_out > SHOWN_LEFT_OUT)
        say(context, "left out   and %lld more", (long long)left_out - SHOWN_LEFT_OUT);
    tell_drifted(context, plan);
}

static void tell_waves(CommandContext *context, const json_t *plan)
{
    static const char *const header[] = {"WAVE",     "NAME",     "SHARDS", "BAKE", "BUDGET",
                                         "AT WORST", "ESTIMATE", "FIRST",  NULL};
    const json_t *waves = json_object_get(plan, "waves");
    Table table = table_begin(context, header);
    for (size_t i = 0; i < json_array_size(waves); i++) {
        const json_t *wave = json_array_get(waves, i);
        const json_t *first = json_object_get(wave, "first_shards");
        size_t named = json_array_size(first);
        bool more = answer_int(wave, "shards") > (int64_t)named;
        AUTO_STR Str names = {0};
        for (size_t k = 0; k < named; k++)
            str_printf(&names, "%s%s", k == 0 ? "" : ", ",
                       json_string_value(json_array_get(first, k)));
        table_cell_int(&table, answer_int(wave, "number"));
        table_cell(&table, answer_text(wave, "name"));
        table_cell_int(&table, answer_int(wave, "shards"));
        table_cell(&table, duration_text(context, answer_int(wave, "bake_ms")));
        table_cell_int(&table, answer_int(wave, "budget"));
        table_cell(&table, arena_printf(context->arena, "%lld failed",
                                        (long long)answer_int(wave, "worst_case")));
        table_cell(&table, is_known(wave, "estimate_ms")
                               ? estimate_text(context, answer_int(wave, "estimate_ms"))
                               : "-");
        table_cell(&table,
                   arena_printf(context->arena, "%s%s", str_text(&names), more ? ", ..." : ""));
    }
    table_print(&table);
}

static void tell_restore(CommandContext *context, const json_t *plan)
{
    say(context, "restore    into a new database, which takes the shard's name in one transaction; "
                 "sessions there are ended");
    say(context, "           the former database stays, closed, as pgtide_old_..., until somebody "
                 "drops it");
    if (answer_bool(plan, "accept_data_loss"))
        say(context, "DATA LOSS  accepted: what was written since the backups is not in the "
                     "restored databases");
    else
        say(context, "data loss  not accepted: a shard that was, or may have been, written since "
                     "its backup is refused");
}

static const char *stops_text(CommandContext *context, const json_t *times)
{
    return arena_printf(context->arena, "about %s, reads stopped up to %s, writes up to %s",
                        estimate_text(context, answer_int(times, "estimate_ms")),
                        estimate_text(context, answer_int(times, "reads_stopped_ms")),
                        estimate_text(context, answer_int(times, "writes_stopped_ms")));
}

static bool tell_rehearsal(CommandContext *context, const json_t *plan)
{
    const json_t *rehearsal = json_object_get(plan, "rehearsal");
    const json_t *steps = json_object_get(rehearsal, "steps");
    if (!json_is_object(rehearsal))
        return false;
    say(context, "rehearsed  %s on a copy (%s) of %s, %s", answer_text(rehearsal, "made"),
        answer_text(rehearsal, "copy"), answer_text(rehearsal, "database"),
        about_size(context->arena, (uint64_t)answer_int(rehearsal, "size_bytes")));
    for (size_t i = 0; i < json_array_size(steps); i++) {
        const json_t *step = json_array_get(steps, i);
        if (strcmp(answer_text(step, "class"), REHEARSAL_NOT_TRIED) == 0) {
            say(context, "rehearsed  %s: not tried, for the copy did not need it",
                answer_text(step, "revision"));
            continue;
        }
        say(context, "rehearsed  %s, %s: there %s", answer_text(step, "revision"),
            answer_text(step, "class"), stops_text(context, step));
    }
    const json_t *worst = json_object_get(rehearsal, "worst");
    say(context, "rehearsed  longest on %s, by its size: %s", answer_text(worst, "shard"),
        stops_text(context, worst));
    return true;
}

static void tell_steps(CommandContext *context, const json_t *plan)
{
    const json_t *steps = json_object_get(plan, "steps");
    for (size_t i = 0; i < json_array_size(steps); i++) {
        const json_t *item = json_array_get(steps, i);
        const json_t *revisions = json_object_get(item, "revisions");
        size_t count = json_array_size(revisions);
        say(context, "steps      %lld shard%s: %zu, %s%s%s", (long long)answer_int(item, "shards"),
            plural(answer_int(item, "shards")), count,
            count == 0 ? "" : json_string_value(json_array_get(revisions, 0)),
            count > 1 ? " to " : "",
            count > 1 ? json_string_value(json_array_get(revisions, count - 1)) : "");
    }
    const json_t *irreversible = json_object_get(plan, "irreversible");
    for (size_t i = 0; i < json_array_size(irreversible); i++) {
        const json_t *item = json_array_get(irreversible, i);
        say(context, "no way back  %s on %lld shard%s: %s", answer_text(item, "revision"),
            (long long)answer_int(item, "shards"), plural(answer_int(item, "shards")),
            answer_text(item, "reason"));
    }
    bool rehearsed = tell_rehearsal(context, plan);
    bool limited = !json_is_null(json_object_get(plan, "lock_budget_ms"));
    say(context, "locks      %sa step waits %s for one, %lld times, and others behind it %s%s",
        rehearsed ? "" : "which ones the steps take is not known; ",
        duration_text(context, answer_int(plan, "lock_timeout_ms")),
        (long long)answer_int(plan, "lock_attempts"), limited ? "at most " : "without limit",
        limited ? duration_text(context, answer_int(plan, "lock_budget_ms")) : "");
}

/* When batches of a backfill wait. */
static void tell_backfill(CommandContext *context, const json_t *backfill)
{
    AUTO_STR Str waits = {0};
    char size[SIZE_TEXT_SIZE];
    if (answer_int(backfill, "replica_lag_ms") > 0)
        str_printf(&waits, ", replica lag %s",
                   duration_text(context, answer_int(backfill, "replica_lag_ms")));
    if (answer_int(backfill, "wal_bytes_per_s") > 0) {
        size_format((uint64_t)answer_int(backfill, "wal_bytes_per_s"), size);
        str_printf(&waits, ", %s of WAL a second", size);
    }
    if (answer_int(backfill, "archive_files") > 0)
        str_printf(&waits, ", %lld WAL files to archive",
                   (long long)answer_int(backfill, "archive_files"));
    if (answer_int(backfill, "sessions") > 0)
        str_printf(&waits, ", %lld sessions at work", (long long)answer_int(backfill, "sessions"));
    if (waits.length > 0)
        say(context, "backfills  batches wait beyond%s", str_text(&waits) + 1);
    if (answer_text(backfill, "query")[0] != '\0')
        say(context, "backfills  batches wait while this says so: %s",
            answer_text(backfill, "query"));
}

static void tell_label_caps(CommandContext *context, const json_t *caps)
{
    const char *label;
    json_t *cap;
    json_object_foreach(json_object_get(caps, "labels"), label, cap) say(
        context, "at a time  %lld where %s is the same", (long long)json_integer_value(cap), label);
}

static void tell_evidence(CommandContext *context, const char *rollout, const json_t *evidence)
{
    say(context, "requires   that rollout %s (%s) of fleet %s has succeeded with this bundle",
        rollout, answer_text(evidence, "rollout_id"), answer_text(evidence, "fleet"));
    say(context, "           (to %s), as the author has verified: evidence %s",
        answer_text(evidence, "target"), answer_text(evidence, "sha256"));
    say(context, "           against trust file %s", answer_text(evidence, "trust_sha256"));
}

static void tell_requires(CommandContext *context, const json_t *plan)
{
    const json_t *requires = json_object_get(plan, "requires");
    for (size_t i = 0; i < json_array_size(requires); i++) {
        const json_t *required = json_array_get(requires, i);
        const char *rollout = answer_text(required, "rollout");
        const char *key;
        json_t *value;
        const json_t *evidence = json_object_get(required, "evidence");
        AUTO_STR Str labels = {0};
        if (json_is_object(evidence)) {
            tell_evidence(context, rollout, evidence);
            continue;
        }
        json_object_foreach(json_object_get(required, "labels"), key, value)
            str_printf(&labels, "%s%s=%s", labels.length == 0 ? " on every shard with " : ", ", key,
                       json_string_value(value));
        say(context, "requires   that %s%s has succeeded with this bundle%s",
            rollout[0] == '\0' ? "a rollout" : "rollout ", rollout, str_text(&labels));
    }
}

static const char *join_texts(CommandContext *context, const json_t *items)
{
    StrList list = {0};
    for (size_t i = 0; i < json_array_size(items); i++)
        strlist_add(context->arena, &list, json_string_value(json_array_get(items, i)));
    return strlist_join(context->arena, &list, ", ");
}

static void tell_contract(CommandContext *context, const json_t *plan)
{
    const json_t *contract = json_object_get(plan, "contract");
    if (!json_is_object(contract))
        return;
    const char *shards = answer_text(contract, "shards");
    say(context,
        "contract   %s take%s away what an older application uses: gate '%s' before the first wave",
        join_texts(context, json_object_get(contract, "contracts")),
        json_array_size(json_object_get(contract, "contracts")) == 1 ? "s" : "",
        answer_text(contract, "gate"));
    if (json_array_size(json_object_get(contract, "expands")) > 0)
        say(context, "contract   %s applied on every shard%s%s",
            join_texts(context, json_object_get(contract, "expands")),
            shards[0] == '\0' ? " of the fleet" : " where ", shards);
}

static void tell_limits(CommandContext *context, const json_t *plan)
{
    const json_t *caps = json_object_get(plan, "concurrency");
    const json_t *budgets = json_object_get(plan, "budgets");
    say(context, "at a time  %lld in all, %lld a host, %lld a cluster, %lld a database",
        (long long)answer_int(caps, "fleet"), (long long)answer_int(caps, "host"),
        (long long)answer_int(caps, "cluster"), (long long)answer_int(caps, "database"));
    tell_label_caps(context, caps);
    say(context,
        "failures   %lld allowed; at worst %lld shards fail (allowed ones and jobs in flight)",
        (long long)answer_int(plan, "budget_fleet"), (long long)answer_int(plan, "worst_case"));
    for (size_t i = 0; i < json_array_size(budgets); i++) {
        const json_t *budget = json_array_get(budgets, i);
        const char *label = answer_text(budget, "label");
        say(context, "failures   %lld%s allowed where %s is the same; at worst %lld (%s)",
            (long long)answer_int(budget, "value"), answer_bool(budget, "percent") ? "%" : "",
            label[0] == '\0' ? "the host" : label, (long long)answer_int(budget, "worst_case"),
            answer_text(budget, "worst_at"));
    }
    say(context, "on failure a shard that fails: %s; more than allowed: %s",
        answer_text(plan, "on_shard_failure"), answer_text(plan, "on_failure"));
    if (answer_int(plan, "progress_deadline_ms") > 0)
        say(context, "patience   it stops when no shard gets on for %s",
            duration_text(context, answer_int(plan, "progress_deadline_ms")));
    tell_backfill(context, json_object_get(plan, "backfill"));
    tell_requires(context, plan);
    tell_contract(context, plan);
}

static void tell_cost(CommandContext *context, const json_t *plan)
{
    const json_t *backup = json_object_get(plan, "backup");
    int64_t shards = answer_int(plan, "shards");
    if (strcmp(answer_text(backup, "method"), "none") == 0)
        say(context, "backup     none");
    else
        say(context, "backup     %s%s, %lld kept: about %s, most of it on host %s: %s",
            answer_text(backup, "method"), answer_bool(backup, "verify") ? ", verified" : "",
            (long long)answer_int(backup, "keep"),
            about_size(context->arena, (uint64_t)answer_int(backup, "bytes")),
            answer_text(backup, "worst_host"),
            about_size(context->arena, (uint64_t)answer_int(backup, "worst_host_bytes")));
    if (is_known(plan, "estimate_ms"))
        say(context,
            "time       about %s with bakes, without waiting for locks, gates, windows or people",
            estimate_text(context, answer_int(plan, "estimate_ms")));
    else
        say(context,
            "time       no estimate: %lld of %lld shards have steps that have not been run here",
            (long long)(shards - answer_int(plan, "estimated")), (long long)shards);
}

static const char *days_text(CommandContext *context, int64_t days)
{
    static const char *const names[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
    AUTO_STR Str text = {0};
    if (days == WINDOW_DAYS_ALL)
        return "every day";
    for (int i = 0; i < 7; i++) {
        if ((days & (1 << i)) != 0)
            str_printf(&text, "%s%s", text.length == 0 ? "" : ", ", names[i]);
    }
    return arena_strdup(context->arena, str_text(&text));
}

/* What it looks at, and what lets it pass. */
static const char *gate_text(CommandContext *context, const json_t *gate)
{
    const char *kind = answer_text(gate, "kind");
    int64_t limit = answer_int(gate, "limit");
    int64_t waiting = answer_int(gate, "waiting_max");
    const char *success = answer_text(gate, "success");
    const char *failure = answer_text(gate, "failure");
    AUTO_STR Str text = {0};
    str_append(&text, answer_text(gate, "text"));
    if (strcmp(kind, "lag") == 0)
        str_printf(&text, "at most %s", duration_text(context, limit));
    if (strcmp(kind, "compat") == 0 && strcmp(answer_text(gate, "text"), "objects") != 0)
        str_printf(&text, " called within %s", duration_text(context, limit));
    if (json_array_size(json_object_get(gate, "ignore")) > 0)
        str_printf(&text, ", but for those of %s",
                   join_texts(context, json_object_get(gate, "ignore")));
    if (strcmp(kind, "load") == 0 && limit != UINT32_MAX)
        str_printf(&text, "at most %lld sessions active", (long long)limit);
    if (strcmp(kind, "load") == 0 && waiting != UINT32_MAX)
        str_printf(&text, "%s%lld waiting", text.length > 0 ? ", " : "at most ",
                   (long long)waiting);
    if (success[0] != '\0')
        str_printf(&text, ", succeeds when %s", success);
    if (failure[0] != '\0')
        str_printf(&text, ", fails when %s", failure);
    return arena_strdup(context->arena, str_text(&text));
}

static void tell_pace(CommandContext *context, const json_t *plan)
{
    const json_t *windows = json_object_get(plan, "windows");
    const json_t *gates = json_object_get(plan, "gates");
    for (size_t i = 0; i < json_array_size(windows); i++) {
        const json_t *window = json_array_get(windows, i);
        long long from = answer_int(window, "from_minute");
        long long to = answer_int(window, "to_minute");
        say(context,
            "window     %s %02lld:%02lld to %02lld:%02lld %s, nothing begins in its last %s",
            days_text(context, answer_int(window, "days")), from / 60, from % 60, to / 60, to % 60,
            answer_text(window, "zone"), duration_text(context, answer_int(window, "cutoff_ms")));
    }
    for (size_t i = 0; i < json_array_size(gates); i++) {
        const json_t *gate = json_array_get(gates, i);
        const json_t *when = json_object_get(gate, "when");
        AUTO_STR Str moments = {0};
        for (size_t k = 0; k < json_array_size(when); k++)
            str_printf(&moments, "%s%s", k == 0 ? "" : ", ",
                       json_string_value(json_array_get(when, k)));
        say(context, "gate       %s, %s each wave: %s %s", answer_text(gate, "name"),
            str_text(&moments), answer_text(gate, "kind"), gate_text(context, gate));
    }
}

static void tell_shards(CommandContext *context, const json_t *plan)
{
    static const char *const header[] = {"SHARD", "WAVE", "HOST",     "FROM",
                                         "STEPS", "SIZE", "ESTIMATE", NULL};
    const json_t *shards = json_object_get(plan, "shard_list");
    Table table = table_begin(context, header);
    for (size_t i = 0; i < json_array_size(shards); i++) {
        const json_t *shard = json_array_get(shards, i);
        const json_t *rows = json_object_get(shard, "rows_before");
        AUTO_STR Str from = {0};
        for (size_t k = 0; k < json_array_size(rows); k++)
            str_printf(&from, "%s%s", k == 0 ? "" : ",",
                       json_string_value(json_array_get(rows, k)));
        table_cell(&table, answer_text(shard, "name"));
        table_cell_int(&table, answer_int(shard, "wave"));
        table_cell(&table, answer_text(shard, "host"));
        table_cell(&table, from.length == 0 ? "(empty)" : arena_strdup(context->arena, from.data));
        table_cell_int(&table, (int64_t)json_array_size(json_object_get(shard, "steps")));
        table_cell(&table, about_size(context->arena, (uint64_t)answer_int(shard, "size_bytes")));
        table_cell(&table, is_known(shard, "estimated_ms")
                               ? estimate_text(context, answer_int(shard, "estimated_ms"))
                               : "-");
    }
    table_print(&table);
}

void plan_show_tell(CommandContext *context, const ShownPlan *plan, const Trust *trust,
                    bool with_shards)
{
    AUTO_STR Str text = {0};
    JsonWriter writer = json_writer(&text);
    plan_view_write(&plan->header, plan->shards, &plan->digest, with_shards, &writer);
    json_t *json = json_loads(str_text(&text), 0, NULL);
    const TrustOperator *author =
        trust == NULL ? NULL : trust_find_operator(trust, plan->header.author);
    say(context, "plan %s: %s to %s with bundle %s, by %s", answer_text(json, "name"),
        answer_text(json, "direction"), answer_text(json, "target"), answer_text(json, "bundle"),
        author == NULL ? plan->header.author : author->key.name);
    say(context, "digest     %s", answer_text(json, "plan_digest"));
    tell_choice(context, json);
    tell_waves(context, json);
    if (plan->header.direction == DIRECTION_RESTORE)
        tell_restore(context, json);
    else
        tell_steps(context, json);
    tell_limits(context, json);
    tell_cost(context, json);
    tell_pace(context, json);
    say(context, "approvals  %lld beside the author's; the plan may be started until %s",
        (long long)answer_int(json, "approvals"), answer_text(json, "expires"));
    if (with_shards)
        tell_shards(context, json);
    json_decref(json);
}
