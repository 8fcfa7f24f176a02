#include "provision.h"

#include "cluster_connect.h"
#include "digest.h"
#include "graph_map.h"
#include "json.h"
#include "log.h"
#include "named_limits.h"
#include "order.h"
#include "proto_read.h"

#include <stdlib.h>
#include <string.h>

enum {
    CONNECT_TIMEOUT_MS = 10000,
    MAKE_TIMEOUT_MS = 10 * 60 * 1000, /* a template is copied */
    ASK_TIMEOUT_MS = 30000,
    RUN_LOCK_WAIT_MS = 5000,
    FIRST_GENERATION = 1,
};

/* One tenant on its way. */
typedef struct Birth {
    Provision *provision;
    Task *task;
    Arena *arena;
    const ClusterSettings *cluster;
    const char *database;
    const char *schema;
    const char *name; /* for people: database[/schema] */
    RunShards run;    /* its digests */
    OrderPlan plan;
    bool plan_open;
    bool made; /* by this request */
    PgConn *conn;
    ShardSession *session;
    uint64_t system_identifier;
    uint32_t database_oid;
    Uuid uuid;
    ClaimResult claim;
    GraphSteps steps;
    size_t step;
} Birth;

struct Provision {
    ProvisionSettings settings;
    Birth *births[LIMIT_TASKS];
    size_t count;
};

Provision *provision_new(const ProvisionSettings *settings)
{
    Provision *provision = xcalloc(1, sizeof *provision);
    provision->settings = *settings;
    return provision;
}

void provision_set_trust(Provision *provision, const Trust *trust)
{
    provision->settings.trust = trust;
}

/* --- ends ------------------------------------------------------------------------------------- */

static void close_lines(Birth *birth)
{
    pg_close(birth->conn);
    shard_close(birth->session);
    birth->conn = NULL;
    birth->session = NULL;
}

static void birth_free(Birth *birth)
{
    close_lines(birth);
    arena_free(birth->arena); /* it lives there itself */
}

void provision_free(Provision *provision)
{
    if (provision == NULL)
        return;
    for (size_t i = 0; i < provision->count; i++)
        birth_free(provision->births[i]);
    free(provision);
}

static void forget(Birth *birth)
{
    Provision *provision = birth->provision;
    size_t kept = 0;
    for (size_t i = 0; i < provision->count; i++)
        if (provision->births[i] != birth)
            provision->births[kept++] = provision->births[i];
    provision->count = kept;
    birth_free(birth);
}

static void failed(Birth *birth, const Error *err)
{
    Error said = *err;
    Task *task = birth->task;
    (void)err_wrap(&said, "tenant %s", birth->name);
    if (birth->made && said.detail[0] == '\0')
        err_detail(&said, "it was made and is not finished");
    close_lines(birth);
    task_failed(task, &said);
    forget(birth);
}

static void done(Birth *birth)
{
    AUTO_STR Str text = {0};
    JsonWriter json = json_writer(&text);
    Task *task = birth->task;
    json_object_begin(&json);
    json_field_string(&json, "cluster", birth->cluster->name);
    json_field_string(&json, "database", birth->database);
    json_field_string(&json, "schema", birth->schema);
    json_field_uuid(&json, "uuid", &birth->uuid);
    json_field_bool(&json, "made", birth->made);
    json_field_uint(&json, "steps", birth->steps.count);
    json_field_strings(&json, "rows", &birth->steps.rows_after);
    json_object_end(&json);
    log_event(LOG_INFO, "tenant.provisioned", "cluster", birth->cluster->name, "database",
              birth->database, "schema", birth->schema[0] == '\0' ? NULL : birth->schema,
              "operator", task->who, NULL);
    shards_refresh(birth->provision->settings.shards);
    task_done(task, str_text(&text));
    forget(birth);
}

/* --- steps ------------------------------------------------------------------------------------ */

static void start_step(Birth *birth);

static void on_step(ShardSession *session, const StepResult *result, const Error *err, void *data)
{
    (void)session;
    (void)result;
    Birth *birth = data;
    if (err != NULL) {
        failed(birth, err);
        return;
    }
    birth->step++;
    start_step(birth);
}

/* A revision has one place in its bundle, whatever was run before: the same step has the same
 * operation when a request is taken up. */
static OperationId step_operation(const Birth *birth, const GraphStep *step)
{
    long place = graph_index(birth->plan.bundle.map, step->revision);
    return operation_id(&birth->plan.digest, &birth->uuid, FIRST_GENERATION, (uint32_t)place,
                        step->direction);
}

static void start_step(Birth *birth)
{
    if (birth->step == birth->steps.count) {
        done(birth);
        return;
    }
    const GraphStep *step = &birth->steps.items[birth->step];
    const Policy *policy = &birth->plan.header.policy;
    StepArgs args = {
        .operation = step_operation(birth, step),
        .generation = FIRST_GENERATION,
        .attempt = 1,
        .revision = step->revision,
        .direction = step->direction,
        .script = step->script,
        .rows_before = step->rows_before,
        .rows_after = step->rows_after,
        .fence = birth->claim.fence,
        .epoch = birth->claim.epoch,
        .fleet_id = birth->claim.fleet_id,
        .who = birth->task->who,
        .lock_timeout_ms = policy->lock_timeout_ms,
        .lock_budget_ms = policy->lock_budget_ms,
        .statement_timeout_ms = policy->statement_timeout_ms,
        .run_verify = true,
        .message = "a new tenant",
    };
    shard_step(birth->session, &args, on_step, birth);
}

/* --- the claim -------------------------------------------------------------------------------- */

static void on_claimed(ShardSession *session, const ClaimResult *result, const Error *err,
                       void *data)
{
    (void)session;
    Birth *birth = data;
    Error wrong;
    if (err == NULL) {
        birth->claim = *result;
        birth->claim.rows = strlist_copy(birth->arena, &result->rows);
        birth->uuid = result->shard_uuid;
        if (graph_upgrade(birth->arena, birth->plan.bundle.map, &birth->claim.rows,
                          birth->plan.header.target, &birth->steps, &wrong) == ERR_OK) {
            start_step(birth);
            return;
        }
        err = &wrong;
    }
    failed(birth, err);
}

static void on_opened(ShardSession *session, const Error *err, void *data)
{
    Birth *birth = data;
    const Provision *provision = birth->provision;
    if (err != NULL) {
        failed(birth, err);
        return;
    }
    ClaimArgs args = {
        .epoch = ledger_epoch(provision->settings.ledger),
        .who = provision->settings.settings->name,
        .adopt = true,
        .accept_identity = birth->made, /* what a template knew of itself is not this tenant's */
        .lock_timeout_ms = birth->plan.header.policy.lock_timeout_ms,
        .run_lock_wait_ms = RUN_LOCK_WAIT_MS,
        .id_width = LIMIT_REVISION_ID_BYTES,
    };
    shard_claim(session, &args, on_claimed, birth);
}

static void open_session(Birth *birth)
{
    const Provision *provision = birth->provision;
    birth->uuid = shard_uuid(trust_fleet_id(provision->settings.trust), birth->system_identifier,
                             birth->database_oid, birth->schema);
    ShardTarget target = cluster_target(birth->cluster);
    target.database = birth->database;
    target.schema = birth->schema;
    target.system_identifier = birth->system_identifier;
    target.database_oid = birth->database_oid;
    target.fleet_id = *trust_fleet_id(provision->settings.trust);
    target.shard_uuid = birth->uuid;
    target.connect_timeout_ms = CONNECT_TIMEOUT_MS;
    target.application_name = "pgtide-agent new tenant";
    birth->session = shard_open(provision->settings.loop, &target, on_opened, birth);
}

/* --- making it -------------------------------------------------------------------------------- */

/* `database`: which one. The callback is the connection's. */
static void connect_to(Birth *birth, const char *database, PgConnectCb *cb)
{
    pg_close(birth->conn);
    birth->conn = cluster_connect(birth->provision->settings.loop, birth->cluster, database, NULL,
                                  CONNECT_TIMEOUT_MS, cb, birth);
}

static void ask(Birth *birth, const char *sql, const char *param, PgBatchCb *cb)
{
    PgBatch batch = pg_batch(birth->arena);
    pg_batch_add_params(&batch, sql, 1, &param);
    pg_send(birth->conn, &batch, ASK_TIMEOUT_MS, cb, birth);
}

static void on_looked(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    Birth *birth = data;
    Error err;
    if (reply->error != NULL) {
        failed(birth, reply->error);
        return;
    }
    const PgResult *result = &reply->results[0];
    bool empty = pg_bool(result, 0, 3), kept = pg_bool(result, 0, 4);
    birth->database_oid = (uint32_t)pg_u64(result, 0, 0);
    birth->system_identifier = pg_u64(result, 0, 1);
    if (pg_bool(result, 0, 2)) {
        err_set(&err, ERR_STATE, "the server is a standby");
        failed(birth, &err);
    } else if (!birth->made && !empty && !kept) {
        err_set(&err, ERR_EXISTS, "it is there, with something in it that pgtide does not know");
        err_hint(&err, "Drop it if it is a leftover; one that is in use joins the fleet by a "
                       "rollout of its own.");
        failed(birth, &err);
    } else {
        pg_close(birth->conn);
        birth->conn = NULL;
        open_session(birth);
    }
}

/* Where it is, and whether anything is in it. */
static void look(Birth *birth)
{
    static const char sql[] =
        "SELECT d.oid, c.system_identifier, pg_catalog.pg_is_in_recovery(),"
        " NOT EXISTS (SELECT FROM pg_catalog.pg_class r JOIN pg_catalog.pg_namespace n"
        " ON n.oid = r.relnamespace WHERE CASE WHEN $1 <> '' THEN n.nspname = $1"
        " ELSE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' END),"
        " pg_catalog.to_regclass('pgtide.shard') IS NOT NULL"
        " FROM pg_catalog.pg_database d, pg_catalog.pg_control_system() c"
        " WHERE d.datname = pg_catalog.current_database()";
    ask(birth, sql, birth->schema, on_looked);
}

static void on_database_opened(PgConn *conn, const Error *err, void *data);

static void on_made(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    Birth *birth = data;
    if (reply->error != NULL) {
        Error err = *reply->error;
        if (strcmp(err.sqlstate, "42501") == 0)
            err_hint(&err, "Give the agent's role the right: ALTER ROLE ... CREATEDB, or GRANT "
                           "CREATE ON DATABASE for schemas.");
        failed(birth, &err);
        return;
    }
    birth->made = true;
    if (birth->schema[0] == '\0')
        connect_to(birth, birth->database, on_database_opened);
    else
        look(birth);
}

static void make(Birth *birth)
{
    AUTO_STR Str sql = {0};
    const char *name = birth->schema[0] == '\0' ? birth->database : birth->schema;
    const char *template = birth->cluster->provision_template;
    const char *quoted = pg_identifier(birth->conn, birth->arena, name);
    const char *quoted_template =
        template == NULL ? "" : pg_identifier(birth->conn, birth->arena, template);
    if (quoted == NULL || quoted_template == NULL) {
        Error err;
        err_set(&err, ERR_CONNECT, "the connection was lost before anything was made");
        failed(birth, &err);
        return;
    }
    str_printf(&sql, "CREATE %s %s", birth->schema[0] == '\0' ? "DATABASE" : "SCHEMA", quoted);
    if (birth->schema[0] == '\0' && template != NULL)
        str_printf(&sql, " TEMPLATE %s", quoted_template);
    pg_send_simple(birth->conn, str_text(&sql), MAKE_TIMEOUT_MS, on_made, birth);
}

static void on_found(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    Birth *birth = data;
    if (reply->error != NULL)
        failed(birth, reply->error);
    else if (!pg_bool(&reply->results[0], 0, 0))
        make(birth);
    else if (birth->schema[0] == '\0')
        connect_to(birth, birth->database, on_database_opened);
    else
        look(birth);
}

static void on_database_opened(PgConn *conn, const Error *err, void *data)
{
    (void)conn;
    Birth *birth = data;
    if (err != NULL)
        failed(birth, err);
    else if (birth->schema[0] == '\0')
        look(birth);
    else
        ask(birth, "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1)",
            birth->schema, on_found);
}

static void on_maintenance_opened(PgConn *conn, const Error *err, void *data)
{
    (void)conn;
    Birth *birth = data;
    if (err != NULL)
        failed(birth, err);
    else
        ask(birth, "SELECT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = $1)",
            birth->database, on_found);
}

/* --- the plan --------------------------------------------------------------------------------- */

static ErrCode read_blob(const Birth *birth, const Digest *digest, ByteSpan *ret_bytes, Error *err)
{
    uint8_t *bytes;
    ErrCode code = blob_read(birth->provision->settings.blobs, birth->arena, digest, &bytes,
                             &ret_bytes->length, err);
    if (code == ERR_OK)
        ret_bytes->bytes = bytes;
    return code;
}

static ErrCode open_plan(Birth *birth, Error *err)
{
    const ProvisionSettings *settings = &birth->provision->settings;
    ByteSpan dossier, bundle;
    ErrCode code = read_blob(birth, &birth->run.dossier_digest, &dossier, err);
    if (code == ERR_OK)
        code = read_blob(birth, &birth->run.bundle_blob_digest, &bundle, err);
    /* Of the first moment: an approval that has expired since was one when it was rolled out. */
    if (code == ERR_OK)
        code = order_plan_open(birth->arena, settings->trust, &birth->run, dossier, bundle, 1,
                               &birth->plan, err);
    if (code != ERR_OK)
        return code;
    if (birth->plan.approval_count < (size_t)settings->settings->approvals_min)
        return err_set(err, ERR_APPROVAL, "this agent wants %lld approvals, the plan has %zu",
                       (long long)settings->settings->approvals_min, birth->plan.approval_count);
    if (birth->plan.header.direction != DIRECTION_UPGRADE)
        return err_set(err, ERR_REFUSED, "the plan leads down: no tenant begins there");
    return ERR_OK;
}

/* Once everything that was signed is here. */
static void go_on(Birth *birth)
{
    const ProvisionSettings *settings = &birth->provision->settings;
    const Digest *needed[] = {&birth->run.dossier_digest, &birth->run.bundle_blob_digest};
    bool ready = true;
    Error err;
    for (size_t i = 0; i < 2; i++) {
        if (blob_has(settings->blobs, needed[i]))
            continue;
        fetch_want(settings->fetch, needed[i]);
        ready = false;
    }
    if (!ready)
        return;
    birth->plan_open = true;
    if (open_plan(birth, &err) != ERR_OK)
        failed(birth, &err);
    else if (birth->schema[0] == '\0')
        connect_to(birth, birth->cluster->maintenance_database, on_maintenance_opened);
    else
        connect_to(birth, birth->database, on_database_opened);
}

void provision_blob(Provision *provision, const Digest *digest, const Error *err)
{
    for (size_t i = provision->count; i-- > 0;) {
        Birth *birth = provision->births[i];
        bool concerned = digest_equal(&birth->run.dossier_digest, digest) ||
                         digest_equal(&birth->run.bundle_blob_digest, digest);
        if (birth->plan_open || !concerned)
            continue;
        if (err != NULL)
            failed(birth, err);
        else
            go_on(birth);
    }
}

/* --- requests --------------------------------------------------------------------------------- */

static bool is_same_tenant(const Birth *a, const Birth *b)
{
    return a->cluster == b->cluster && strcmp(a->database, b->database) == 0 &&
           strcmp(a->schema, b->schema) == 0;
}

static ErrCode read_place(Birth *birth, Error *err)
{
    const Provision *provision = birth->provision;
    const Pgtide__V1__Provision *in = birth->task->request->provision;
    const char *cluster;
    ErrCode code = proto_name(in->cluster, "cluster", &cluster, err);
    if (code == ERR_OK)
        code = proto_identifier(in->database, "database", false, &birth->database, err);
    if (code == ERR_OK)
        code = proto_identifier(in->schema, "schema", true, &birth->schema, err);
    if (code != ERR_OK)
        return code;
    birth->cluster = agent_settings_find_cluster(provision->settings.settings, cluster);
    if (birth->cluster == NULL)
        return err_set(err, ERR_REFUSED, "this agent has no cluster '%s'", cluster);
    if (birth->cluster->pooled)
        return err_set(err, ERR_POOLED_CONNECTION, "cluster '%s' is reached through a pooler",
                       cluster);
    for (size_t i = 0; i < provision->count; i++)
        if (is_same_tenant(provision->births[i], birth))
            return err_set(err, ERR_BUSY, "this tenant is being made already");
    return ERR_OK;
}

static ErrCode read_plan(Birth *birth, Error *err)
{
    const Pgtide__V1__Provision *in = birth->task->request->provision;
    const PlanRef *plan = birth->task->plan;
    if (plan == NULL)
        return err_set(err, ERR_PROTOCOL, "the coordinator has not said where the plan is");
    birth->run = (RunShards){
        .rollout_id = plan->rollout_id,
        .dossier_digest = plan->dossier_digest,
        .bundle_digest = plan->bundle_digest,
        .bundle_blob_digest = plan->bundle_blob_digest,
    };
    return proto_digest(&in->plan_digest, "plan digest", &birth->run.plan_digest, err);
}

void provision_handle(void *context, Task *task)
{
    Provision *provision = context;
    Error err;
    Arena *arena = arena_new();
    Birth *birth = ARENA_NEW(arena, Birth);
    *birth = (Birth){.provision = provision, .task = task, .arena = arena};
    ErrCode code = read_place(birth, &err);
    if (code == ERR_OK)
        code = read_plan(birth, &err);
    if (code != ERR_OK) {
        arena_free(arena);
        task_failed(task, &err);
        return;
    }
    birth->name = birth->schema[0] == '\0'
                      ? birth->database
                      : arena_printf(arena, "%s/%s", birth->database, birth->schema);
    provision->births[provision->count++] = birth;
    go_on(birth);
}
