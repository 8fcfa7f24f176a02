#include "looks_parts.h"

#include "clock.h"
#include "cluster_connect.h"
#include "gate_judge.h"
#include "named_limits.h"
#include "split.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define APPLICATION_NAME "pgtide-agent gate"

enum { CONNECT_TIMEOUT_MS = 10000 };

struct Looks {
    LooksSettings settings;
    Look *first;       /* in the order they came */
    uv_timer_t *timer; /* for rounds that are not due yet; NULL until there is one */
    Visit visits[LIMIT_LOOK_SESSIONS];
};

Looks *looks_new(const LooksSettings *settings)
{
    Looks *looks = xcalloc(1, sizeof *looks);
    looks->settings = *settings;
    for (size_t i = 0; i < LIMIT_LOOK_SESSIONS; i++)
        looks->visits[i].looks = looks;
    return looks;
}

static void visit_close(Visit *visit)
{
    shard_close(visit->session);
    arena_free(visit->arena);
    *visit = (Visit){.looks = visit->looks};
}

void looks_free(Looks *looks)
{
    if (looks == NULL)
        return;
    for (size_t i = 0; i < LIMIT_LOOK_SESSIONS; i++) {
        if (looks->visits[i].look != NULL)
            visit_close(&looks->visits[i]);
    }
    while (looks->first != NULL) {
        Look *look = looks->first;
        looks->first = look->next;
        arena_free(look->arena);
    }
    if (looks->timer != NULL)
        uv_close((uv_handle_t *)looks->timer, (uv_close_cb)free);
    free(looks);
}

/* --- what was found --------------------------------------------------------------------------- */

/* Others are about servers. */
static bool is_of_shards(const Look *look)
{
    return look->gate.kind == GATE_KIND_SQL || look->gate.kind == GATE_KIND_COMPAT;
}

static const char *target_name(const Look *look, const PlanShard *shard)
{
    if (!is_of_shards(look))
        return arena_printf(look->arena, "cluster %s", shard->cluster);
    return arena_printf(look->arena, "%s/%s%s%s", shard->cluster, shard->database,
                        shard->schema[0] == '\0' ? "" : "/", shard->schema);
}

/* The first of the worst gives the words. */
static void note(Look *look, const PlanShard *shard, GateVerdict verdict, const char *message)
{
    look->succeeded += verdict == GATE_SUCCEEDED;
    if (!gate_verdict_is_worse(verdict, look->answer.verdict))
        return;
    look->answer.verdict = verdict;
    look->answer.message = arena_printf(look->arena, "%s: %s", target_name(look, shard), message);
}

static void start_visits(Looks *looks);

void look_end(Visit *visit, GateVerdict verdict, const char *message)
{
    Look *look = visit->look;
    note(look, visit->shard, verdict, message);
    look->running--;
    if (verdict == GATE_FAILED)
        look->at = look->count; /* nothing can make it better */
    visit_close(visit);
}

void look_park(Visit *visit)
{
    visit->look->running--;
    visit_close(visit);
}

void look_error(Visit *visit, const Error *err)
{
    look_end(visit, GATE_ERROR, err->message);
}

static void on_due(uv_timer_t *timer)
{
    look_go_on(timer->data);
}

/* A look whose round is not due yet is come back to; the soonest counts. */
static void wait_for_round(Looks *looks, uint64_t wait_ms)
{
    if (looks->timer == NULL) {
        looks->timer = xcalloc(1, sizeof *looks->timer);
        uv_timer_init(looks->settings.loop, looks->timer);
        looks->timer->data = looks;
    }
    bool running = uv_is_active((uv_handle_t *)looks->timer) != 0;
    if (!running || uv_timer_get_due_in(looks->timer) > wait_ms)
        uv_timer_start(looks->timer, on_due, wait_ms, 0);
}

/* Nothing of it is under way, and nothing can be begun now. */
static bool is_over(Looks *looks, Look *look)
{
    uint64_t wait_ms = 0;
    if (look->running > 0 || (look->at < look->count && !look->dropped))
        return false;
    if (look->dropped || look->answer.verdict == GATE_FAILED || !look_compat_has_parked(look))
        return true;
    if (!look_compat_begins(look, &wait_ms))
        wait_for_round(looks, wait_ms);
    return false;
}

/* Gives the answers of those that are complete, and begins what there is room for. */
void look_go_on(Looks *looks)
{
    Look **at = &looks->first;
    while (*at != NULL) {
        Look *look = *at;
        if (!is_over(looks, look)) {
            at = &look->next;
            continue;
        }
        *at = look->next;
        if (look->answer.verdict == GATE_SUCCEEDED && look->asked > 1)
            look->answer.message =
                arena_printf(look->arena, "%zu of %zu %s, first %s", look->succeeded, look->asked,
                             is_of_shards(look) ? "shards" : "servers", look->answer.message);
        if (!look->dropped)
            looks->settings.answer(looks->settings.context, &look->answer);
        arena_free(look->arena);
    }
    start_visits(looks);
}

/* --- one session ------------------------------------------------------------------------------ */

static uint32_t time_left(const Look *look)
{
    uint64_t now_ms = clock_monotonic_ms();
    return now_ms < look->until_ms ? (uint32_t)(look->until_ms - now_ms) : 0;
}

void look_add_statement(Visit *visit, const char *text)
{
    Statement *items = ARENA_ARRAY(visit->arena, Statement, visit->statements.count + 1);
    for (size_t i = 0; i < visit->statements.count; i++)
        items[i] = visit->statements.items[i];
    statement_set_text(visit->arena, &items[visit->statements.count], text);
    visit->statements = (StatementList){items, visit->statements.count + 1};
}

/* Runs the visit's statements; the last one's answer counts. */
void look_run(Visit *visit, bool all, ShardSqlCb *cb)
{
    uint32_t left_ms = time_left(visit->look);
    Error err;
    if (left_ms == 0) {
        err_set(&err, ERR_TIMEOUT, "no answer in time");
        look_error(visit, &err);
        return;
    }
    ShardSqlArgs args = {.statements = &visit->statements,
                         .statement_timeout_ms = left_ms,
                         .deadline_ms = left_ms + 1000,
                         .read_only = true,
                         .all_rows = all};
    shard_run_sql(visit->session, &args, cb, visit);
}

static const char *cell(const ShardSqlResult *result, size_t row, size_t column)
{
    const char *value = row < result->row_count && column < result->column_count
                            ? result->values[row * result->column_count + column]
                            : NULL;
    return value == NULL ? "" : value;
}

/* --- SQL -------------------------------------------------------------------------------------- */

static void on_sql(ShardSession *session, const ShardSqlResult *result, const Error *err,
                   void *data)
{
    (void)session;
    Visit *visit = data;
    Looks *looks = visit->looks;
    const char *message;
    if (err != NULL) {
        look_error(visit, err);
    } else {
        GateVerdict verdict =
            gate_judge_sql(result->row_count, result->column_count, result->values, &message);
        look_end(visit, verdict, message);
    }
    look_go_on(looks);
}

/* It is the plan's shard, and not another one that has its name now. */
static void on_identity(ShardSession *session, const ShardSqlResult *result, const Error *err,
                        void *data)
{
    (void)session;
    Visit *visit = data;
    Looks *looks = visit->looks;
    const PlanShard *shard = visit->shard;
    if (err != NULL) {
        look_error(visit, err);
    } else if (strtoull(cell(result, 0, 0), NULL, 10) != shard->system_identifier ||
               strtoull(cell(result, 0, 1), NULL, 10) != shard->database_oid) {
        look_end(visit, GATE_ERROR, "it is not the database that the plan names any more");
    } else if (visit->look->gate.kind == GATE_KIND_COMPAT) {
        look_compat_visit(visit);
    } else {
        visit->statements = (StatementList){0};
        look_add_statement(visit, visit->look->gate.text);
        look_run(visit, false, on_sql);
    }
    look_go_on(looks);
}

static void ask_identity(Visit *visit)
{
    look_add_statement(visit, "SELECT (pg_catalog.pg_control_system()).system_identifier, d.oid"
                              " FROM pg_catalog.pg_database d WHERE d.datname"
                              " OPERATOR(pg_catalog.=) pg_catalog.current_database()");
    look_run(visit, false, on_identity);
}

/* --- lag -------------------------------------------------------------------------------------- */

/* How old the replicas' data is can't be read from the server: pg_stat_replication's replay_lag
 * keeps its last value while a replica stands still, and bytes are no time. So it is measured:
 * where the log ends now, and how long it takes until every replica has replayed that far. */

static const char lag_rows[] =
    "SELECT 'replica', r.application_name,"
    " coalesce(r.replay_lsn OPERATOR(pg_catalog.>=) '%s'::pg_catalog.pg_lsn, false),"
    " pg_catalog.pg_wal_lsn_diff('%s'::pg_catalog.pg_lsn, r.replay_lsn)"
    " FROM pg_catalog.pg_stat_replication r"
    " WHERE r.state OPERATOR(pg_catalog.<>) 'backup'"
    " AND NOT (r.replay_lsn IS NULL AND r.flush_lsn IS NOT NULL)"
    " UNION ALL SELECT 'slot', s.slot_name::pg_catalog.text, false, NULL"
    " FROM pg_catalog.pg_replication_slots s"
    " WHERE s.slot_type OPERATOR(pg_catalog.=) 'physical' AND NOT s.active";

static void poll_lag(Visit *visit, bool pause);

static GateVerdict judge_lag(const Visit *visit, const ShardSqlResult *result,
                             const char **ret_message)
{
    AUTO_ARENA Arena *arena = arena_new();
    GateReplica *replicas = ARENA_ARRAY(arena, GateReplica, result->row_count + 1);
    for (size_t i = 0; i < result->row_count; i++)
        replicas[i] = (GateReplica){.name = cell(result, i, 1),
                                    .is_slot = strcmp(cell(result, i, 0), "slot") == 0,
                                    .has_replayed = strcmp(cell(result, i, 2), "t") == 0,
                                    .behind_bytes = cell(result, i, 3)};
    return gate_judge_lag(visit->look->arena, replicas, result->row_count,
                          clock_monotonic_ms() - visit->since_ms, visit->look->gate.limit,
                          ret_message);
}

static void on_lag(ShardSession *session, const ShardSqlResult *result, const Error *err,
                   void *data)
{
    (void)session;
    Visit *visit = data;
    Looks *looks = visit->looks;
    if (err != NULL) {
        look_error(visit, err);
    } else {
        const char *message;
        GateVerdict verdict = judge_lag(visit, result, &message);
        if (verdict == GATE_UNSPECIFIED)
            poll_lag(visit, true);
        else
            look_end(visit, verdict, message);
    }
    look_go_on(looks);
}

static void poll_lag(Visit *visit, bool pause)
{
    visit->statements = (StatementList){0};
    if (pause)
        look_add_statement(visit, "SELECT pg_catalog.pg_sleep(0.1)");
    look_add_statement(visit, arena_printf(visit->arena, lag_rows, visit->lsn, visit->lsn));
    look_run(visit, true, on_lag);
}

static bool may_see(Visit *visit, const char *answer)
{
    if (strcmp(answer, "t") == 0)
        return true;
    look_end(visit, GATE_ERROR,
             arena_printf(visit->look->arena,
                          "role %s may not see other sessions: grant it pg_read_all_stats",
                          visit->cluster->user == NULL ? "of the service" : visit->cluster->user));
    return false;
}

static void on_log_end(ShardSession *session, const ShardSqlResult *result, const Error *err,
                       void *data)
{
    (void)session;
    Visit *visit = data;
    Looks *looks = visit->looks;
    if (err != NULL) {
        look_error(visit, err);
    } else if (may_see(visit, cell(result, 0, 0))) {
        const char *lsn = cell(result, 0, 1);
        bool good = lsn[0] != '\0' && lsn[strspn(lsn, "0123456789ABCDEF/")] == '\0';
        snprintf(visit->lsn, sizeof visit->lsn, "%s", good ? lsn : "0/0");
        poll_lag(visit, false);
    }
    look_go_on(looks);
}

static void ask_log_end(Visit *visit)
{
    visit->since_ms = clock_monotonic_ms();
    look_add_statement(visit, "SELECT pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE'),"
                              " pg_catalog.pg_current_wal_flush_lsn()");
    look_run(visit, true, on_log_end);
}

/* --- load ------------------------------------------------------------------------------------- */

static void on_load(ShardSession *session, const ShardSqlResult *result, const Error *err,
                    void *data)
{
    (void)session;
    Visit *visit = data;
    Looks *looks = visit->looks;
    if (err != NULL) {
        look_error(visit, err);
    } else if (may_see(visit, cell(result, 0, 0))) {
        const char *message;
        GateVerdict verdict = gate_judge_load(visit->look->arena, &visit->look->gate,
                                              strtoull(cell(result, 0, 1), NULL, 10),
                                              strtoull(cell(result, 0, 2), NULL, 10), &message);
        look_end(visit, verdict, message);
    }
    look_go_on(looks);
}

static void ask_load(Visit *visit)
{
    look_add_statement(visit, "SELECT pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE'),"
                              " pg_catalog.count(*) FILTER (WHERE a.state"
                              "  OPERATOR(pg_catalog.=) ANY ('{active,fastpath function call}')),"
                              " pg_catalog.count(*) FILTER (WHERE a.wait_event_type"
                              "  OPERATOR(pg_catalog.=) 'Lock')"
                              " FROM pg_catalog.pg_stat_activity a"
                              " WHERE a.backend_type OPERATOR(pg_catalog.=) 'client backend'"
                              " AND a.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()"
                              " AND NOT (a.usename OPERATOR(pg_catalog.=) current_user"
                              "  AND a.application_name OPERATOR(pg_catalog.~~) 'pgtide%')");
    look_run(visit, true, on_load);
}

/* --- visits ----------------------------------------------------------------------------------- */

static void on_opened(ShardSession *session, const Error *err, void *data)
{
    (void)session;
    Visit *visit = data;
    Looks *looks = visit->looks;
    if (err != NULL)
        look_error(visit, err);
    else if (is_of_shards(visit->look))
        ask_identity(visit);
    else if (visit->look->gate.kind == GATE_KIND_LAG)
        ask_log_end(visit);
    else
        ask_load(visit);
    look_go_on(looks);
}

static void visit_start(Visit *visit, Look *look)
{
    const PlanShard *shard = &look->targets[look->at];
    bool whole = !is_of_shards(look);
    visit->look = look;
    visit->shard = shard;
    visit->target = look->at++;
    visit->arena = arena_new();
    visit->cluster = agent_settings_find_cluster(visit->looks->settings.settings, shard->cluster);
    look->running++;
    uint32_t left_ms = time_left(look);
    ShardTarget target = cluster_target(visit->cluster);
    target.database = whole ? visit->cluster->maintenance_database : shard->database;
    target.schema = whole ? "" : shard->schema;
    target.connect_timeout_ms = left_ms == 0                   ? 1
                                : left_ms < CONNECT_TIMEOUT_MS ? left_ms
                                                               : CONNECT_TIMEOUT_MS;
    target.application_name = APPLICATION_NAME;
    visit->session = shard_open(visit->looks->settings.loop, &target, on_opened, visit);
}

static void start_visits(Looks *looks)
{
    Look *look = looks->first;
    for (size_t i = 0; i < LIMIT_LOOK_SESSIONS; i++) {
        while (look != NULL && (look->at == look->count || look->dropped))
            look = look->next;
        if (look == NULL)
            return;
        if (looks->visits[i].look == NULL)
            visit_start(&looks->visits[i], look);
    }
}

/* --- asked ------------------------------------------------------------------------------------ */

static bool has_cluster(const Look *look, const char *cluster)
{
    for (size_t i = 0; i < look->count; i++) {
        if (strcmp(look->targets[i].cluster, cluster) == 0)
            return true;
    }
    return false;
}

static PlanShard copy_target(Arena *arena, const PlanShard *shard)
{
    return (PlanShard){.index = shard->index,
                       .cluster = arena_strdup(arena, shard->cluster),
                       .database = arena_strdup(arena, shard->database),
                       .schema = arena_strdup(arena, shard->schema),
                       .system_identifier = shard->system_identifier,
                       .database_oid = shard->database_oid};
}

ErrCode looks_add(Looks *looks, const Looked *what, const GatePlan *gate, const RevisionMap *map,
                  const PlanShard *shards, size_t count, Error *err)
{
    Arena *arena = arena_new();
    Look *look = ARENA_NEW(arena, Look);
    look->arena = arena;
    look->answer = *what;
    look->answer.verdict = GATE_UNSPECIFIED;
    look->answer.message = "";
    look->gate = *gate;
    look->gate.name = arena_strdup(arena, gate->name);
    look->gate.text = arena_strdup(arena, gate->text);
    look->until_ms = clock_monotonic_ms() + gate->timeout_ms;
    look->targets = ARENA_ARRAY(arena, PlanShard, count);
    for (size_t i = 0; i < count; i++) {
        if (is_of_shards(look) || !has_cluster(look, shards[i].cluster))
            look->targets[look->count++] = copy_target(arena, &shards[i]);
    }
    look->asked = look->count;
    look->gate.ignore = strlist_copy(arena, &gate->ignore);
    ErrCode code =
        gate->kind == GATE_KIND_COMPAT ? look_compat_new(look, map, shards, err) : ERR_OK;
    if (code != ERR_OK) {
        arena_free(arena);
        return code;
    }
    Look **end = &looks->first;
    while (*end != NULL)
        end = &(*end)->next;
    *end = look;
    start_visits(looks);
    return ERR_OK;
}

void looks_refuse(Looks *looks, const Looked *what, const Error *err)
{
    Looked answer = *what;
    answer.verdict = GATE_ERROR;
    answer.message = err->message;
    looks->settings.answer(looks->settings.context, &answer);
}

void looks_drop(Looks *looks, const Uuid *rollout)
{
    for (Look *look = looks->first; look != NULL; look = look->next) {
        if (uuid_is_nil(rollout) || uuid_equal(&look->answer.rollout_id, rollout))
            look->dropped = true;
    }
    for (size_t i = 0; i < LIMIT_LOOK_SESSIONS; i++) {
        Visit *visit = &looks->visits[i];
        if (visit->look == NULL || !visit->look->dropped)
            continue;
        visit->look->running--;
        visit_close(visit);
    }
    look_go_on(looks);
}
