#include "exec.h"

#include "clock.h"
#include "cluster_connect.h"
#include "digest.h"
#include "exec_spec.h"
#include "job_failure.h"
#include "log.h"
#include "named_limits.h"
#include "restore.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    CONNECT_TIMEOUT_MS = 10000,
    RUN_LOCK_WAIT_MS = 5000, /* then the job's own pauses, as with any other lock */
};

struct Exec {
    const ExecWorld *world;
    Arena *arena;
    SharedPlan *plan;
    OrderShard order;
    const ClusterSettings *cluster;
    const char *name; /* of its sessions */
    Job *job;
    ShardSession *session;
    ClaimResult claim; /* of the session; history is not kept */
    Backup *backup;
    Restore *restore;
    RestoreClear *clear;
    BackupInfo backup_info;
    Arena *activity_arena; /* of `activity` */
    FactList facts;        /* of the job's statements: the longest; in `facts_arena` */
    Arena *facts_arena;
    Activity activity; /* of the step in hand, or of the one that will be tried again */
    uv_timer_t timer;
    char rollout[UUID_TEXT_SIZE];
    char source[UUID_TEXT_SIZE]; /* of the rollout that is taken back; '' = its own */
    bool started;
    bool was_in_doubt;
    bool stood_back;
    bool end_logged;
};

static void run_effects(Exec *exec, const JobEffects *effects);

/* --- events ----------------------------------------------------------------------------------- */

/* A job that has ended is only remembered: its bundle need not be. */
static void release_plan(Exec *exec)
{
    if (exec->plan != NULL)
        exec->plan->users--;
    exec->plan = NULL;
}

static void tell(Exec *exec, JobEvent event)
{
    AUTO_ARENA Arena *arena = arena_new();
    JobEffects effects = {.arena = arena};
    Error err;
    event.now_ms = clock_monotonic_ms();
    event.unix_ms = clock_unix_ms();
    if (job_step(exec->job, &event, &effects, &err) != ERR_OK) {
        log_failure(LOG_ERROR, "job.defect", &err, NULL);
        return;
    }
    run_effects(exec, &effects);
    bool done = job_is_done(exec->job);
    if (done)
        release_plan(exec);
    bool in_doubt = job_is_in_doubt(exec->job);
    bool stands_back = job_stands_back(exec->job);
    if (done || in_doubt != exec->was_in_doubt || stands_back != exec->stood_back) {
        exec->was_in_doubt = in_doubt;
        exec->stood_back = stands_back;
        exec->world->changed(exec->world->jobs, exec);
    }
}

static void tell_kind(Exec *exec, JobEventKind kind)
{
    tell(exec, (JobEvent){.kind = kind});
}

static void tell_failed(Exec *exec, JobEventKind kind, JobFailureClass failure_class, bool dead,
                        const Error *err, const StrList *rows)
{
    JobEvent event = {.kind = kind};
    event.failed = (JobFailure){
        .failure_class = failure_class, .session_dead = dead, .error = err, .rows = rows};
    tell(exec, event);
}

/* --- session ---------------------------------------------------------------------------------- */

static JobFailureClass connect_class(const Exec *exec, const Error *err)
{
    return job_failure_of_connect(err, exec->cluster->passwords != NULL);
}

static void on_opened(ShardSession *session, const Error *err, void *data)
{
    (void)session;
    Exec *exec = data;
    if (err == NULL)
        tell_kind(exec, JOB_EVENT_CONNECTED);
    else
        tell_failed(exec, JOB_EVENT_CONNECT_FAILED, connect_class(exec, err), true, err, NULL);
}

/* As the server and whoever waits for this shard see it. */
static const char *make_name(Arena *arena, const AgentSettings *settings)
{
    return arena_printf(arena, "pgtide-agent %s@%s %d", settings->name, settings->host,
                        (int)getpid());
}

static void open_shard(Exec *exec)
{
    const PlanShard *shard = &exec->order.shard;
    /* Restored, it may be another one by now. */
    bool restores = exec->order.kind == JOB_RESTORE && shard->schema[0] == '\0';
    ShardTarget target = cluster_target(exec->cluster);
    target.database = shard->database;
    target.schema = shard->schema;
    target.system_identifier = shard->system_identifier;
    target.database_oid = restores ? 0 : shard->database_oid;
    target.fleet_id = exec->world->fleet_id;
    target.shard_uuid = shard->uuid;
    target.connect_timeout_ms = CONNECT_TIMEOUT_MS;
    target.application_name = exec->name;
    exec->session = shard_open(exec->world->loop, &target, on_opened, exec);
}

static OperationId first_operation(const Exec *exec)
{
    const JobSpec *spec = job_spec(exec->job);
    return operation_id(&exec->plan->order.digest, &spec->shard, spec->generation, 0,
                        spec->direction);
}

static void on_clear(const Error *err, void *data)
{
    Exec *exec = data;
    exec->clear = NULL;
    if (err == NULL)
        open_shard(exec);
    else
        tell_failed(exec, JOB_EVENT_CONNECT_FAILED, connect_class(exec, err), true, err, NULL);
}

static void open_session(Exec *exec)
{
    if (exec->order.kind != JOB_RESTORE) {
        open_shard(exec);
        return;
    }
    OperationId operation = first_operation(exec);
    exec->clear = restore_clear_start(exec->world->loop, exec->cluster, &operation, on_clear, exec);
}

static void close_session(Exec *exec)
{
    restore_clear_cancel(exec->clear);
    exec->clear = NULL;
    restore_free(exec->restore);
    exec->restore = NULL;
    shard_close(exec->session);
    exec->session = NULL;
    if (exec->backup != NULL)
        backup_abandon(exec->backup);
    exec->backup = NULL;
    ledger_forget(exec->world->ledger, exec);
}

/* --- claim ------------------------------------------------------------------------------------ */

static JobHistory *convert_history(Arena *arena, const ClaimResult *result)
{
    JobHistory *rows = ARENA_ARRAY(arena, JobHistory, result->history_count + 1);
    for (size_t i = 0; i < result->history_count; i++) {
        const HistoryEntry *entry = &result->history[i];
        rows[i] = (JobHistory){
            .generation = entry->generation,
            .direction = direction_from_name(entry->direction),
            .revision = entry->revision,
            .rows_before = entry->rows_before,
            .rows_after = entry->rows_after,
            .succeeded = strcmp(entry->outcome, "succeeded") == 0,
            .started_unix_ms = entry->started_unix_ms,
        };
        if (!uuid_parse(entry->rollout, &rows[i].rollout))
            rows[i].direction = DIRECTION_UNSPECIFIED;
    }
    return rows;
}

static void on_claimed(ShardSession *session, const ClaimResult *result, const Error *err,
                       void *data)
{
    (void)session;
    Exec *exec = data;
    if (err != NULL) {
        tell_failed(exec, JOB_EVENT_CLAIM_FAILED, job_failure_of_claim(err),
                    job_failure_ends_session(err), err, NULL);
        return;
    }
    AUTO_ARENA Arena *arena = arena_new();
    exec->claim = *result;
    JobEvent event = {.kind = JOB_EVENT_CLAIMED};
    event.claimed = (JobClaimed){
        .fence = result->fence,
        .rows = result->rows,
        .history = convert_history(arena, result),
        .history_count = result->history_count,
        .elsewhere = result->database_oid != exec->order.shard.database_oid,
    };
    tell(exec, event);
}

static void claim(Exec *exec)
{
    const ExecWorld *world = exec->world;
    const LedgerJob *left = ledger_find_job(world->ledger, &exec->order.shard.uuid);
    ClaimArgs args = {
        .epoch = ledger_epoch(world->ledger),
        .rollout = exec->rollout,
        .source_rollout = exec->source,
        .who = world->settings->name,
        .adopt = true,
        .lock_timeout_ms = exec->plan->order.header.policy.lock_timeout_ms,
        .run_lock_wait_ms = RUN_LOCK_WAIT_MS,
        .id_width = exec_spec_id_width(job_spec(exec->job)),
    };
    if (left != NULL)
        args.orphan = left->backend;
    shard_claim(exec->session, &args, on_claimed, exec);
}

/* --- ledger ----------------------------------------------------------------------------------- */

static void on_recorded(void *context)
{
    tell_kind(context, JOB_EVENT_RECORDED);
}

static void record_opened(Exec *exec)
{
    const PlanShard *shard = &exec->order.shard;
    const JobSpec *spec = job_spec(exec->job);
    LedgerJob job = {
        .plan_digest = exec->plan->order.digest,
        .rollout_id = spec->rollout_id,
        .shard = shard->uuid,
        .generation = spec->generation,
        .cluster = shard->cluster,
        .database = shard->database,
        .backend = shard_backend(exec->session),
    };
    Error err;
    if (ledger_job_opened(exec->world->ledger, &job, on_recorded, exec, &err) != ERR_OK)
        log_failure(LOG_ERROR, "ledger.defect", &err, NULL);
}

static void record_closed(Exec *exec)
{
    const JobSpec *spec = job_spec(exec->job);
    Error err;
    if (ledger_job_closed(exec->world->ledger, &exec->plan->order.digest, &spec->shard,
                          spec->generation, job_outcome(exec->job), &err) != ERR_OK)
        log_failure(LOG_ERROR, "ledger.defect", &err, NULL);
}

/* --- backup ----------------------------------------------------------------------------------- */

static void on_backup_recorded(void *context)
{
    Exec *exec = context;
    JobEvent event = {.kind = JOB_EVENT_BACKUP_DONE};
    event.backup = exec->backup_info;
    tell(exec, event);
}

static void on_backup(const BackupInfo *info, const Error *err, void *data)
{
    Exec *exec = data;
    exec->backup = NULL;
    if (err != NULL) {
        tell_failed(exec, JOB_EVENT_BACKUP_FAILED, JOB_FAILURE_FINAL, false, err, NULL);
        return;
    }
    exec->backup_info = *info;
    exec->backup_info.path = arena_strdup(exec->arena, info->path);
    Error defect;
    if (ledger_backup_taken(exec->world->ledger, &exec->plan->order.digest, &exec->order.shard.uuid,
                            &exec->backup_info, on_backup_recorded, exec, &defect) != ERR_OK)
        tell_failed(exec, JOB_EVENT_BACKUP_FAILED, JOB_FAILURE_FINAL, false, &defect, NULL);
}

static void start_backup(Exec *exec)
{
    const ExecWorld *world = exec->world;
    const PlanShard *shard = &exec->order.shard;
    const JobSpec *spec = job_spec(exec->job);
    const Policy *policy = &exec->plan->order.header.policy;
    const ClusterInfo *cluster = shards_find_cluster(world->shards, shard->cluster);
    BackupArgs args = {
        .directory = world->backup_directory,
        .cluster = exec->cluster,
        .database = shard->database,
        .schema = shard->schema,
        .shard = shard->uuid,
        .rollout = spec->rollout_id,
        .plan = exec->plan->order.digest,
        .operation = first_operation(exec),
        .rows = spec->plan_rows_before,
        .system_identifier = shard->system_identifier,
        .database_oid = shard->database_oid,
        .pg_dump_version = cluster == NULL ? 0 : cluster->pg_dump_version,
        .pg_restore_version = cluster == NULL ? 0 : cluster->pg_restore_version,
        .settings = &world->settings->backup,
        .command = agent_settings_find_backup_command(world->settings, policy->backup.command),
        .room = exec->world->backup_room,
        .rollback_until_ms = policy->rollback_until_ms,
        .policy = policy->backup,
        .lock_timeout_ms = policy->lock_timeout_ms,
    };
    exec->backup = backup_start(world->loop, &args, on_backup, exec);
}

/* --- step ------------------------------------------------------------------------------------- */

static void on_activity(ShardSession *session, const Activity *activity, void *data)
{
    (void)session;
    Exec *exec = data;
    arena_reset(exec->activity_arena);
    exec->activity = activity_copy(exec->activity_arena, activity);
    exec_query(exec);
}

/* While a step that found a lock taken waits to be tried again, what it waited for stays told. */
static void end_activity(Exec *exec, const Error *err)
{
    bool waits = err != NULL && err->code == ERR_LOCK_TIMEOUT;
    if (!waits || exec->activity.kind != ACTIVITY_LOCK_WAIT)
        exec->activity = (Activity){0};
}

/* The job's statements are few as a rule; of many the longest are kept. */
static void take_facts(Exec *exec, const FactList *facts)
{
    Arena *arena = arena_new();
    FactList all = facts_clone(arena, &exec->facts);
    FactList more = facts_clone(arena, facts);
    for (size_t i = 0; i < more.count; i++)
        facts_add(arena, &all, &more.items[i]);
    facts_keep_longest(&all, LIMIT_FACTS_PER_REPORT);
    arena_free(exec->facts_arena);
    exec->facts_arena = arena;
    exec->facts = all;
}

static void on_step(ShardSession *session, const StepResult *result, const Error *err, void *data)
{
    (void)session;
    Exec *exec = data;
    end_activity(exec, err);
    if (result->facts.count > 0)
        take_facts(exec, &result->facts);
    if (err == NULL) {
        JobEvent event = {.kind = JOB_EVENT_STEP_DONE};
        event.step_done.rows = result->rows;
        tell(exec, event);
        return;
    }
    bool read = err->code == ERR_OVERTAKEN || err->code == ERR_DIVERGED;
    tell_failed(exec, JOB_EVENT_STEP_FAILED, job_failure_of_step(err, result->not_committed),
                result->needs_claim, err, read ? &result->rows : NULL);
}

static void start_step(Exec *exec, const JobStepEffect *step)
{
    const JobSpec *spec = job_spec(exec->job);
    const OrderPlan *plan = &exec->plan->order;
    const Script *script;
    Error err;
    if (graph_step_script(plan->bundle.map, step->revision, step->direction, &step->rows_before,
                          &step->rows_after, &script, &err) != ERR_OK) {
        tell_failed(exec, JOB_EVENT_STEP_FAILED, JOB_FAILURE_FINAL, false, &err, NULL);
        return;
    }
    StepArgs args = {
        .operation = operation_id(&plan->digest, &spec->shard, spec->generation, step->number,
                                  step->direction),
        .rollout = exec->rollout,
        .generation = spec->generation,
        .attempt = spec->attempt,
        .revision = step->revision,
        .direction = step->direction,
        .script = script,
        .rows_before = step->rows_before,
        .rows_after = step->rows_after,
        .fence = exec->claim.fence,
        .epoch = exec->claim.epoch,
        .fleet_id = exec->claim.fleet_id,
        .who = exec->world->settings->name,
        .lock_timeout_ms = plan->header.policy.lock_timeout_ms,
        .lock_budget_ms = plan->header.policy.lock_budget_ms,
        .statement_timeout_ms = plan->header.policy.statement_timeout_ms,
        .run_verify = step->direction == DIRECTION_UPGRADE,
        .backfill = &plan->header.policy.backfill,
        .paces = exec->world->paces,
        .activity_cb = on_activity,
        .activity_data = exec,
    };
    shard_step(exec->session, &args, on_step, exec);
}

/* --- restore ---------------------------------------------------------------------------------- */

static void on_restore(JobFailureClass failed, const Error *err, void *data)
{
    Exec *exec = data;
    bool swapping = job_state(exec->job) == JOB_SWAPPING;
    if (err == NULL)
        tell_kind(exec, swapping ? JOB_EVENT_SWAPPED : JOB_EVENT_RESTORED);
    else
        tell_failed(exec, JOB_EVENT_RESTORE_FAILED, failed, false, err, NULL);
}

static void start_restore(Exec *exec)
{
    const PlanShard *shard = &exec->order.shard;
    const JobSpec *spec = job_spec(exec->job);
    const PlanHeader *header = &exec->plan->order.header;
    RestoreArgs args = {
        .cluster = exec->cluster,
        .settings = exec->world->settings,
        .directory = exec->world->backup_directory,
        .from = shard->restore,
        .database = shard->database,
        .schema = shard->schema,
        .database_oid = shard->database_oid,
        .shard = shard->uuid,
        .operation = first_operation(exec),
        .rollout = exec->rollout,
        .generation = spec->generation,
        .attempt = spec->attempt,
        .who = exec->world->settings->name,
        .rows_before = spec->plan_rows_before,
        .rows_after = spec->plan_rows_after,
        .version_schema = exec->claim.version_schema,
        .fence = exec->claim.fence,
        .epoch = exec->claim.epoch,
        .fleet_id = exec->claim.fleet_id,
        .accept_data_loss = header->accept_data_loss,
        .lock_timeout_ms = header->policy.lock_timeout_ms,
        .lock_attempts = header->policy.lock_attempts,
    };
    exec->restore = restore_start(exec->world->loop, &args, on_restore, exec);
}

/* The session would be one too many in the database that is to be renamed. */
static void start_swap(Exec *exec)
{
    shard_close(exec->session);
    exec->session = NULL;
    restore_swap(exec->restore);
}

/* --- effects ---------------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer)
{
    tell_kind(timer->data, JOB_EVENT_TIMER);
}

static void set_timer(Exec *exec, uint64_t at_ms)
{
    uint64_t now_ms = clock_monotonic_ms();
    uv_timer_stop(&exec->timer);
    if (at_ms != 0)
        uv_timer_start(&exec->timer, on_timer, at_ms > now_ms ? at_ms - now_ms + 1 : 1, 0);
}

static void log_end(const Exec *exec, const JobReport *report)
{
    const PlanShard *shard = &exec->order.shard;
    LogLevel level = report->outcome == OUTCOME_SUCCEEDED || report->outcome == OUTCOME_STOPPED
                         ? LOG_INFO
                         : LOG_WARN;
    log_event(level, "job.ended", "rollout", exec->rollout, "cluster", shard->cluster, "database",
              shard->database, "schema", shard->schema[0] == '\0' ? NULL : shard->schema,
              "direction", direction_name(report->direction), "outcome",
              outcome_name(report->outcome), "steps", LOG_UINT(report->steps_done), "revision",
              report->revision[0] == '\0' ? NULL : report->revision, "code",
              report->code[0] == '\0' ? NULL : report->code, "sqlstate",
              report->sqlstate[0] == '\0' ? NULL : report->sqlstate, "message",
              report->message[0] == '\0' ? NULL : report->message, "ms",
              LOG_UINT(report->duration_ms), NULL);
}

static void send_report(Exec *exec, const JobReport *report)
{
    if (report->phase == PHASE_DONE && !exec->end_logged)
        log_end(exec, report);
    exec->end_logged = report->phase == PHASE_DONE;
    JobReport told = *report;
    told.facts = exec->facts;
    if (report->phase == PHASE_STEP || report->phase == PHASE_WAITING)
        told.activity = exec->activity;
    exec->world->report(exec->world->context, &told);
}

static void run_effect(Exec *exec, const JobEffect *effect)
{
    switch (effect->kind) {
    case JOB_EFFECT_CONNECT:
        open_session(exec);
        break;
    case JOB_EFFECT_CLAIM:
        claim(exec);
        break;
    case JOB_EFFECT_LEDGER_OPENED:
        record_opened(exec);
        break;
    case JOB_EFFECT_LEDGER_CLOSED:
        record_closed(exec);
        break;
    case JOB_EFFECT_BACKUP:
        start_backup(exec);
        break;
    case JOB_EFFECT_STEP:
        start_step(exec, &effect->step);
        break;
    case JOB_EFFECT_RESTORE:
        start_restore(exec);
        break;
    case JOB_EFFECT_SWAP:
        start_swap(exec);
        break;
    case JOB_EFFECT_CLOSE:
        close_session(exec);
        break;
    case JOB_EFFECT_REPORT:
        send_report(exec, effect->report);
        break;
    case JOB_EFFECT_QUEUE:
        exec->world->queued(exec->world->jobs, exec);
        break;
    case JOB_EFFECT_TIMER:
        set_timer(exec, effect->at_ms);
        break;
    case JOB_EFFECT_UNSPECIFIED:
    case JOB_EFFECT_COUNT:
        break;
    }
}

static void run_effects(Exec *exec, const JobEffects *effects)
{
    for (size_t i = 0; i < effects->count; i++)
        run_effect(exec, &effects->items[i]);
}

/* --- life ------------------------------------------------------------------------------------- */

Exec *exec_new(const ExecWorld *world, SharedPlan *plan, const OrderShard *shard,
               const ExecOrder *order)
{
    Exec *exec = xcalloc(1, sizeof(*exec));
    exec->world = world;
    exec->arena = arena_new();
    exec->activity_arena = arena_new();
    exec->plan = plan;
    plan->users++;
    exec->order = order_shard_copy(exec->arena, shard);
    exec->cluster = agent_settings_find_cluster(world->settings, shard->shard.cluster);
    exec->name = make_name(exec->arena, world->settings);
    uuid_format(&plan->order.header.rollout_id, exec->rollout);
    if (!uuid_equal(&shard->source_rollout, &plan->order.header.rollout_id))
        uuid_format(&shard->source_rollout, exec->source);
    JobSpec spec = exec_spec(world, &plan->order, &exec->order, order);
    exec->job = job_new(&spec);
    exec->order.steps = NULL; /* the job has its copy */
    exec->was_in_doubt = spec.in_doubt;
    uv_timer_init(world->loop, &exec->timer);
    exec->timer.data = exec;
    return exec;
}

static void on_timer_closed(uv_handle_t *handle)
{
    Exec *exec = handle->data;
    arena_free(exec->activity_arena);
    arena_free(exec->facts_arena);
    arena_free(exec->arena);
    free(exec);
}

void exec_free(Exec *exec)
{
    if (exec == NULL)
        return;
    close_session(exec);
    job_free(exec->job);
    release_plan(exec);
    uv_close((uv_handle_t *)&exec->timer, on_timer_closed);
}

void exec_start(Exec *exec)
{
    exec->started = true;
    tell_kind(exec, JOB_EVENT_START);
}

void exec_stop(Exec *exec)
{
    if (job_is_done(exec->job) || job_is_stopping(exec->job))
        return;
    tell_kind(exec, JOB_EVENT_STOP);
    if (exec->session != NULL) /* hours of batches are not the step in hand */
        (void)shard_stop_soon(exec->session);
}

void exec_query(Exec *exec)
{
    tell_kind(exec, JOB_EVENT_QUERY);
}

void exec_cancel(Exec *exec)
{
    if (exec->session != NULL && !job_is_done(exec->job))
        shard_cancel(exec->session);
}

const Job *exec_job(const Exec *exec)
{
    return exec->job;
}

const char *exec_cluster(const Exec *exec)
{
    return exec->order.shard.cluster;
}

const PlanShard *exec_shard(const Exec *exec)
{
    return &exec->order.shard;
}

bool exec_is_started(const Exec *exec)
{
    return exec->started;
}

bool exec_wants_start(const Exec *exec)
{
    return !job_is_done(exec->job) && (!exec->started || job_state(exec->job) == JOB_QUEUED);
}

bool exec_is_done(const Exec *exec)
{
    return job_is_done(exec->job);
}

bool exec_is_at_work(const Exec *exec)
{
    return exec->started && !job_is_done(exec->job) && !job_is_in_doubt(exec->job) &&
           !job_stands_back(exec->job);
}
