#include "evidence_state.h"

#include "digest.h"
#include "message_codec.h"

#include <string.h>

const char *evidence_shard_name(const EvidenceState *state, Arena *arena, uint32_t index)
{
    const PlanShard *shard = &state->out.shards[index];
    return shard_display_name(arena, shard->cluster, shard->database, shard->schema);
}

/* --- what agents have signed ------------------------------------------------------------------ */

static const EvidenceAdmitted *find_agent(const EvidenceState *state, const char *name)
{
    for (size_t i = state->admitted_count; i > 0; i--) {
        const EvidenceAdmitted *admitted = &state->admitted[i - 1];
        if (strcmp(admitted->admission.agent.name, name) == 0)
            return admitted->holds && !admitted->admission.revoked ? admitted : NULL;
    }
    return NULL;
}

static const uint8_t *lookup_agent(void *context, const char *keyid)
{
    const EvidenceAdmitted *admitted = context;
    return strcmp(admitted->admission.agent.keyid, keyid) == 0 ? admitted->admission.agent.ed25519
                                                               : NULL;
}

static Digest content_of(Arena *arena, const RolloutShardRecord *shard)
{
    RolloutShardRecord copy = *shard;
    RolloutRecord record = {.kind = ROLLOUT_RECORD_SHARD_ENDED, .shards = &copy, .shard_count = 1};
    Uuid nobody = {{0}};
    ByteSpan bytes = rollout_record_encode(arena, &nobody, &record);
    return sha256_bytes(bytes.bytes, bytes.length);
}

static ErrCode take_job(EvidenceState *state, const Report *report, const JobReport *job,
                        Error *err)
{
    if (!uuid_equal(&job->rollout_id, &state->out.header.rollout_id))
        return ERR_OK;
    if (job->index >= state->out.header.shard_count ||
        !uuid_equal(&state->out.shards[job->index].uuid, &job->shard) ||
        strcmp(state->out.shards[job->index].agent, report->agent) != 0)
        return err_set(err, ERR_EVIDENCE, "a report of agent %.63s: of a shard that is not its own",
                       report->agent);
    RolloutShardRecord said = rollout_shard_record(job);
    EvidenceJob *kept = ARENA_NEW(state->arena, EvidenceJob);
    *kept = (EvidenceJob){.next = state->jobs[job->index],
                          .generation = job->generation,
                          .attempt = job->attempt,
                          .outcome = job->outcome,
                          .content = content_of(state->scratch, &said)};
    state->jobs[job->index] = kept;
    return ERR_OK;
}

/* "report of shard x", or of how many. */
static const char *report_name(const EvidenceState *state, const Report *report)
{
    const JobReport *first = report->jobs.items;
    if (report->kind != REPORT_JOBS || report->jobs.count == 0 ||
        first->index >= state->out.header.shard_count)
        return arena_printf(state->scratch, "a report of agent %.63s", report->agent);
    return arena_printf(state->scratch, "the report of shard %s%s",
                        evidence_shard_name(state, state->scratch, first->index),
                        report->jobs.count > 1 ? " and others" : "");
}

ErrCode evidence_take_report(EvidenceState *state, ByteSpan envelope, Error *err)
{
    const uint8_t *payload;
    size_t length;
    Report report;
    ErrCode code = envelope_peek_unverified(state->scratch, envelope.bytes, envelope.length,
                                            MESSAGE_REPORT, &payload, &length, NULL, err);
    if (code == ERR_OK)
        code = report_decode(state->scratch, payload, length, &report, err);
    if (code != ERR_OK)
        return evidence_not(err, "a report");
    const char *name = report_name(state, &report);
    const EvidenceAdmitted *agent = find_agent(state, report.agent);
    if (agent == NULL)
        return err_set(err, ERR_EVIDENCE, "%s: nobody with role admin has admitted agent %.63s",
                       name, report.agent);
    /* Opened once more, for the signature; what it says is what was read above. */
    if (envelope_open(state->scratch, envelope.bytes, envelope.length, MESSAGE_REPORT, lookup_agent,
                      (void *)(uintptr_t)agent, &payload, &length, NULL, err) != ERR_OK)
        return evidence_not(err, name);
    if (!uuid_equal(&report.fleet_id, &state->out.header.fleet_id) || report.kind != REPORT_JOBS)
        return err_set(err, ERR_EVIDENCE, "%s: it is not of this fleet's jobs", name);
    state->out.report_count++;
    for (size_t i = 0; code == ERR_OK && i < report.jobs.count; i++)
        code = take_job(state, &report, &report.jobs.items[i], err);
    return code;
}

/* --- against the journal ---------------------------------------------------------------------- */

static EvidenceJob *find_job(const EvidenceState *state, const RolloutShardRecord *shard,
                             const Digest *content)
{
    for (EvidenceJob *job = state->jobs[shard->index]; job != NULL; job = job->next) {
        if (digest_equal(&job->content, content))
            return job;
    }
    return NULL;
}

static ErrCode refuse_end(const EvidenceState *state, const RolloutShardRecord *shard, Error *err)
{
    const char *name = evidence_shard_name(state, state->scratch, shard->index);
    const char *said = NULL;
    for (const EvidenceJob *job = state->jobs[shard->index]; job != NULL; job = job->next) {
        if (job->generation == shard->generation && job->attempt == shard->attempt)
            said = outcome_name(job->outcome);
    }
    if (said == NULL)
        return err_set(err, ERR_EVIDENCE,
                       "shard %s: the journal says %s, and no report of its agent %.63s says so",
                       name, outcome_name(shard->outcome), state->out.shards[shard->index].agent);
    err_set(err, ERR_EVIDENCE, "shard %s: the journal says %s, its agent has signed something else",
            name, outcome_name(shard->outcome));
    err_detail(err, "agent %.63s has signed: %s", state->out.shards[shard->index].agent, said);
    return ERR_EVIDENCE;
}

ErrCode evidence_check_report(EvidenceState *state, const RolloutRecord *record, Error *err)
{
    if (record->kind != ROLLOUT_RECORD_SHARD_ENDED &&
        record->kind != ROLLOUT_RECORD_SHARD_UNKNOWN && record->kind != ROLLOUT_RECORD_SHARD_KNOWN)
        return ERR_OK;
    if (record->shard_count != 1 || record->shards[0].index >= state->out.header.shard_count)
        return err_set(err, ERR_EVIDENCE, "a record about no shard of the plan");
    const RolloutShardRecord *shard = &record->shards[0];
    Digest content = content_of(state->scratch, shard);
    const EvidenceJob *job = find_job(state, shard, &content);
    if (job == NULL)
        return refuse_end(state, shard, err);
    if (record->kind != ROLLOUT_RECORD_SHARD_ENDED)
        return ERR_OK;
    /* Whatever else its agent says of this attempt later: the first end counts. */
    for (EvidenceJob *other = state->jobs[shard->index]; other != NULL; other = other->next) {
        if (other->generation == shard->generation && other->attempt == shard->attempt)
            other->ended = true;
    }
    return ERR_OK;
}

static bool is_end(JobOutcome outcome)
{
    return outcome != OUTCOME_UNSPECIFIED && outcome != OUTCOME_UNKNOWN;
}

/* A rollout that is over listens no more: a job in doubt may have ended behind its back. */
ErrCode evidence_check_ends(const EvidenceState *state, Error *err)
{
    if (!state->out.started || rollout_state_is_terminal(state->out.state))
        return ERR_OK;
    for (uint32_t i = 0; i < state->out.header.shard_count; i++) {
        RolloutShardView view;
        rollout_shard(state->out.core, i, &view);
        for (const EvidenceJob *job = state->jobs[i]; job != NULL; job = job->next) {
            if (view.in_flight && is_end(job->outcome) && !job->ended &&
                job->generation == view.generation && job->attempt == view.attempt)
                return err_set(err, ERR_EVIDENCE,
                               "shard %s: its agent has signed an end (%s) that the journal does "
                               "not know",
                               evidence_shard_name(state, state->scratch, i),
                               outcome_name(job->outcome));
        }
    }
    return ERR_OK;
}
