#include "evidence_tell.h"

#include "clock.h"
#include "digest.h"
#include "file.h"
#include "named_limits.h"
#include "table.h"

#include <string.h>

ErrCode evidence_open(Arena *arena, const char *path, const Trust *trust, EvidenceRead *ret_file,
                      EvidenceSummary *ret_summary, Error *err)
{
    uint8_t *bytes;
    EvidenceRead file = {.path = path};
    ErrCode code = file_read_all(arena, path, LIMIT_EVIDENCE_BYTES, &bytes, &file.length, err);
    if (code != ERR_OK)
        return code;
    code = evidence_check(arena, bytes, file.length, trust, ret_summary, err);
    if (code != ERR_OK) {
        err_at(err, path, 0);
        return code;
    }
    file.sha256 = sha256_bytes(bytes, file.length);
    *ret_file = file;
    return ERR_OK;
}

static const char *time_text(CommandContext *context, uint64_t unix_ms)
{
    char *text = arena_alloc(context->arena, TIME_TEXT_SIZE);
    if (unix_ms == 0)
        return "-";
    time_format_rfc3339(unix_ms, text);
    return text;
}

static const char *digest_text(CommandContext *context, const Digest *digest)
{
    char *text = arena_alloc(context->arena, DIGEST_TEXT_SIZE);
    digest_format(digest, text);
    return text;
}

static const char *shard_text(CommandContext *context, const PlanShard *shard)
{
    return shard_display_name(context->arena, shard->cluster, shard->database, shard->schema);
}

/* The one word that a shard ended with: what was taken back and what was left out have no state of
 * their own. */
static const char *end_word(const RolloutShardView *view)
{
    return view->rolled_back ? "rolled back"
           : view->skipped   ? "skipped"
                             : shard_state_name(view->state);
}

/* --- for people ------------------------------------------------------------------------------- */

static void tell_head(CommandContext *context, const EvidenceSummary *summary)
{
    const PlanHeader *header = &summary->header;
    char id[UUID_TEXT_SIZE];
    bool over = rollout_state_is_terminal(summary->state);
    uuid_format(&header->rollout_id, id);
    say(context, "rollout    %s (%s)", header->name, id);
    say(context, "state      %s%s", rollout_state_name(summary->state),
        over ? "" : ": it was not over yet when this was made");
    say(context, "plan       %s", digest_text(context, &summary->plan_digest));
    say(context, "           %s to %s, signed by %s at %s", direction_name(header->direction),
        header->target, summary->author, time_text(context, header->created_unix_ms));
    say(context, "bundle     %s (%s), %zu revisions, signed by %zu release key%s%s",
        summary->bundle.name, digest_text(context, &summary->bundle.digest),
        summary->bundle.script_count, summary->bundle.signers.count,
        summary->bundle.signers.count == 1 ? "" : "s",
        summary->has_files ? "; its files are in here" : "");
    for (size_t i = 0; i < summary->approval_count; i++) {
        const EvidenceApproval *given = &summary->approvals[i];
        bool approved = given->approval.verdict == VERDICT_APPROVED;
        say(context, "%s %s %s at %s%s%s", i == 0 ? "approvals " : "          ",
            approved ? "approved by" : "REJECTED by", given->name,
            time_text(context, given->approval.created_unix_ms),
            given->approval.reason[0] == '\0' ? "" : ": ", given->approval.reason);
    }
    if (summary->started)
        say(context, "time       %s to %s", time_text(context, summary->started_unix_ms),
            summary->finished_unix_ms == 0 ? "now" : time_text(context, summary->finished_unix_ms));
}

static void tell_actions(CommandContext *context, const EvidenceSummary *summary)
{
    static const char *const header[] = {"ASKED", "BY", "AT", "REASON", NULL};
    if (summary->action_count == 0)
        return;
    Table table = table_begin(context, header);
    for (size_t i = 0; i < summary->action_count; i++) {
        const EvidenceAction *action = &summary->actions[i];
        table_cell(&table, action->what);
        table_cell(&table, action->name);
        table_cell(&table, time_text(context, action->created_unix_ms));
        table_cell(&table, action->reason);
    }
    table_print(&table);
}

static void tell_waves(CommandContext *context, const EvidenceSummary *summary)
{
    static const char *const header[] = {"WAVE",   "SHARDS",      "CURRENT",
                                         "FAILED", "ROLLED BACK", NULL};
    Table table = table_begin(context, header);
    for (uint32_t i = 0; i < summary->header.wave_count; i++) {
        RolloutWaveView view;
        rollout_wave_view(summary->core, i, &view);
        table_cell(&table, view.plan->name);
        table_cell_int(&table, view.counts.total);
        table_cell_int(&table, view.counts.by_state[SHARD_CURRENT]);
        table_cell_int(&table, view.counts.failures);
        table_cell_int(&table, view.counts.rolled_back);
    }
    table_print(&table);
}

static void tell_troubles(CommandContext *context, const EvidenceSummary *summary)
{
    static const char *const header[] = {"SHARD", "JOB", "AT", "MESSAGE", "IN THE END", NULL};
    Table table = table_begin(context, header);
    RolloutShardView view;
    size_t shown = summary->failure_count;
    for (size_t i = 0; i < summary->failure_count; i++) {
        const EvidenceFailure *failure = &summary->failures[i];
        rollout_shard(summary->core, failure->index, &view);
        table_cell(&table, shard_text(context, view.plan));
        table_cell(&table, outcome_name(failure->outcome));
        table_cell(&table, failure->revision);
        table_cell(&table, failure->message);
        table_cell(&table, end_word(&view));
    }
    for (uint32_t i = 0; i < summary->header.shard_count; i++) {
        rollout_shard(summary->core, i, &view);
        if (!view.skipped)
            continue;
        shown++;
        table_cell(&table, shard_text(context, view.plan));
        table_cell(&table, "none");
        table_cell(&table, "");
        table_cell(&table, view.message);
        table_cell(&table, end_word(&view));
    }
    if (shown > 0)
        table_print(&table);
}

static size_t count_backups(const EvidenceSummary *summary)
{
    size_t count = 0;
    for (uint32_t i = 0; i < summary->header.shard_count; i++) {
        RolloutShardView view;
        rollout_shard(summary->core, i, &view);
        count += view.backup != NULL ? 1 : 0;
    }
    return count;
}

static void tell_proof(CommandContext *context, const EvidenceRead *file,
                       const EvidenceSummary *summary)
{
    const Evidence *index = &summary->index;
    say(context,
        "reports    %llu, signed by agents that an admin admitted; %zu backups by path and digest",
        (unsigned long long)summary->report_count, count_backups(summary));
    say(context, "journal    records %llu to %llu without a gap, %llu of them shown",
        (unsigned long long)index->first_seq, (unsigned long long)summary->last_seq,
        (unsigned long long)summary->shown_count);
    say(context, "           the last one's hash is %s", digest_text(context, &summary->last_hash));
    say(context, "made       at %s by coordinator %s%s", time_text(context, index->made_unix_ms),
        summary->made_by, summary->signer_retired ? ", which this trust file names no more" : "");
    say(context, "file       %s (%zu bytes)", digest_text(context, &file->sha256), file->length);
    say(context, "%s: genuine", file->path);
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void json_plan(JsonWriter *json, const EvidenceSummary *summary)
{
    const PlanHeader *header = &summary->header;
    json_field_object(json, "rollout");
    json_field_uuid(json, "id", &header->rollout_id);
    json_field_string(json, "name", header->name);
    json_field_string(json, "state", rollout_state_name(summary->state));
    json_field_string(json, "reason", summary->started ? rollout_reason(summary->core) : "");
    json_field_string(json, "direction", direction_name(header->direction));
    json_field_string(json, "target", header->target);
    json_field_uuid(json, "rollback_of", &header->rollback_of);
    json_field_digest(json, "plan_digest", &summary->plan_digest);
    json_field_string(json, "author", summary->author);
    json_field_string(json, "author_keyid", header->author);
    json_field_time(json, "created", header->created_unix_ms);
    json_field_time(json, "started", summary->started_unix_ms);
    json_field_time(json, "finished", summary->finished_unix_ms);
    json_object_end(json);
    json_field_object(json, "bundle");
    json_field_string(json, "name", summary->bundle.name);
    json_field_digest(json, "digest", &summary->bundle.digest);
    json_field_uint(json, "revisions", summary->bundle.script_count);
    json_field_uint(json, "signatures", summary->bundle.signers.count);
    json_field_bool(json, "files", summary->has_files);
    json_object_end(json);
}

static void json_people(JsonWriter *json, const EvidenceSummary *summary)
{
    json_field_array(json, "approvals");
    for (size_t i = 0; i < summary->approval_count; i++) {
        const EvidenceApproval *given = &summary->approvals[i];
        bool approved = given->approval.verdict == VERDICT_APPROVED;
        json_object_begin(json);
        json_field_string(json, "operator", given->name);
        json_field_string(json, "keyid", given->keyid);
        json_field_string(json, "verdict", approved ? "approved" : "rejected");
        json_field_time(json, "created", given->approval.created_unix_ms);
        json_field_time(json, "expires", given->approval.expires_unix_ms);
        json_field_string(json, "reason", given->approval.reason);
        json_object_end(json);
    }
    json_array_end(json);
    json_field_array(json, "requests");
    for (size_t i = 0; i < summary->action_count; i++) {
        const EvidenceAction *action = &summary->actions[i];
        json_object_begin(json);
        json_field_string(json, "operator", action->name);
        json_field_string(json, "keyid", action->keyid);
        json_field_string(json, "asked", action->what);
        json_field_string(json, "reason", action->reason);
        json_field_time(json, "created", action->created_unix_ms);
        json_field_uint(json, "record", action->seq);
        json_object_end(json);
    }
    json_array_end(json);
    json_field_array(json, "agents");
    for (size_t i = 0; i < summary->agent_count; i++) {
        json_object_begin(json);
        json_field_string(json, "name", summary->agents[i].name);
        json_field_string(json, "keyid", summary->agents[i].keyid);
        json_field_string(json, "admitted_by", summary->agents[i].admitted_by);
        json_object_end(json);
    }
    json_array_end(json);
}

static void json_backup(JsonWriter *json, const BackupInfo *backup)
{
    if (backup == NULL) {
        json_field_null(json, "backup");
        return;
    }
    json_field_object(json, "backup");
    json_field_string(json, "path", backup->path);
    json_field_digest(json, "sha256", &backup->sha256);
    json_field_uint(json, "size_bytes", backup->size_bytes);
    json_object_end(json);
}

static void json_shards(CommandContext *context, JsonWriter *json, const EvidenceSummary *summary)
{
    json_field_array(json, "shards");
    for (uint32_t i = 0; i < summary->header.shard_count; i++) {
        RolloutShardView view;
        rollout_shard(summary->core, i, &view);
        json_object_begin(json);
        json_field_string(json, "name", shard_text(context, view.plan));
        json_field_uuid(json, "uuid", &view.plan->uuid);
        json_field_string(json, "agent", view.plan->agent);
        json_field_uint(json, "wave", view.plan->wave + 1);
        json_field_string(json, "state", shard_state_name(view.state));
        json_field_bool(json, "rolled_back", view.rolled_back);
        json_field_bool(json, "skipped", view.skipped);
        json_field_string(json, "outcome",
                          view.outcome == OUTCOME_UNSPECIFIED ? NULL : outcome_name(view.outcome));
        json_field_uint(json, "attempt", view.attempt);
        json_field_strings(json, "rows", view.rows);
        json_field_string(json, "revision", view.revision);
        json_field_string(json, "code", view.code);
        json_field_string(json, "sqlstate", view.sqlstate);
        json_field_string(json, "message", view.message);
        json_backup(json, view.backup);
        json_object_end(json);
    }
    json_array_end(json);
}

static void json_failures(CommandContext *context, JsonWriter *json, const EvidenceSummary *summary)
{
    json_field_array(json, "failures");
    for (size_t i = 0; i < summary->failure_count; i++) {
        const EvidenceFailure *failure = &summary->failures[i];
        json_object_begin(json);
        json_field_string(json, "shard", shard_text(context, &summary->shards[failure->index]));
        json_field_string(json, "outcome", outcome_name(failure->outcome));
        json_field_string(json, "direction", direction_name(failure->direction));
        json_field_uint(json, "attempt", failure->attempt);
        json_field_string(json, "revision", failure->revision);
        json_field_string(json, "code", failure->code);
        json_field_string(json, "sqlstate", failure->sqlstate);
        json_field_string(json, "message", failure->message);
        json_field_time(json, "at", failure->at_unix_ms);
        json_field_uint(json, "record", failure->seq);
        json_object_end(json);
    }
    json_array_end(json);
}

static void json_journal(JsonWriter *json, const EvidenceSummary *summary)
{
    json_field_object(json, "journal");
    json_field_uint(json, "first", summary->index.first_seq);
    json_field_uint(json, "last", summary->last_seq);
    json_field_uint(json, "shown", summary->shown_count);
    json_field_digest(json, "last_hash", &summary->last_hash);
    json_field_uint(json, "reports", summary->report_count);
    json_object_end(json);
}

static void json_tell(CommandContext *context, const EvidenceRead *file,
                      const EvidenceSummary *summary)
{
    JsonWriter json = context_json(context);
    json_object_begin(&json);
    json_field_string(&json, "file", file->path);
    json_field_uint(&json, "bytes", file->length);
    json_field_digest(&json, "sha256", &file->sha256);
    json_field_bool(&json, "genuine", true);
    json_field_bool(&json, "over", rollout_state_is_terminal(summary->state));
    json_field_uuid(&json, "fleet", &summary->header.fleet_id);
    json_field_time(&json, "made", summary->index.made_unix_ms);
    json_field_string(&json, "made_by", summary->made_by);
    json_field_bool(&json, "made_by_is_retired", summary->signer_retired);
    json_field_uint(&json, "trust_version", summary->trust_version);
    json_plan(&json, summary);
    json_people(&json, summary);
    json_shards(context, &json, summary);
    json_failures(context, &json, summary);
    json_journal(&json, summary);
    json_object_end(&json);
}

void evidence_tell(CommandContext *context, const EvidenceRead *file,
                   const EvidenceSummary *summary)
{
    if (context->json) {
        json_tell(context, file, summary);
        return;
    }
    tell_head(context, summary);
    tell_actions(context, summary);
    tell_waves(context, summary);
    tell_troubles(context, summary);
    tell_proof(context, file, summary);
}
