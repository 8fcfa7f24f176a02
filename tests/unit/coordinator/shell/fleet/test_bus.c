#include "../shell_world.h"

#include "bus.h"
#include "message_codec.h"
#include "named_limits.h"

#include <zmq.h>

/* A bus, and the far end of one connection to it, in one loop. */
typedef struct Line {
    World *world;
    void *zmq;
    Bus *bus;
    ZSock *dealer;
    BusPeer peer;    /* of the last message */
    bool peer_known; /* false: it was nobody */
    unsigned arrived;
    Command commands[16];
    size_t command_count;
} Line;

static void on_report(void *context, const ZMessage *message)
{
    Line *line = context;
    line->peer_known = bus_peer(line->bus, message, &line->peer);
    if (line->peer_known && line->peer.agent != NULL)
        bus_take_report(line->bus, line->peer.agent, message);
    line->arrived++;
}

static void on_command(void *context, const ZMessage *message)
{
    Line *line = context;
    World *world = line->world;
    const uint8_t *payload;
    size_t length;
    assert_true(line->command_count < 16);
    assert_ok(envelope_open(world->arena, message->bytes, message->length, MESSAGE_COMMAND,
                            trust_lookup_coordinator, world->coordinator->trust, &payload, &length,
                            NULL, err));
    assert_ok(
        command_decode(world->arena, payload, length, &line->commands[line->command_count++], err));
}

static int setup(void **state)
{
    void *world_state;
    Line *line = xcalloc(1, sizeof *line);
    if (world_setup(&world_state) != 0)
        return -1;
    World *world = world_state;
    line->world = world;
    line->zmq = zmq_ctx_new();
    for (int i = 0; i < 2; i++) {
        AUTO_ANSWER Answer answer = world_admit(world, ALICE, world->agent_keys[i], 100, false);
        assert_refused(answer, "");
    }
    world->coordinator->settings.listen =
        arena_printf(world->arena, "ipc://%s/bus", world->directory);
    assert_ok(
        bus_open(world->coordinator, &world->loop, line->zmq, on_report, line, &line->bus, err));
    *state = line;
    return 0;
}

static int teardown(void **state)
{
    Line *line = *state;
    void *world = line->world;
    zsock_free(line->dealer);
    bus_free(line->bus);
    world_teardown(&world);
    zmq_ctx_term(line->zmq);
    free(line);
    return 0;
}

static void connect_as(Line *line, const SecretKey *key)
{
    const PublicKeyInfo *server = key_public(line->world->coordinator_key);
    assert_ok(zsock_dealer_connect(
        &(ZDealerSettings){.loop = &line->world->loop,
                           .zmq = line->zmq,
                           .endpoint = line->world->coordinator->settings.listen,
                           .server_public = server->curve,
                           .public = key_public(key)->curve,
                           .secret = key_curve_secret(key),
                           .message_bytes_max = LIMIT_ENVELOPE_BYTES,
                           .on_message = on_command,
                           .context = line},
        &line->dealer, err));
}

static Report report_of(const Line *line, uint8_t boot, uint64_t sequence)
{
    return (Report){.fleet_id = *trust_fleet_id(line->world->coordinator->trust),
                    .agent = "boston",
                    .agent_boot = {{boot}},
                    .sequence = sequence,
                    .uptime_ms = 5000,
                    .sent_unix_ms = line->world->coordinator->unix_ms,
                    .kind = REPORT_HEARTBEAT,
                    .heartbeat = {7}};
}

/* Sends it and waits until it has been taken up. */
static void send_report(Line *line, const Report *report, const SecretKey *key)
{
    World *world = line->world;
    unsigned before = line->arrived;
    uint8_t *payload;
    size_t length;
    Error error;
    assert_ok(report_encode(world->arena, report, &payload, &length, err));
    const uint8_t *bytes = world_sign(world, MESSAGE_REPORT, payload, length, key, &length);
    while (zsock_send(line->dealer, NULL, bytes, length, &error) == ERR_BUSY)
        uv_run(&world->loop, UV_RUN_ONCE);
    while (line->arrived == before)
        uv_run(&world->loop, UV_RUN_ONCE);
}

static RosterAgent *boston(const Line *line)
{
    return roster_find(line->world->coordinator->roster, "boston");
}

static void an_agent_is_welcomed_by_its_first_report(void **state)
{
    Line *line = *state;
    const SecretKey *key = line->world->agent_keys[0];
    connect_as(line, key);
    Report hello = report_of(line, 1, 1);
    hello.kind = REPORT_HELLO;
    hello.hello = (Hello){.version = "0.1.0", .host = "db1"};
    send_report(line, &hello, key);
    assert_true(boston(line)->connected);
    assert_string_equal(boston(line)->host, "db1");
    while (line->command_count < 2)
        uv_run(&line->world->loop, UV_RUN_ONCE);
    const Command *welcome = &line->commands[0];
    assert_int_equal(welcome->kind, COMMAND_WELCOME);
    assert_string_equal(welcome->agent, "boston");
    assert_int_equal(welcome->sequence, 1);
    assert_int_equal(welcome->epoch, journal_epoch(line->world->coordinator->journal));
    assert_true(uuid_equal(&welcome->welcome.agent_boot, &hello.agent_boot));
    assert_int_equal(welcome->not_after_uptime_ms, 5000 + LIMIT_COMMAND_TTL_MS);
    assert_int_equal(line->commands[1].kind, COMMAND_REFRESH);
    assert_int_equal(line->commands[1].sequence, 2);
}

static void a_report_counts_once_and_in_order(void **state)
{
    Line *line = *state;
    const SecretKey *key = line->world->agent_keys[0];
    connect_as(line, key);
    Report report = report_of(line, 1, 5);
    send_report(line, &report, key);
    assert_int_equal(boston(line)->jobs_running, 7);
    report.heartbeat.jobs_running = 8;
    send_report(line, &report, key); /* the same number again */
    assert_int_equal(boston(line)->jobs_running, 7);
    report.sequence = 4;
    send_report(line, &report, key);
    assert_int_equal(boston(line)->jobs_running, 7);
    report.sequence = 6;
    send_report(line, &report, key);
    assert_int_equal(boston(line)->jobs_running, 8);
}

static void a_former_start_is_not_heard(void **state)
{
    Line *line = *state;
    const SecretKey *key = line->world->agent_keys[0];
    connect_as(line, key);
    Report first = report_of(line, 1, 1);
    Report second = report_of(line, 2, 1);
    send_report(line, &first, key);
    send_report(line, &second, key);
    assert_true(uuid_equal(&boston(line)->boot, &second.agent_boot));
    first.sequence = 100;
    first.heartbeat.jobs_running = 9;
    send_report(line, &first, key);
    assert_true(uuid_equal(&boston(line)->boot, &second.agent_boot));
    assert_int_equal(boston(line)->jobs_running, 7);
    /* Nor one that was signed long ago. */
    Report old = report_of(line, 3, 1);
    old.sent_unix_ms -= LIMIT_CLOCK_SKEW_MS + 1;
    send_report(line, &old, key);
    assert_true(uuid_equal(&boston(line)->boot, &second.agent_boot));
}

static void nobody_speaks_for_another(void **state)
{
    Line *line = *state;
    const SecretKey *key = line->world->agent_keys[0];
    connect_as(line, key);
    Report report = report_of(line, 1, 1);
    send_report(line, &report, line->world->agent_keys[1]); /* chennai's signature */
    assert_false(boston(line)->connected);
    report.agent = "chennai"; /* boston's signature, chennai's name */
    send_report(line, &report, key);
    assert_false(boston(line)->connected);
    assert_false(roster_find(line->world->coordinator->roster, "chennai")->connected);
    report.agent = "boston";
    report.fleet_id = (Uuid){{0xf2}};
    send_report(line, &report, key);
    assert_false(boston(line)->connected);
    Report good = report_of(line, 1, 1);
    send_report(line, &good, key);
    assert_true(boston(line)->connected);
}

static void an_operator_is_no_agent(void **state)
{
    Line *line = *state;
    connect_as(line, line->world->operators[ALICE]);
    Report report = report_of(line, 1, 1);
    send_report(line, &report, line->world->agent_keys[0]);
    assert_true(line->peer_known);
    assert_null(line->peer.agent);
    assert_non_null(line->peer.keyid);
    assert_false(boston(line)->connected);
}

static void a_revoked_agent_is_not_heard_any_more(void **state)
{
    Line *line = *state;
    const SecretKey *key = line->world->agent_keys[0];
    connect_as(line, key);
    Report report = report_of(line, 1, 1);
    send_report(line, &report, key);
    assert_true(line->peer_known);
    AUTO_ANSWER Answer revoked = world_admit(line->world, ALICE, key, 200, true);
    assert_refused(revoked, "");
    assert_true(line->world->coordinator->admissions_changed);
    bus_renew_admissions(line->bus);
    assert_false(boston(line)->connected);
    report.sequence = 2;
    send_report(line, &report, key); /* its connection lives on */
    assert_false(line->peer_known);
    assert_false(boston(line)->connected);
}

static void a_silent_agent_is_down(void **state)
{
    Line *line = *state;
    Coordinator *coordinator = line->world->coordinator;
    const SecretKey *key = line->world->agent_keys[0];
    connect_as(line, key);
    Report report = report_of(line, 1, 1);
    send_report(line, &report, key);
    coordinator->now_ms += coordinator->settings.agent_deadline_ms - 1;
    bus_tick(line->bus);
    assert_true(boston(line)->connected);
    coordinator->now_ms += 1;
    bus_tick(line->bus);
    assert_false(boston(line)->connected);
    report.sequence = 2;
    send_report(line, &report, key);
    assert_true(boston(line)->connected);
}

static void who_is_outranked_sends_nothing(void **state)
{
    Line *line = *state;
    const SecretKey *key = line->world->agent_keys[0];
    connect_as(line, key);
    Report report = report_of(line, 1, 1);
    report.epoch = journal_epoch(line->world->coordinator->journal) + 1;
    send_report(line, &report, key);
    assert_true(boston(line)->connected);
    assert_ptr_equal(coordinator_outranked_by(line->world->coordinator), boston(line));
    assert_int_equal(boston(line)->sequence_sent, 0);
}

/* The witness was a liar and is revoked: what was kept from the rollouts meanwhile reaches them. */
static void who_is_outranked_no_more_goes_on(void **state)
{
    Line *line = *state;
    World *world = line->world;
    Coordinator *coordinator = world->coordinator;
    const SecretKey *key = world->agent_keys[0];
    RolloutEntry *entry;
    RolloutShardView view;
    world_agent_up(world, "boston");
    world_agent_up(world, "chennai");
    world_list_shards(world, "boston", 1, 3, "001_one");
    world_list_shards(world, "chennai", 11, 3, "001_one");
    world_put_bundle(world);
    world_approved_plan(world, "first");
    boston(line)->connected = false;
    world_start(world, "first");
    assert_ok(rollouts_find(coordinator->rollouts, "first", &entry, err));
    coordinator_note_epoch(coordinator, roster_find(coordinator->roster, "chennai"), 1000);
    bus_tick(line->bus);
    connect_as(line, key);
    Report report = report_of(line, 1, 1);
    send_report(line, &report, key);
    assert_true(boston(line)->connected);
    world_settle(world);
    rollout_shard(entry->core, 0, &view);
    assert_false(view.in_flight);
    AUTO_ANSWER Answer revoked = world_admit(world, ALICE, world->agent_keys[1], 200, true);
    assert_refused(revoked, "");
    bus_renew_admissions(line->bus);
    bus_tick(line->bus);
    world_settle(world);
    rollout_shard(entry->core, 0, &view);
    assert_true(view.in_flight);
}

static void what_one_agent_adds_to_the_journal_has_a_limit(void **state)
{
    Line *line = *state;
    Coordinator *coordinator = line->world->coordinator;
    const SecretKey *key = line->world->agent_keys[0];
    connect_as(line, key);
    Report first = report_of(line, 1, 1);
    send_report(line, &first, key);
    assert_true(boston(line)->connected);
    boston(line)->records = LIMIT_AGENT_RECORDS; /* the most that is heard without a rollout */
    Report second = report_of(line, 1, 2);
    send_report(line, &second, key);
    assert_int_equal(boston(line)->sequence_seen, 2);
    boston(line)->records++;
    Report third = report_of(line, 1, 3);
    send_report(line, &third, key);
    assert_true(boston(line)->muted);
    assert_int_equal(boston(line)->sequence_seen, 2);
    coordinator->now_ms += 60 * 60 * 1000; /* an hour later it begins anew */
    Report fourth = report_of(line, 1, 4);
    send_report(line, &fourth, key);
    assert_false(boston(line)->muted);
    assert_int_equal(boston(line)->sequence_seen, 4);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_agent_is_welcomed_by_its_first_report),
        TEST(a_report_counts_once_and_in_order),
        TEST(a_former_start_is_not_heard),
        TEST(nobody_speaks_for_another),
        TEST(an_operator_is_no_agent),
        TEST(a_revoked_agent_is_not_heard_any_more),
        TEST(a_silent_agent_is_down),
        TEST(who_is_outranked_sends_nothing),
        TEST(who_is_outranked_no_more_goes_on),
        TEST(what_one_agent_adds_to_the_journal_has_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
