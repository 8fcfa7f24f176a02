#include "job_state.h"

static bool names_a_step(const Job *job)
{
    if (job->done >= job->step_count)
        return false;
    return job->state == JOB_STEPPING || job->in_doubt || job->state == JOB_WAITING ||
           job->state == JOB_QUEUED || (job->state == JOB_DONE && job->failure.code != ERR_OK);
}

void job_report(const Job *job, uint64_t now_ms, JobReport *out)
{
    const Error *failure = &job->failure;
    bool failed = failure->code != ERR_OK;
    uint64_t end_ms = job->state == JOB_DONE ? job->ended_ms : now_ms;
    *out = (JobReport){
        .rollout_id = job->spec.rollout_id,
        .shard = job->spec.shard,
        .index = job->spec.index,
        .generation = job->spec.generation,
        .direction = job->spec.direction,
        .attempt = job->spec.attempt,
        .phase = job->phase,
        .outcome = job_outcome(job),
        .steps_done = (uint32_t)job->done,
        .steps_total = (uint32_t)job->step_count,
        .revision = names_a_step(job) ? job->steps[job->done].revision : "",
        .rows = job->rows,
        .code = failed ? err_code_name(failure->code) : "",
        .sqlstate = failure->sqlstate,
        .message = failure->message,
        .hint = failure->hint,
        .has_backup = job->has_backup,
        .backup = job->backup,
        .duration_ms = job->started ? end_ms - job->started_ms : 0,
        .line = failure->line > 0 ? (uint32_t)failure->line : 0,
    };
}

JobState job_state(const Job *job)
{
    return job->state;
}

bool job_is_done(const Job *job)
{
    return job->state == JOB_DONE;
}

bool job_is_in_doubt(const Job *job)
{
    return job->in_doubt;
}

bool job_is_stopping(const Job *job)
{
    return job->stopping;
}

bool job_stands_back(const Job *job)
{
    return job->state == JOB_QUEUED || (job->state == JOB_WAITING && job->resume == JOB_QUEUED);
}

JobOutcome job_outcome(const Job *job)
{
    return job->in_doubt && !job->confirming ? OUTCOME_UNKNOWN : job->outcome;
}

const JobSpec *job_spec(const Job *job)
{
    return &job->spec;
}

const char *job_state_name(JobState state)
{
    static const char *const names[JOB_STATE_COUNT] = {
        [JOB_IDLE] = "idle",
        [JOB_CONNECTING] = "connecting",
        [JOB_CLAIMING] = "claiming",
        [JOB_RECORDING] = "recording",
        [JOB_BACKING_UP] = "backing-up",
        [JOB_STEPPING] = "stepping",
        [JOB_RESTORING] = "restoring",
        [JOB_SWAPPING] = "swapping",
        [JOB_WAITING] = "waiting",
        [JOB_QUEUED] = "queued",
        [JOB_DONE] = "done",
    };
    return (unsigned)state < JOB_STATE_COUNT ? names[state] : "?";
}

const char *job_event_name(JobEventKind kind)
{
    static const char *const names[JOB_EVENT_COUNT] = {
        [JOB_EVENT_UNSPECIFIED] = "unspecified",
        [JOB_EVENT_START] = "start",
        [JOB_EVENT_CONNECTED] = "connected",
        [JOB_EVENT_CONNECT_FAILED] = "connect-failed",
        [JOB_EVENT_CLAIMED] = "claimed",
        [JOB_EVENT_CLAIM_FAILED] = "claim-failed",
        [JOB_EVENT_RECORDED] = "recorded",
        [JOB_EVENT_BACKUP_DONE] = "backup-done",
        [JOB_EVENT_BACKUP_FAILED] = "backup-failed",
        [JOB_EVENT_STEP_DONE] = "step-done",
        [JOB_EVENT_STEP_FAILED] = "step-failed",
        [JOB_EVENT_RESTORED] = "restored",
        [JOB_EVENT_SWAPPED] = "swapped",
        [JOB_EVENT_RESTORE_FAILED] = "restore-failed",
        [JOB_EVENT_LOST] = "lost",
        [JOB_EVENT_STOP] = "stop",
        [JOB_EVENT_TIMER] = "timer",
        [JOB_EVENT_QUERY] = "query",
    };
    return (unsigned)kind < JOB_EVENT_COUNT ? names[kind] : "?";
}
