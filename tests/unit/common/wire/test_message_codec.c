#include "message_codec.h"
#include "named_limits.h"
#include "wire_test.h"

#include "command.pb-c.h"
#include "report.pb-c.h"

static Command make_command(CommandKind kind)
{
    return (Command){.fleet_id = {{1}},
                     .agent = "host-a",
                     .agent_boot = {{2}},
                     .epoch = 3,
                     .sequence = UINT64_C(1) << 40,
                     .not_after_uptime_ms = 5000,
                     .sent_unix_ms = 6000,
                     .kind = kind};
}

static Report make_report(ReportKind kind)
{
    return (Report){.fleet_id = {{1}},
                    .agent = "host-a",
                    .agent_boot = {{2}},
                    .sequence = 4,
                    .uptime_ms = 5,
                    .epoch = 6,
                    .sent_unix_ms = 7,
                    .kind = kind};
}

static ErrCode command_round_trip(Arena *arena, const Command *command, Command *out)
{
    uint8_t *bytes;
    size_t length;
    assert_ok(command_encode(arena, command, &bytes, &length, err));
    return command_decode(arena, bytes, length, out, NULL);
}

static ErrCode report_round_trip(Arena *arena, const Report *report, Report *out)
{
    uint8_t *bytes;
    size_t length;
    assert_ok(report_encode(arena, report, &bytes, &length, err));
    return report_decode(arena, bytes, length, out, NULL);
}

static RunShards make_run(Arena *arena, size_t orders)
{
    RunShards run = {.rollout_id = {{1}},
                     .plan_digest = {{2}},
                     .dossier_digest = {{3}},
                     .bundle_digest = {{4}},
                     .bundle_blob_digest = {{5}},
                     .order_count = orders};
    run.orders = ARENA_ARRAY(arena, ShardOrder, orders);
    for (size_t i = 0; i < orders; i++) {
        run.orders[i].plan_shard = (ByteSpan){(const uint8_t *)"shard", 5};
        run.orders[i].audit_path = ARENA_ARRAY(arena, Digest, LIMIT_MERKLE_DEPTH + 1);
        run.orders[i].audit_path[1].bytes[31] = 9;
        run.orders[i].audit_path_count = 2;
        run.orders[i].generation = 1;
        run.orders[i].direction = DIRECTION_DOWNGRADE;
        run.orders[i].attempt = 3;
    }
    return run;
}

static void run_command_comes_back(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Command in = make_command(COMMAND_RUN);
    Command out;
    in.run = make_run(arena, 2);
    assert_int_equal(command_round_trip(arena, &in, &out), ERR_OK);
    assert_true(uuid_equal(&in.fleet_id, &out.fleet_id));
    assert_string_equal(out.agent, "host-a");
    assert_true(uuid_equal(&in.agent_boot, &out.agent_boot));
    assert_int_equal(out.epoch, 3);
    assert_true(out.sequence == UINT64_C(1) << 40);
    assert_int_equal(out.not_after_uptime_ms, 5000);
    assert_int_equal(out.sent_unix_ms, 6000);
    assert_int_equal(out.kind, COMMAND_RUN);
    assert_true(uuid_equal(&in.run.rollout_id, &out.run.rollout_id));
    assert_true(digest_equal(&in.run.plan_digest, &out.run.plan_digest));
    assert_true(digest_equal(&in.run.dossier_digest, &out.run.dossier_digest));
    assert_true(digest_equal(&in.run.bundle_digest, &out.run.bundle_digest));
    assert_true(digest_equal(&in.run.bundle_blob_digest, &out.run.bundle_blob_digest));
    assert_int_equal(out.run.order_count, 2);
    const ShardOrder *order = &out.run.orders[1];
    assert_int_equal(order->plan_shard.length, 5);
    assert_memory_equal(order->plan_shard.bytes, "shard", 5);
    assert_int_equal(order->audit_path_count, 2);
    assert_true(digest_equal(&order->audit_path[1], &in.run.orders[1].audit_path[1]));
    assert_int_equal(order->generation, 1);
    assert_int_equal(order->direction, DIRECTION_DOWNGRADE);
    assert_int_equal(order->attempt, 3);
}

static void look_command_comes_back(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Command in = make_command(COMMAND_LOOK);
    Command out;
    in.look = (LookAtGate){make_run(arena, 2), 3, UINT64_C(1) << 40, 7};
    assert_int_equal(command_round_trip(arena, &in, &out), ERR_OK);
    assert_int_equal(out.kind, COMMAND_LOOK);
    assert_true(digest_equal(&in.look.run.plan_digest, &out.look.run.plan_digest));
    assert_true(digest_equal(&in.look.run.dossier_digest, &out.look.run.dossier_digest));
    assert_int_equal(out.look.gate, 3);
    assert_true(out.look.token == UINT64_C(1) << 40);
    assert_int_equal(out.look.page, 7);
    assert_int_equal(out.look.run.order_count, 2);
    assert_int_equal(out.look.run.orders[1].plan_shard.length, 5);
    assert_int_equal(out.look.run.orders[1].audit_path_count, 2);
    in.look.gate = LIMIT_PLAN_GATES;
    assert_int_not_equal(command_round_trip(arena, &in, &out), ERR_OK);
    in.look.gate = 0;
    in.look.run.order_count = 0;
    assert_int_not_equal(command_round_trip(arena, &in, &out), ERR_OK);
}

static void looked_report_comes_back(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Report in = make_report(REPORT_LOOKED);
    Report out;
    in.looked = (Looked){{{9}}, 1, 77, 2, GATE_INCONCLUSIVE, "one/t1: the query is NULL"};
    assert_int_equal(report_round_trip(arena, &in, &out), ERR_OK);
    assert_int_equal(out.kind, REPORT_LOOKED);
    assert_true(uuid_equal(&in.looked.rollout_id, &out.looked.rollout_id));
    assert_int_equal(out.looked.gate, 1);
    assert_true(out.looked.token == 77);
    assert_int_equal(out.looked.page, 2);
    assert_int_equal(out.looked.verdict, GATE_INCONCLUSIVE);
    assert_string_equal(out.looked.message, "one/t1: the query is NULL");
    in.looked.verdict = GATE_UNSPECIFIED;
    assert_int_not_equal(report_round_trip(arena, &in, &out), ERR_OK);
    in.looked.verdict = GATE_VERDICT_COUNT;
    assert_int_not_equal(report_round_trip(arena, &in, &out), ERR_OK);
}

static void other_commands_come_back(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Command out;
    Command in = make_command(COMMAND_HEARTBEAT);
    assert_int_equal(command_round_trip(arena, &in, &out), ERR_OK);
    assert_int_equal(out.kind, COMMAND_HEARTBEAT);
    in.kind = COMMAND_REFRESH;
    assert_int_equal(command_round_trip(arena, &in, &out), ERR_OK);
    assert_int_equal(out.kind, COMMAND_REFRESH);
    in.kind = COMMAND_STOP;
    in.stop = (StopRollout){{{0}}, "budget exceeded"};
    assert_int_equal(command_round_trip(arena, &in, &out), ERR_OK);
    assert_true(uuid_is_nil(&out.stop.rollout_id));
    assert_string_equal(out.stop.reason, "budget exceeded");
    in.kind = COMMAND_WELCOME;
    in.agent_boot = (Uuid){{0}};
    in.welcome = (Welcome){{{7}}, 1000, 5000};
    assert_int_equal(command_round_trip(arena, &in, &out), ERR_OK);
    assert_true(uuid_is_nil(&out.agent_boot));
    assert_true(uuid_equal(&out.welcome.agent_boot, &in.welcome.agent_boot));
    assert_int_equal(out.welcome.heartbeat_ms, 1000);
    assert_int_equal(out.welcome.silence_deadline_ms, 5000);
    in = make_command(COMMAND_CHUNK);
    in.chunk = (BlobChunk){{{8}}, 10, 13, {(const uint8_t *)"a\0c", 3}};
    assert_int_equal(command_round_trip(arena, &in, &out), ERR_OK);
    assert_int_equal(out.chunk.offset, 10);
    assert_int_equal(out.chunk.total, 13);
    assert_memory_equal(out.chunk.bytes.bytes, "a\0c", 3);
    in.chunk = (BlobChunk){{{8}}, 0, 0, {NULL, 0}}; /* no such blob */
    assert_int_equal(command_round_trip(arena, &in, &out), ERR_OK);
}

#define REFUSED_COMMAND(expected, kind, change)                                                    \
    do {                                                                                           \
        Command command = make_command(kind);                                                      \
        Command out;                                                                               \
        change;                                                                                    \
        ErrCode got = command_round_trip(arena, &command, &out);                                   \
        if (got != (expected)) {                                                                   \
            fail_msg("%s: %s", #change, err_code_name(got));                                       \
        }                                                                                          \
    } while (0)

static void wrong_commands_are_refused(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    static const uint8_t large[LIMIT_CHUNK_BYTES + 1];
    RunShards run = make_run(arena, 1);
    REFUSED_COMMAND(ERR_PROTOCOL, COMMAND_HEARTBEAT, command.fleet_id = (Uuid){{0}});
    REFUSED_COMMAND(ERR_PROTOCOL, COMMAND_HEARTBEAT, command.agent = "../x");
    REFUSED_COMMAND(ERR_PROTOCOL, COMMAND_HEARTBEAT, command.agent_boot = (Uuid){{0}});
    REFUSED_COMMAND(ERR_PROTOCOL, COMMAND_HEARTBEAT, command.epoch = 0);
    REFUSED_COMMAND(ERR_PROTOCOL, COMMAND_HEARTBEAT, command.sequence = 0);
    REFUSED_COMMAND(ERR_PROTOCOL, COMMAND_STOP, command.stop.reason = "\xc0\x80");
    REFUSED_COMMAND(ERR_PROTOCOL, COMMAND_WELCOME, (void)0);
    REFUSED_COMMAND(ERR_PROTOCOL, COMMAND_WELCOME,
                    (command.welcome = (Welcome){{{7}}, 1000, 1000}));
    REFUSED_COMMAND(ERR_PROTOCOL, COMMAND_RUN, (command.run = run, command.run.order_count = 0));
    REFUSED_COMMAND(ERR_PROTOCOL, COMMAND_RUN,
                    (command.run = run, command.run.rollout_id = (Uuid){{0}}));
    REFUSED_COMMAND(ERR_LIMIT, COMMAND_RUN,
                    command.run = make_run(arena, LIMIT_SHARD_ORDERS_PER_COMMAND + 1));
    REFUSED_COMMAND(ERR_OK, COMMAND_RUN,
                    command.run = make_run(arena, LIMIT_SHARD_ORDERS_PER_COMMAND));
    ShardOrder *order = run.orders;
    REFUSED_COMMAND(ERR_PROTOCOL, COMMAND_RUN, (order->generation = 0, command.run = run));
    order->generation = 1;
    REFUSED_COMMAND(ERR_PROTOCOL, COMMAND_RUN, (order->attempt = 0, command.run = run));
    order->attempt = 1;
    REFUSED_COMMAND(ERR_PROTOCOL, COMMAND_RUN,
                    (order->direction = DIRECTION_UNSPECIFIED, command.run = run));
    order->direction = DIRECTION_UPGRADE;
    REFUSED_COMMAND(ERR_LIMIT, COMMAND_RUN,
                    (order->audit_path_count = LIMIT_MERKLE_DEPTH + 1, command.run = run));
    order->audit_path_count = 0;
    REFUSED_COMMAND(ERR_OK, COMMAND_RUN, command.run = run);
    REFUSED_COMMAND(ERR_LIMIT, COMMAND_CHUNK,
                    (command.chunk = (BlobChunk){{{1}}, 0, sizeof large, {large, sizeof large}}));
    REFUSED_COMMAND(ERR_PROTOCOL, COMMAND_CHUNK,
                    (command.chunk = (BlobChunk){{{1}}, 5, 6, {large, 2}}));
    REFUSED_COMMAND(ERR_PROTOCOL, COMMAND_CHUNK,
                    (command.chunk = (BlobChunk){{{1}}, UINT64_MAX, 6, {large, 2}}));
}

static void a_command_has_one_body(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Command in = make_command(COMMAND_HEARTBEAT);
    Command out;
    uint8_t *bytes;
    size_t length;
    assert_ok(command_encode(arena, &in, &bytes, &length, err));
    uint8_t *more = arena_alloc(arena, length + 4);
    memcpy(more, bytes, length);
    more[length] = 15 << 3 | 2; /* refresh, empty: a second body */
    assert_code(ERR_PROTOCOL, command_decode(arena, more, length + 2, &out, err));
    /* A field of the future is passed over; a body of the future is not. */
    more[length] = 9 << 3;
    assert_ok(command_decode(arena, more, length + 2, &out, err));
    length -= 2; /* without the heartbeat */
    assert_int_equal(bytes[length], 11 << 3 | 2);
    memcpy(more, bytes, length);
    assert_code(ERR_PROTOCOL, command_decode(arena, more, length, &out, err));
    more[length] = 0x92; /* field 50 */
    more[length + 1] = 0x03;
    more[length + 2] = 0;
    assert_code(ERR_PROTOCOL, command_decode(arena, more, length + 3, &out, err));
    assert_code(ERR_INTERNAL, ({
                    Command none = make_command(COMMAND_UNSPECIFIED);
                    command_encode(arena, &none, &bytes, &length, err);
                }));
}

static JobReport make_job(Arena *arena)
{
    JobReport job = {.rollout_id = {{1}},
                     .shard = {{2}},
                     .index = 3,
                     .generation = 1,
                     .direction = DIRECTION_UPGRADE,
                     .attempt = 2,
                     .phase = PHASE_DONE,
                     .outcome = OUTCOME_FAILED,
                     .steps_done = 4,
                     .steps_total = 5,
                     .revision = "005_x",
                     .code = "SQL",
                     .sqlstate = "42P01",
                     .message = "relation \"x\" does not exist",
                     .hint = "Look.",
                     .has_backup = true,
                     .backup = {"a/b.dump", {{6}}, 7, 8, BACKUP_METHOD_DUMP, true, true, 9},
                     .duration_ms = 9,
                     .line = 10};
    job.activity = (Activity){.kind = ACTIVITY_LOCK_WAIT,
                              .what = "ALTER TABLE users",
                              .unit = 2,
                              .unit_count = 3,
                              .done = 4,
                              .total = 5,
                              .percent = 80,
                              .rate_per_s = 6,
                              .eta_ms = 7,
                              .held_back = "replica lag 3.1 s",
                              .waiting_behind = 8,
                              .has_blocker = true,
                              .blocker = {4711, "app", "psql", "idle in transaction", 12000}};
    const StatementFacts facts[] = {
        {"004_w", 7, "CREATE INDEX i", 1, 12000, 400, 1200000, 0, false},
        {"005_x", 9, "SELECT x", 3, 5, 0, 6, 7, true},
    };
    for (size_t i = 0; i < sizeof facts / sizeof facts[0]; i++)
        facts_add(arena, &job.facts, &facts[i]);
    strlist_add(arena, &job.rows, "b-alembic");
    strlist_add(arena, &job.rows, "a");
    return job;
}

static void assert_activity(const Activity *activity, const Activity *expected)
{
    assert_int_equal(activity->kind, expected->kind);
    assert_string_equal(activity->what, expected->what);
    assert_int_equal(activity->unit, expected->unit);
    assert_int_equal(activity->unit_count, expected->unit_count);
    assert_int_equal(activity->done, expected->done);
    assert_int_equal(activity->total, expected->total);
    assert_int_equal(activity->percent, expected->percent);
    assert_int_equal(activity->rate_per_s, expected->rate_per_s);
    assert_int_equal(activity->eta_ms, expected->eta_ms);
    assert_string_equal(activity->held_back, expected->held_back);
    assert_int_equal(activity->waiting_behind, expected->waiting_behind);
    assert_true(activity->has_blocker);
    assert_int_equal(activity->blocker.pid, expected->blocker.pid);
    assert_string_equal(activity->blocker.user, expected->blocker.user);
    assert_string_equal(activity->blocker.application, expected->blocker.application);
    assert_string_equal(activity->blocker.query_class, expected->blocker.query_class);
    assert_int_equal(activity->blocker.since_ms, expected->blocker.since_ms);
}

static void assert_facts(const FactList *list, const FactList *expected)
{
    assert_int_equal(list->count, expected->count);
    for (size_t i = 0; i < list->count; i++) {
        const StatementFacts *item = &list->items[i], *wanted = &expected->items[i];
        assert_string_equal(item->revision, wanted->revision);
        assert_int_equal(item->line, wanted->line);
        assert_string_equal(item->what, wanted->what);
        assert_int_equal(item->statements, wanted->statements);
        assert_int_equal(item->duration_ms, wanted->duration_ms);
        assert_int_equal(item->lock_wait_ms, wanted->lock_wait_ms);
        assert_int_equal(item->wal_bytes, wanted->wal_bytes);
        assert_int_equal(item->rows, wanted->rows);
        assert_int_equal(item->failed, wanted->failed);
    }
}

static void job_report_comes_back(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Report in = make_report(REPORT_JOBS);
    Report out;
    JobReport jobs[] = {make_job(arena), make_job(arena)};
    jobs[1].has_backup = false;
    jobs[1].phase = PHASE_STEP;
    jobs[1].outcome = OUTCOME_UNSPECIFIED;
    jobs[1].revision = "";
    jobs[1].activity = (Activity){0};
    in.jobs = (JobReports){jobs, 2};
    assert_int_equal(report_round_trip(arena, &in, &out), ERR_OK);
    assert_int_equal(out.kind, REPORT_JOBS);
    assert_int_equal(out.sequence, 4);
    assert_int_equal(out.uptime_ms, 5);
    assert_int_equal(out.epoch, 6);
    assert_int_equal(out.sent_unix_ms, 7);
    assert_int_equal(out.jobs.count, 2);
    const JobReport *job = &out.jobs.items[0];
    assert_true(uuid_equal(&job->rollout_id, &jobs[0].rollout_id));
    assert_true(uuid_equal(&job->shard, &jobs[0].shard));
    assert_int_equal(job->index, 3);
    assert_int_equal(job->generation, 1);
    assert_int_equal(job->direction, DIRECTION_UPGRADE);
    assert_int_equal(job->attempt, 2);
    assert_int_equal(job->phase, PHASE_DONE);
    assert_int_equal(job->outcome, OUTCOME_FAILED);
    assert_int_equal(job->steps_done, 4);
    assert_int_equal(job->steps_total, 5);
    assert_string_equal(job->revision, "005_x");
    assert_int_equal(job->rows.count, 2);
    assert_string_equal(job->rows.items[0], "a"); /* sorted, whatever was sent */
    assert_string_equal(job->rows.items[1], "b-alembic");
    assert_string_equal(job->code, "SQL");
    assert_string_equal(job->sqlstate, "42P01");
    assert_string_equal(job->message, jobs[0].message);
    assert_string_equal(job->hint, "Look.");
    assert_activity(&job->activity, &jobs[0].activity);
    assert_facts(&job->facts, &jobs[0].facts);
    assert_int_equal(out.jobs.items[1].activity.kind, ACTIVITY_UNSPECIFIED);
    assert_string_equal(out.jobs.items[1].activity.what, "");
    assert_true(job->has_backup);
    assert_string_equal(job->backup.path, "a/b.dump");
    assert_true(digest_equal(&job->backup.sha256, &jobs[0].backup.sha256));
    assert_int_equal(job->backup.size_bytes, 7);
    assert_int_equal(job->backup.duration_ms, 8);
    assert_int_equal(job->backup.method, BACKUP_METHOD_DUMP);
    assert_true(job->backup.encrypted && job->backup.verified);
    assert_int_equal(job->backup.restore_test_ms, 9);
    assert_int_equal(job->duration_ms, 9);
    assert_int_equal(job->line, 10);
    assert_false(out.jobs.items[1].has_backup);
    assert_string_equal(out.jobs.items[1].backup.path, "");
}

static void check_cluster_info(const ClusterInfo *c)
{
    assert_string_equal(c->name, "main");
    assert_true(c->system_identifier == UINT64_MAX);
    assert_int_equal(c->server_version, 150005);
    assert_int_equal(c->pg_dump_version, 150006);
    assert_int_equal(c->pg_restore_version, 150007);
    assert_int_equal(c->backup_command_count, 1);
    assert_string_equal(c->backup_commands[0].name, "barman");
    assert_true(c->backup_commands[0].can_verify && c->backup_commands[0].can_prune);
    assert_false(c->backup_commands[0].can_restore);
    assert_true(c->can_encrypt);
    assert_true(c->reachable);
    assert_string_equal(c->message, "fine");
    assert_string_equal(c->labels.items[0].value, "pro");
    assert_true(c->standby && c->pooled);
    assert_int_equal(c->timeline, 7);
}

static void check_shard_info(const ShardInfo *s, const ShardInfo *in)
{
    assert_true(uuid_equal(&s->uuid, &in->uuid));
    assert_string_equal(s->database, "tenant");
    assert_string_equal(s->schema, "s");
    assert_int_equal(s->system_identifier, 5);
    assert_int_equal(s->database_oid, 6);
    assert_int_equal(s->size_bytes, 7);
    assert_string_equal(s->rows.items[0], "001");
    assert_true(s->adopted && s->reachable && s->identity_mismatch);
    assert_true(uuid_equal(&s->fleet_id, &in->fleet_id));
    assert_string_equal(s->message, "m");
    assert_int_equal(s->labels.count, 1);
    assert_int_equal(s->schema_oid, 11);
    assert_int_equal(s->row_system_identifier, 12);
    assert_int_equal(s->row_database_oid, 13);
    assert_int_equal(s->row_schema_oid, 14);
    assert_true(s->origin_present);
    assert_int_equal(s->read_unix_ms, 15);
}

static void inventory_comes_back(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Report in = make_report(REPORT_INVENTORY);
    Report out;
    Label labels[] = {{"tier", "pro"}};
    BackupCommandInfo commands[] = {{"barman", true, false, true}};
    ClusterInfo cluster = {.name = "main",
                           .system_identifier = UINT64_MAX,
                           .server_version = 150005,
                           .pg_dump_version = 150006,
                           .reachable = true,
                           .message = "fine",
                           .labels = {labels, 1},
                           .pg_restore_version = 150007,
                           .backup_commands = commands,
                           .backup_command_count = 1,
                           .can_encrypt = true,
                           .standby = true,
                           .timeline = 7,
                           .pooled = true};
    ShardInfo shard = {.uuid = {{1}},
                       .cluster = "main",
                       .database = "tenant",
                       .schema = "s",
                       .system_identifier = 5,
                       .database_oid = 6,
                       .size_bytes = 7,
                       .adopted = true,
                       .fleet_id = {{8}},
                       .reachable = true,
                       .message = "m",
                       .labels = {labels, 1},
                       .identity_mismatch = true,
                       .schema_oid = 11,
                       .row_system_identifier = 12,
                       .row_database_oid = 13,
                       .row_schema_oid = 14,
                       .origin_present = true,
                       .read_unix_ms = 15};
    strlist_add(arena, &shard.rows, "001");
    in.inventory = (Inventory){9, 2, true, "host-a", &cluster, 1, &shard, 1};
    assert_int_equal(report_round_trip(arena, &in, &out), ERR_OK);
    assert_int_equal(out.inventory.snapshot, 9);
    assert_int_equal(out.inventory.part, 2);
    assert_true(out.inventory.last);
    assert_string_equal(out.inventory.host, "host-a");
    check_cluster_info(out.inventory.clusters);
    assert_int_equal(out.inventory.shard_count, 1);
    check_shard_info(out.inventory.shards, &shard);
}

static void other_reports_come_back(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Report out;
    Report in = make_report(REPORT_HELLO);
    in.hello = (Hello){"0.1.0", "host-a", NULL, 0};
    assert_int_equal(report_round_trip(arena, &in, &out), ERR_OK);
    assert_string_equal(out.hello.version, "0.1.0");
    assert_string_equal(out.hello.host, "host-a");
    in = make_report(REPORT_HEARTBEAT);
    in.heartbeat.jobs_running = 17;
    assert_int_equal(report_round_trip(arena, &in, &out), ERR_OK);
    assert_int_equal(out.heartbeat.jobs_running, 17);
    in = make_report(REPORT_FETCH);
    in.fetch = (BlobFetch){{{4}}, 12345678901};
    assert_int_equal(report_round_trip(arena, &in, &out), ERR_OK);
    assert_true(out.fetch.offset == 12345678901 && out.fetch.digest.bytes[0] == 4);
    in = make_report(REPORT_REFUSAL);
    in.refusal = (Refusal){5, "STALE", "too old"};
    assert_int_equal(report_round_trip(arena, &in, &out), ERR_OK);
    assert_int_equal(out.refusal.sequence, 5);
    assert_string_equal(out.refusal.code, "STALE");
    assert_string_equal(out.refusal.message, "too old");
}

static void tasks_come_back(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Report out;
    Report in = make_report(REPORT_TASK_DONE);
    in.task_done = (TaskDone){{{3}}, "{\"a\":1}", "", "", "", ""};
    assert_int_equal(report_round_trip(arena, &in, &out), ERR_OK);
    assert_string_equal(out.task_done.json, "{\"a\":1}");
    assert_int_equal(out.task_done.request_id.bytes[0], 3);
    in.task_done = (TaskDone){{{3}}, "", "BUSY", "not now", "d", "h"};
    assert_int_equal(report_round_trip(arena, &in, &out), ERR_OK);
    assert_string_equal(out.task_done.hint, "h");
    in.task_done.json = "{}"; /* a result and an error */
    assert_int_equal(report_round_trip(arena, &in, &out), ERR_PROTOCOL);
    in.task_done.json = in.task_done.code = "";
    assert_int_equal(report_round_trip(arena, &in, &out), ERR_PROTOCOL);
}

#define REFUSED_JOB(expected, change)                                                              \
    do {                                                                                           \
        JobReport job = make_job(arena);                                                           \
        Report report = make_report(REPORT_JOBS);                                                  \
        Report out;                                                                                \
        change;                                                                                    \
        report.jobs = (JobReports){&job, 1};                                                       \
        ErrCode got = report_round_trip(arena, &report, &out);                                     \
        if (got != (expected)) {                                                                   \
            fail_msg("%s: %s", #change, err_code_name(got));                                       \
        }                                                                                          \
    } while (0)

static void wrong_job_reports_are_refused(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    REFUSED_JOB(ERR_PROTOCOL, job.shard = (Uuid){{0}});
    REFUSED_JOB(ERR_PROTOCOL, job.direction = DIRECTION_UNSPECIFIED);
    REFUSED_JOB(ERR_PROTOCOL, job.phase = PHASE_UNSPECIFIED);
    REFUSED_JOB(ERR_PROTOCOL, job.phase = PHASE_COUNT);
    REFUSED_JOB(ERR_PROTOCOL, job.outcome = OUTCOME_UNSPECIFIED);
    REFUSED_JOB(ERR_PROTOCOL, job.outcome = OUTCOME_COUNT);
    REFUSED_JOB(ERR_PROTOCOL, job.phase = PHASE_STEP);
    REFUSED_JOB(ERR_OK, (job.phase = PHASE_PROBING, job.outcome = OUTCOME_UNKNOWN));
    REFUSED_JOB(ERR_PROTOCOL, job.generation = 0);
    REFUSED_JOB(ERR_PROTOCOL, job.attempt = 0);
    REFUSED_JOB(ERR_PROTOCOL, job.revision = "<script>");
    REFUSED_JOB(ERR_PROTOCOL, job.sqlstate = "42P011");
    REFUSED_JOB(ERR_PROTOCOL, job.message = "\xff");
    REFUSED_JOB(ERR_PROTOCOL, job.rows.items[0] = "");
    char *long_text = arena_alloc(arena, LIMIT_TEXT_BYTES + 2);
    memset(long_text, 'x', LIMIT_TEXT_BYTES + 1);
    REFUSED_JOB(ERR_LIMIT, job.message = long_text);
    REFUSED_JOB(ERR_PROTOCOL, job.activity.kind = ACTIVITY_KIND_COUNT);
    REFUSED_JOB(ERR_LIMIT, job.activity.percent = 101);
    REFUSED_JOB(ERR_LIMIT, job.activity.what = long_text);
    REFUSED_JOB(ERR_LIMIT, job.activity.held_back = long_text);
    REFUSED_JOB(ERR_LIMIT, job.activity.blocker.application = long_text);
    REFUSED_JOB(ERR_PROTOCOL, job.activity.blocker.user = "\xff");
    REFUSED_JOB(ERR_LIMIT, job.backup.path = long_text);
    REFUSED_JOB(ERR_PROTOCOL, report.sequence = 0);
    REFUSED_JOB(ERR_PROTOCOL, report.agent_boot = (Uuid){{0}});
    REFUSED_JOB(ERR_PROTOCOL, report.agent = "");
}

static void over_limit_inventories_are_refused(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Report in = make_report(REPORT_INVENTORY);
    Report out;
    ShardInfo *shards = ARENA_ARRAY(arena, ShardInfo, LIMIT_SHARDS_PER_INVENTORY + 1);
    for (size_t i = 0; i <= LIMIT_SHARDS_PER_INVENTORY; i++) {
        shards[i] = (ShardInfo){.uuid = {{1}}, .cluster = "main", .database = "db"};
    }
    in.inventory = (Inventory){.host = "host-a", .shards = shards};
    in.inventory.shard_count = LIMIT_SHARDS_PER_INVENTORY;
    assert_int_equal(report_round_trip(arena, &in, &out), ERR_OK);
    in.inventory.shard_count++;
    assert_int_equal(report_round_trip(arena, &in, &out), ERR_LIMIT);
}

static void truncated_reports_are_refused(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Report in = make_report(REPORT_JOBS);
    Report out;
    JobReport job = make_job(arena);
    uint8_t *bytes;
    size_t length;
    in.jobs = (JobReports){&job, 1};
    assert_ok(report_encode(arena, &in, &bytes, &length, err));
    for (size_t cut = 0; cut < length; cut++) {
        assert_int_not_equal(report_decode(arena, bytes, cut, &out, NULL), ERR_OK);
    }
    assert_ok(report_decode(arena, bytes, length, &out, err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(run_command_comes_back),
        cmocka_unit_test(look_command_comes_back),
        cmocka_unit_test(looked_report_comes_back),
        cmocka_unit_test(other_commands_come_back),
        cmocka_unit_test(wrong_commands_are_refused),
        cmocka_unit_test(a_command_has_one_body),
        cmocka_unit_test(job_report_comes_back),
        cmocka_unit_test(inventory_comes_back),
        cmocka_unit_test(other_reports_come_back),
        cmocka_unit_test(tasks_come_back),
        cmocka_unit_test(wrong_job_reports_are_refused),
        cmocka_unit_test(over_limit_inventories_are_refused),
        cmocka_unit_test(truncated_reports_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
