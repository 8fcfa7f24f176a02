#include "agent.h"

#include "adoptions.h"
#include "backup_recipients.h"
#include "backup_scratch.h"
#include "bus.h"
#include "clock.h"
#include "differences.h"
#include "file.h"
#include "fingerprints.h"
#include "inventory_parts.h"
#include "keeper.h"
#include "log.h"
#include "named_limits.h"
#include "orders.h"
#include "provision.h"
#include "records.h"
#include "safe_shards.h"
#include "server_pace.h"
#include "sources.h"
#include "tasks.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum {
    AGENT_TICK_MS = 100,
    AGENT_IDLE_TICKS = 3,     /* before what the jobs have changed is read */
    AGENT_SILENCE_MS = 30000, /* until the coordinator says another */
    AGENT_LINGER_MS = 300,    /* for the last reports to leave */
    AGENT_SIGNALS = 3,
};

/* Removes what a life that was killed has left on a cluster. */
typedef struct Cleaner {
    Scratch *scratch; /* NULL: not at work */
} Cleaner;

struct Agent {
    const AgentSettings *settings;
    Arena *arena;
    uv_loop_t loop;
    void *zmq;
    SecretKey *key;
    Trust *trust;
    Trust *former_trust; /* jobs may still point into it */
    Ledger *ledger;
    BlobStore *blobs;
    Bus *bus;
    Fetch *fetch;
    Shards *shards;
    ExecWorld world;
    BackupRoom backup_room;
    Keeper *keeper;
    Cleaner *cleaners; /* one for each cluster */
    Jobs *jobs;
    Looks *looks;
    Orders *orders;
    SafeShards *safe;
    Tasks *tasks;
    Provision *provision;
    Adoptions *adoptions;
    Records *records;
    Sources *sources;
    Differences *differences;
    Fingerprints *fingerprints;
    uv_timer_t tick;
    uv_timer_t inventory;
    uv_signal_t signals[AGENT_SIGNALS];
    uint64_t snapshot;
    uint64_t epoch; /* of the coordinator that is followed; 0 = none yet */
    bool listed;    /* once */
    bool silent;
    int stop_signal; /* 0 = running */
    unsigned stop_count;
    unsigned idle_ticks; /* since a job ran last */
    uint64_t leave_ms;   /* when the loop ends; 0 = not yet */
    int exit_status;
};

/* --- inventory -------------------------------------------------------------------------------- */

static void send_inventory(Agent *agent)
{
    if (!agent->listed || !bus_is_welcome(agent->bus))
        return;
    AUTO_ARENA Arena *arena = arena_new();
    size_t count;
    Inventory *parts =
        inventory_parts(arena, agent->shards, agent->settings->host, ++agent->snapshot, &count);
    for (size_t i = 0; i < count; i++) {
        Report report = {.kind = REPORT_INVENTORY, .inventory = parts[i]};
        Error err;
        if (bus_send(agent->bus, &report, &err) != ERR_OK) {
            log_failure(LOG_WARN, "inventory.not_sent", &err, NULL);
            return;
        }
    }
}

static void on_listed(void *context)
{
    Agent *agent = context;
    if (!agent->listed)
        log_event(LOG_INFO, "inventory.ready", "shards", LOG_UINT(shards_count(agent->shards)),
                  NULL);
    agent->listed = true;
    fingerprints_listed(agent->fingerprints);
    send_inventory(agent);
    orders_listed(agent->orders);
    adoptions_listed(agent->adoptions);
    if (agent->stop_signal == 0)
        safe_shards_listed(agent->safe);
}

static bool is_at_work(void *context, const Uuid *shard)
{
    const Agent *agent = context;
    return jobs_is_at_work(agent->jobs, shard);
}

static void on_fingerprints(void *context)
{
    send_inventory(context);
}

static void on_inventory_due(uv_timer_t *timer)
{
    Agent *agent = timer->data;
    shards_refresh(agent->shards);
}

/* --- the bus ---------------------------------------------------------------------------------- */

static const ClusterInfo *hello_clusters(void *context, size_t *ret_count)
{
    Agent *agent = context;
    return shards_clusters(agent->shards, ret_count);
}

static uint32_t count_running(void *context)
{
    Agent *agent = context;
    return jobs_running(agent->jobs);
}

static void send_job_report(void *context, const JobReport *report)
{
    Agent *agent = context;
    bus_report_job(agent->bus, report);
}

static void send_task_done(void *context, const TaskDone *done)
{
    Agent *agent = context;
    Report report = {.kind = REPORT_TASK_DONE, .task_done = *done};
    if (bus_send(agent->bus, &report, NULL) != ERR_OK)
        log_event(LOG_DEBUG, "task.not_told", NULL); /* it is asked again */
}

static void send_looked(void *context, const Looked *looked)
{
    Agent *agent = context;
    Report report = {.kind = REPORT_LOOKED, .looked = *looked};
    Error err;
    if (bus_send(agent->bus, &report, &err) != ERR_OK)
        log_failure(LOG_WARN, "look.not_sent", &err, NULL); /* the coordinator's time runs out */
}

static void ask_for_blob(void *context, const BlobFetch *fetch)
{
    Agent *agent = context;
    Report report = {.kind = REPORT_FETCH, .fetch = *fetch};
    if (bus_send(agent->bus, &report, NULL) != ERR_OK)
        log_event(LOG_DEBUG, "fetch.not_sent", NULL); /* it is asked again */
}

static void on_blob(void *context, const Digest *digest, const Error *err)
{
    Agent *agent = context;
    if (err != NULL)
        log_failure(LOG_WARN, "fetch.failed", err, NULL);
    orders_blob(agent->orders, digest, err);
    provision_blob(agent->provision, digest, err);
    differences_blob(agent->differences, digest, err);
}

static void take_run(Agent *agent, const RunShards *run)
{
    if (agent->stop_signal == 0) /* else the next life is asked again */
        orders_run(agent->orders, run);
}

/* A new coordinator may know nothing of the former one's orders: the steps in hand are finished,
 * and it says what goes on. */
static void follow(Agent *agent, uint64_t epoch)
{
    Uuid all = {0};
    if (epoch <= agent->epoch)
        return;
    agent->epoch = epoch;
    orders_stop(agent->orders, &all);
    looks_drop(agent->looks, &all);
    jobs_stop(agent->jobs, &all);
}

static void on_command(void *context, const Command *command)
{
    Agent *agent = context;
    agent->silent = false;
    follow(agent, command->epoch);
    switch (command->kind) {
    case COMMAND_WELCOME:
        send_inventory(agent);
        keeper_list(agent->keeper);
        jobs_report(agent->jobs);
        fetch_resume(agent->fetch);
        break;
    case COMMAND_RUN:
        take_run(agent, &command->run);
        break;
    case COMMAND_LOOK:
        if (agent->stop_signal == 0)
            orders_look(agent->orders, &command->look);
        break;
    case COMMAND_STOP:
        log_event(LOG_INFO, "rollout.stop", "reason", command->stop.reason, NULL);
        orders_stop(agent->orders, &command->stop.rollout_id);
        jobs_stop(agent->jobs, &command->stop.rollout_id);
        break;
    case COMMAND_CHUNK:
        fetch_chunk(agent->fetch, &command->chunk);
        break;
    case COMMAND_REFRESH:
        if (jobs_running(agent->jobs) == 0)
            (void)jobs_take_ended(agent->jobs); /* seen by this very scan */
        shards_refresh(agent->shards);
        keeper_list(agent->keeper);
        break;
    case COMMAND_TASK:
        if (agent->stop_signal == 0)
            tasks_take(agent->tasks, &command->task, clock_unix_ms());
        break;
    case COMMAND_BACKUPS:
        keeper_work(agent->keeper, &command->backups);
        break;
    case COMMAND_UNSPECIFIED:
    case COMMAND_HEARTBEAT:
    case COMMAND_KIND_COUNT:
        break;
    }
}

static void send_backups(void *context, const BackupListing *part)
{
    Agent *agent = context;
    Report report = {.kind = REPORT_BACKUPS, .backups = *part};
    Error err;
    if (bus_is_welcome(agent->bus) && bus_send(agent->bus, &report, &err) != ERR_OK)
        log_failure(LOG_WARN, "backups.not_sent", &err, NULL);
}

/* --- time and signals ------------------------------------------------------------------------- */

static void check_silence(Agent *agent)
{
    uint64_t deadline = agent->settings->silence_deadline_ms;
    if (deadline == 0)
        deadline = bus_silence_deadline_ms(agent->bus);
    if (deadline == 0)
        deadline = AGENT_SILENCE_MS;
    uint64_t silent_ms = bus_silent_ms(agent->bus);
    if (silent_ms < deadline) {
        agent->silent = false;
        return;
    }
    Uuid all = {0};
    if (!agent->silent)
        log_event(LOG_WARN, "coordinator.lost", "silent_ms", LOG_UINT(silent_ms), "jobs",
                  LOG_UINT(jobs_running(agent->jobs)), NULL);
    agent->silent = true;
    orders_stop(agent->orders, &all);
    jobs_stop(agent->jobs, &all);
}

static void check_leaving(Agent *agent)
{
    uint64_t now_ms = clock_monotonic_ms();
    if (agent->leave_ms == 0 && jobs_unfinished(agent->jobs) == 0 &&
        tasks_running(agent->tasks) == 0)
        agent->leave_ms = now_ms + AGENT_LINGER_MS;
    if (agent->leave_ms != 0 && now_ms >= agent->leave_ms)
        uv_stop(&agent->loop);
}

/* What jobs have changed is read when none has run for a while: between two of them there are
 * moments without any, and a coordinator asks at a rollout's end itself. */
static void refresh_after_jobs(Agent *agent)
{
    agent->idle_ticks = jobs_running(agent->jobs) == 0 ? agent->idle_ticks + 1 : 0;
    if (agent->idle_ticks < AGENT_IDLE_TICKS || !jobs_take_ended(agent->jobs))
        return;
    shards_refresh(agent->shards);
    keeper_list(agent->keeper);
}

static void on_tick(uv_timer_t *timer)
{
    Agent *agent = timer->data;
    check_silence(agent);
    refresh_after_jobs(agent);
    if (agent->stop_signal != 0)
        check_leaving(agent);
}

static void stop(Agent *agent, int signum)
{
    Uuid all = {0};
    agent->stop_signal = signum;
    agent->stop_count++;
    log_event(LOG_INFO, "agent.stopping", "jobs", LOG_UINT(jobs_running(agent->jobs)), "signals",
              LOG_UINT(agent->stop_count), NULL);
    uv_timer_stop(&agent->inventory);
    fingerprints_stop(agent->fingerprints);
    looks_drop(agent->looks, &all);
    orders_stop(agent->orders, &all);
    jobs_stop(agent->jobs, &all);
    if (agent->stop_count == 2)
        jobs_cancel(agent->jobs);
    if (agent->stop_count >= 2)
        agent->exit_status = 128 + signum;
    if (agent->stop_count >= 3)
        uv_stop(&agent->loop);
}

static void reload_trust(Agent *agent)
{
    Error err;
    Trust *trust;
    ErrCode code = trust_load(agent->settings->trust_path, clock_unix_ms(), &trust, &err);
    if (code != ERR_OK) {
        log_failure(LOG_ERROR, "trust.not_reloaded", &err, NULL);
        return;
    }
    if (!uuid_equal(trust_fleet_id(trust), trust_fleet_id(agent->trust)) ||
        trust_version(trust) < trust_version(agent->trust)) {
        log_event(LOG_ERROR, "trust.not_reloaded", "reason", "another fleet's, or an older one",
                  NULL);
        trust_free(trust);
        return;
    }
    trust_free(agent->former_trust);
    agent->former_trust = agent->trust;
    agent->trust = trust;
    bus_set_trust(agent->bus, trust);
    orders_set_trust(agent->orders, trust);
    safe_shards_set_trust(agent->safe, trust);
    tasks_set_trust(agent->tasks, trust);
    provision_set_trust(agent->provision, trust);
    log_event(LOG_INFO, "trust.reloaded", "version", LOG_UINT(trust_version(trust)), NULL);
}

static void on_signal(uv_signal_t *handle, int signum)
{
    Agent *agent = handle->data;
    if (signum == SIGHUP)
        reload_trust(agent);
    else
        stop(agent, signum);
}

/* --- opening ---------------------------------------------------------------------------------- */

static ErrCode read_server_key(const AgentSettings *settings, const Trust *trust,
                               PublicKeyInfo *ret_key, Error *err)
{
    const CoordinatorSettings *coordinator = &settings->coordinator;
    if (coordinator->key_path != NULL)
        return public_key_load(coordinator->key_path, ret_key, err);
    const TrustParts *parts = trust_parts(trust);
    const PublicKeyInfo *found = NULL;
    for (size_t i = 0; i < parts->coordinator_count; i++) {
        const PublicKeyInfo *key = &parts->coordinators[i];
        if (coordinator->name != NULL && strcmp(key->name, coordinator->name) != 0)
            continue;
        if (found != NULL) {
            err_set(err, ERR_CONFIG, "the trust file names several coordinators");
            err_hint(err, "Say which one with 'coordinator.name'.");
            return ERR_CONFIG;
        }
        found = key;
    }
    if (found == NULL)
        return err_set(err, ERR_CONFIG, "the trust file names no such coordinator");
    *ret_key = *found;
    return ERR_OK;
}

static ErrCode open_identity(Agent *agent, PublicKeyInfo *ret_server, Error *err)
{
    const AgentSettings *settings = agent->settings;
    ErrCode code = key_load(settings->key_path, NULL, &agent->key, err);
    if (code == ERR_OK)
        code = trust_load(settings->trust_path, clock_unix_ms(), &agent->trust, err);
    if (code == ERR_OK)
        code = read_server_key(settings, agent->trust, ret_server, err);
    if (code != ERR_OK)
        return code;
    if (!ret_server->has_curve || key_curve_secret(agent->key) == NULL)
        return err_set(err, ERR_CONFIG, "a key has no half that opens connections");
    return ERR_OK;
}

static ErrCode check_recipients(const Agent *agent, Error *err)
{
    StrList fingerprints;
    const char *path = agent->settings->backup.age_recipients;
    return path == NULL ? ERR_OK : recipients_load(agent->arena, path, &fingerprints, err);
}

static ErrCode open_state(Agent *agent, Error *err)
{
    const char *state = agent->settings->state_path;
    agent->world.backup_directory = path_join(agent->arena, state, "backups");
    ErrCode code = check_recipients(agent, err);
    if (code == ERR_OK)
        code = dir_make(state, 0700, err);
    if (code == ERR_OK)
        code = dir_make(agent->world.backup_directory, 0700, err);
    if (code == ERR_OK)
        code = ledger_open(state, &agent->ledger, err);
    if (code == ERR_OK)
        code = ledger_start(agent->ledger, &agent->loop, err);
    if (code == ERR_OK)
        code = blob_store_open(path_join(agent->arena, state, "blobs"), LIMIT_BUNDLE_BYTES,
                               &agent->blobs, err);
    if (code == ERR_OK)
        backup_clean(agent->world.backup_directory);
    return code;
}

static ErrCode open_bus(Agent *agent, const PublicKeyInfo *server, Error *err)
{
    agent->zmq = zmq_ctx_new();
    BusSettings settings = {
        .loop = &agent->loop,
        .zmq = agent->zmq,
        .endpoint = agent->settings->coordinator.endpoint,
        .server_public = server->curve,
        .key = agent->key,
        .trust = agent->trust,
        .ledger = agent->ledger,
        .agent = agent->settings->name,
        .host = agent->settings->host,
        .on_command = on_command,
        .clusters = hello_clusters,
        .jobs_running = count_running,
        .context = agent,
    };
    return bus_open(&settings, &agent->bus, err);
}

/* What looks at the schemas of shards. */
static void open_schemas(Agent *agent)
{
    agent->differences = differences_new(&(DifferencesSettings){.loop = &agent->loop,
                                                                .settings = agent->settings,
                                                                .shards = agent->shards,
                                                                .blobs = agent->blobs,
                                                                .fetch = agent->fetch});
    tasks_handle(agent->tasks, PGTIDE__V1__REQUEST__BODY_READ_DRIFT, OPERATOR_ROLE_VIEWER,
                 differences_handle, agent->differences);
    agent->fingerprints =
        fingerprints_new(&(FingerprintsSettings){.loop = &agent->loop,
                                                 .settings = agent->settings,
                                                 .shards = agent->shards,
                                                 .fleet_id = *trust_fleet_id(agent->trust),
                                                 .is_at_work = is_at_work,
                                                 .changed = on_fingerprints,
                                                 .context = agent});
}

static void open_parts(Agent *agent)
{
    const Uuid *fleet = trust_fleet_id(agent->trust);
    agent->shards = shards_new(&agent->loop, agent->settings, fleet, on_listed, agent);
    agent->world.loop = &agent->loop;
    agent->world.settings = agent->settings;
    agent->world.ledger = agent->ledger;
    agent->world.shards = agent->shards;
    agent->world.fleet_id = *fleet;
    agent->world.report = send_job_report;
    agent->world.context = agent;
    agent->world.backup_room = &agent->backup_room;
    agent->world.paces = server_paces_new(&agent->loop);
    agent->jobs = jobs_new(&agent->world);
    KeeperSettings keeper = {.loop = &agent->loop,
                             .agent = agent->settings,
                             .ledger = agent->ledger,
                             .directory = agent->world.backup_directory,
                             .listed = send_backups,
                             .context = agent};
    agent->keeper = keeper_new(&keeper);
    FetchSettings fetch = {.loop = &agent->loop,
                           .blobs = agent->blobs,
                           .ask = ask_for_blob,
                           .done = on_blob,
                           .context = agent};
    agent->fetch = fetch_new(&fetch);
    LooksSettings looks = {
        .loop = &agent->loop, .settings = agent->settings, .answer = send_looked, .context = agent};
    agent->looks = looks_new(&looks);
    OrdersSettings orders = {.world = &agent->world,
                             .trust = agent->trust,
                             .blobs = agent->blobs,
                             .fetch = agent->fetch,
                             .jobs = agent->jobs,
                             .looks = agent->looks,
                             .approvals_min = (size_t)agent->settings->approvals_min};
    agent->orders = orders_new(&orders);
    agent->tasks = tasks_new(agent->trust, send_task_done, agent);
    ProvisionSettings provision = {.loop = &agent->loop,
                                   .settings = agent->settings,
                                   .ledger = agent->ledger,
                                   .shards = agent->shards,
                                   .blobs = agent->blobs,
                                   .fetch = agent->fetch,
                                   .trust = agent->trust};
    agent->provision = provision_new(&provision);
    tasks_handle(agent->tasks, PGTIDE__V1__REQUEST__BODY_PROVISION, OPERATOR_ROLE_OPERATOR,
                 provision_handle, agent->provision);
    agent->safe =
        safe_shards_new(&agent->loop, agent->settings, fleet, agent->shards, agent->trust);
    agent->adoptions = adoptions_new(&(AdoptionsSettings){.loop = &agent->loop,
                                                          .settings = agent->settings,
                                                          .ledger = agent->ledger,
                                                          .shards = agent->shards,
                                                          .fleet_id = *fleet});
    tasks_handle(agent->tasks, PGTIDE__V1__REQUEST__BODY_ADOPT, OPERATOR_ROLE_ADMIN,
                 adoptions_handle, agent->adoptions);
    agent->records = records_new(&(RecordsSettings){
        .loop = &agent->loop, .settings = agent->settings, .shards = agent->shards});
    tasks_handle(agent->tasks, PGTIDE__V1__REQUEST__BODY_READ_RECORD, OPERATOR_ROLE_VIEWER,
                 records_handle, agent->records);
    agent->sources = sources_new(&(SourcesSettings){
        .loop = &agent->loop, .settings = agent->settings, .shards = agent->shards});
    tasks_handle(agent->tasks, PGTIDE__V1__REQUEST__BODY_READ_SOURCE, OPERATOR_ROLE_OPERATOR,
                 sources_handle, agent->sources);
    open_schemas(agent);
}

static void on_cleaned(const Error *err, void *data)
{
    Cleaner *cleaner = data;
    cleaner->scratch = NULL;
    if (err != NULL)
        log_failure(LOG_WARN, "backup.not_cleaned", err, NULL);
}

/* A pooler's cluster has nothing of ours. */
static void clean_clusters(Agent *agent)
{
    size_t count = agent_settings_cluster_count(agent->settings);
    agent->cleaners = ARENA_ARRAY(agent->arena, Cleaner, count);
    for (size_t i = 0; i < count; i++) {
        const ClusterSettings *cluster = agent_settings_cluster(agent->settings, i);
        Cleaner *cleaner = &agent->cleaners[i];
        if (!cluster->pooled)
            cleaner->scratch = scratch_clean(&agent->loop, cluster, on_cleaned, cleaner);
    }
}

static void stop_cleaning(Agent *agent)
{
    size_t count = agent_settings_cluster_count(agent->settings);
    for (size_t i = 0; agent->cleaners != NULL && i < count; i++)
        if (agent->cleaners[i].scratch != NULL)
            scratch_cancel(agent->cleaners[i].scratch);
}

static void start_handles(Agent *agent)
{
    static const int numbers[AGENT_SIGNALS] = {SIGTERM, SIGINT, SIGHUP};
    for (size_t i = 0; i < AGENT_SIGNALS; i++) {
        uv_signal_init(&agent->loop, &agent->signals[i]);
        agent->signals[i].data = agent;
        uv_signal_start(&agent->signals[i], on_signal, numbers[i]);
    }
    uv_timer_init(&agent->loop, &agent->tick);
    uv_timer_init(&agent->loop, &agent->inventory);
    agent->tick.data = agent;
    agent->inventory.data = agent;
    uv_timer_start(&agent->tick, on_tick, AGENT_TICK_MS, AGENT_TICK_MS);
    uv_timer_start(&agent->inventory, on_inventory_due, 0, agent->settings->inventory_ms);
}

ErrCode agent_open(const AgentSettings *settings, Agent **ret_agent, Error *err)
{
    Agent *agent = xcalloc(1, sizeof(*agent));
    agent->settings = settings;
    agent->arena = arena_new();
    agent->snapshot = clock_unix_ms(); /* rises over restarts too */
    uv_loop_init(&agent->loop);
    PublicKeyInfo server;
    ErrCode code = open_identity(agent, &server, err);
    if (code == ERR_OK)
        code = open_state(agent, err);
    if (code == ERR_OK) {
        open_parts(agent);
        shards_find_pg_dump(agent->shards);
    }
    if (code == ERR_OK)
        code = open_bus(agent, &server, err);
    if (code != ERR_OK) {
        agent_free(agent);
        return code;
    }
    start_handles(agent);
    clean_clusters(agent);
    *ret_agent = agent;
    return ERR_OK;
}

int agent_run(Agent *agent)
{
    char fleet[UUID_TEXT_SIZE];
    uuid_format(trust_fleet_id(agent->trust), fleet);
    log_event(LOG_INFO, "agent.started", "name", agent->settings->name, "version", PGTIDE_VERSION,
              "fleet", fleet, "coordinator", agent->settings->coordinator.endpoint, "key",
              key_public(agent->key)->keyid, "open_jobs", LOG_UINT(ledger_job_count(agent->ledger)),
              NULL);
    uv_run(&agent->loop, UV_RUN_DEFAULT);
    log_event(LOG_INFO, "agent.stopped", NULL);
    return agent->exit_status;
}

static void close_handle(uv_handle_t *handle, void *context)
{
    (void)context;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void stop_handles(Agent *agent)
{
    if (agent->tick.data == NULL)
        return; /* never started */
    uv_timer_stop(&agent->tick);
    uv_timer_stop(&agent->inventory);
    for (size_t i = 0; i < AGENT_SIGNALS; i++)
        uv_signal_stop(&agent->signals[i]);
}

void agent_free(Agent *agent)
{
    if (agent == NULL)
        return;
    stop_handles(agent); /* the loop runs once more below, and what they look at is gone then */
    bus_close(agent->bus);
    fingerprints_free(agent->fingerprints);
    looks_free(agent->looks);
    stop_cleaning(agent);
    keeper_free(agent->keeper);
    jobs_free(agent->jobs);
    server_paces_free(agent->world.paces);
    orders_free(agent->orders);
    safe_shards_free(agent->safe);
    provision_free(agent->provision);
    adoptions_free(agent->adoptions);
    records_free(agent->records);
    sources_free(agent->sources);
    differences_free(agent->differences);
    tasks_free(agent->tasks);
    fetch_free(agent->fetch);
    shards_free(agent->shards);
    ledger_close(agent->ledger);
    uv_run(&agent->loop, UV_RUN_NOWAIT);
    uv_walk(&agent->loop, close_handle, NULL);
    uv_run(&agent->loop, UV_RUN_NOWAIT);
    uv_loop_close(&agent->loop);
    if (agent->zmq != NULL)
        zmq_ctx_term(agent->zmq);
    blob_store_close(agent->blobs);
    trust_free(agent->former_trust);
    trust_free(agent->trust);
    key_free(agent->key);
    arena_free(agent->arena);
    free(agent);
}
