#include "../shell_world.h"

#include "named_limits.h"
#include "relay.h"

static const Uuid request_id = {{1, 2, 3}};
static const uint8_t envelope_bytes[] = "signed";
static const ByteSpan envelope = {envelope_bytes, sizeof envelope_bytes};

static StrList both(World *world)
{
    StrList agents = {0};
    strlist_add(world->arena, &agents, "boston");
    strlist_add(world->arena, &agents, "chennai");
    return agents;
}

static void begin(World *world, uint64_t wait_ms)
{
    Relay *relay = world->coordinator->relay;
    StrList agents = both(world);
    assert_ok(relay_check(relay, envelope, &agents, err));
    relay_begin(relay, &request_id, &(OperatorTask){.request = envelope}, &agents, wait_ms, 7);
}

static TaskDone result(const char *json)
{
    return (TaskDone){.request_id = request_id,
                      .json = json,
                      .code = "",
                      .message = "",
                      .detail = "",
                      .hint = ""};
}

static size_t tasks_sent(const World *world)
{
    size_t count = 0;
    for (size_t i = 0; i < world->sent_count; i++)
        count += world->sent[i].kind == COMMAND_TASK;
    return count;
}

/* The part of the answer that is this agent's `key`; NULL when it is null. */
static const json_t *part(World *world, json_t **ret_root, size_t index, const char *key)
{
    AUTO_STR Str json = {0};
    json_error_t problem;
    assert_true(relay_result(world->coordinator->relay, &request_id, &json));
    *ret_root = json_loads(str_text(&json), 0, &problem);
    assert_non_null(*ret_root);
    const json_t *agent = json_array_get(json_object_get(*ret_root, "agents"), index);
    const json_t *value = json_object_get(agent, key);
    return json_is_null(value) ? NULL : value;
}

static void it_leaves_when_the_request_is_durable_and_again_until_answered(void **state)
{
    World *world = *state;
    Relay *relay = world->coordinator->relay;
    world_fleet(world);
    world->sent_count = 0;
    begin(world, 60000);
    relay_tick(relay, 6);
    assert_int_equal(tasks_sent(world), 0);
    relay_tick(relay, 7);
    assert_int_equal(tasks_sent(world), 2);
    TaskDone done = result("{\"rows\":3}");
    relay_take(relay, "boston", &done);
    relay_take(relay, "denver", &done); /* was not asked */
    world->coordinator->now_ms += 4000;
    relay_tick(relay, 7);
    assert_int_equal(tasks_sent(world), 3);
    AUTO_STR Str json = {0};
    assert_false(relay_result(relay, &request_id, &json));
    relay_take(relay, "chennai", &done);
    json_t *first, *second;
    assert_non_null(part(world, &first, 0, "result"));
    assert_null(part(world, &second, 1, "error"));
    json_decref(first);
    json_decref(second);
}

static void silence_is_unknown(void **state)
{
    World *world = *state;
    world_fleet(world);
    begin(world, 1000);
    relay_tick(world->coordinator->relay, 7);
    world->coordinator->now_ms += 1000;
    relay_tick(world->coordinator->relay, 7);
    json_t *root;
    const json_t *error = part(world, &root, 1, "error");
    assert_string_equal(json_string_value(json_object_get(error, "code")), "UNKNOWN");
    json_decref(root);
}

static void what_is_no_object_is_not_passed_on(void **state)
{
    World *world = *state;
    world_fleet(world);
    begin(world, 1000);
    TaskDone wrong = result("{\"a\":1},{\"agent\":\"chennai\"");
    relay_take(world->coordinator->relay, "boston", &wrong);
    TaskDone right = result("{}");
    relay_take(world->coordinator->relay, "chennai", &right);
    json_t *root;
    const json_t *error = part(world, &root, 0, "error");
    assert_string_equal(json_string_value(json_object_get(error, "code")), "PROTOCOL");
    json_decref(root);
}

static void an_agent_that_is_away_cannot_be_asked(void **state)
{
    World *world = *state;
    StrList agents = both(world);
    world_fleet(world);
    roster_find(world->coordinator->roster, "chennai")->connected = false;
    assert_int_equal(relay_check(world->coordinator->relay, envelope, &agents, NULL), ERR_CONNECT);
    StrList nobody = {0};
    assert_int_equal(relay_check(world->coordinator->relay, envelope, &nobody, NULL),
                     ERR_NOT_FOUND);
    ByteSpan large = {envelope_bytes, LIMIT_TASK_REQUEST_BYTES + 1};
    roster_find(world->coordinator->roster, "chennai")->connected = true;
    assert_int_equal(relay_check(world->coordinator->relay, large, &agents, NULL), ERR_LIMIT);
}

static void answers_are_forgotten_after_a_while(void **state)
{
    World *world = *state;
    world_fleet(world);
    begin(world, 1000);
    world->coordinator->now_ms += 1000;
    relay_tick(world->coordinator->relay, 7);
    assert_true(relay_has(world->coordinator->relay, &request_id));
    world->coordinator->now_ms += 3600 * 1000;
    relay_tick(world->coordinator->relay, 7);
    assert_false(relay_has(world->coordinator->relay, &request_id));
    RequestResult told;
    assert_true(requests_tell_relayed(world->coordinator, &request_id, world->arena, &told));
    AUTO_ANSWER Answer answer = world_read_answer(world, &told);
    assert_refused(answer, "STALE");
}

static ErrCode on_followed(Coordinator *coordinator, const void *about, const TaskDone *done,
                           Error *err)
{
    (void)coordinator;
    ++*(unsigned *)about;
    return done->json[1] == '}' ? err_set(err, ERR_STATE, "nothing in it") : ERR_OK;
}

static void a_result_is_followed_and_may_be_refused(void **state)
{
    World *world = *state;
    Relay *relay = world->coordinator->relay;
    world_fleet(world);
    begin(world, 1000);
    unsigned *followed = ARENA_NEW(relay_arena(relay, &request_id), unsigned);
    relay_follow(relay, &request_id, on_followed, NULL, followed);
    TaskDone full = result("{\"rows\":3}"), empty = result("{}");
    relay_take(relay, "boston", &full);
    relay_take(relay, "boston", &full); /* again: it was told */
    assert_int_equal(*followed, 1);
    relay_take(relay, "chennai", &empty);
    assert_int_equal(*followed, 2);
    json_t *first, *second;
    assert_null(part(world, &first, 0, "error"));
    const json_t *error = part(world, &second, 1, "error");
    assert_string_equal(json_string_value(json_object_get(error, "code")), "STATE");
    json_decref(first);
    json_decref(second);
}

typedef struct Ends {
    unsigned count;
    char codes[64];
} Ends;

static void on_ended(Coordinator *coordinator, const void *about, const TaskDone *done)
{
    (void)coordinator;
    Ends *ends = *(Ends *const *)about;
    ends->count++;
    strcat(ends->codes, done->code);
    strcat(ends->codes, ";");
}

static void each_agents_end_is_told_once_by_time_too(void **state)
{
    World *world = *state;
    Relay *relay = world->coordinator->relay;
    Ends ends = {0};
    world_fleet(world);
    begin(world, 1000);
    Ends **about = ARENA_NEW(relay_arena(relay, &request_id), Ends *);
    *about = &ends;
    relay_follow(relay, &request_id, NULL, on_ended, about);
    TaskDone wrong = result("");
    wrong.code = "SQL";
    relay_take(relay, "boston", &wrong);
    relay_take(relay, "boston", &wrong);
    assert_int_equal(ends.count, 1);
    world->coordinator->now_ms += 1000;
    relay_tick(relay, 7);
    relay_tick(relay, 7);
    TaskDone late = result("{}");
    relay_take(relay, "chennai", &late);
    assert_string_equal(ends.codes, "SQL;UNKNOWN;");
}

static void what_has_ended_makes_room(void **state)
{
    World *world = *state;
    Relay *relay = world->coordinator->relay;
    StrList agents = {0};
    world_fleet(world);
    strlist_add(world->arena, &agents, "boston");
    for (uint8_t i = 1; i <= LIMIT_TASKS; i++) {
        Uuid id = {{9, i}};
        assert_ok(relay_check(relay, envelope, &agents, err));
        relay_begin(relay, &id, &(OperatorTask){.request = envelope}, &agents, 60000, 7);
    }
    assert_int_equal(relay_check(relay, envelope, &agents, NULL), ERR_BUSY);
    TaskDone done = result("{}");
    done.request_id = (Uuid){{9, 2}};
    relay_take(relay, "boston", &done);
    /* Whoever waits for it has not been told yet. */
    assert_int_equal(relay_check(relay, envelope, &agents, NULL), ERR_BUSY);
    world->coordinator->now_ms++;
    assert_ok(relay_check(relay, envelope, &agents, err));
    relay_begin(relay, &request_id, &(OperatorTask){.request = envelope}, &agents, 60000, 7);
    assert_true(relay_has(relay, &request_id));
    assert_false(relay_has(relay, &done.request_id));
    assert_true(relay_has(relay, &(Uuid){{9, 1}}));
    assert_true(relay_has(relay, &(Uuid){{9, LIMIT_TASKS}}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            it_leaves_when_the_request_is_durable_and_again_until_answered, world_setup,
            world_teardown),
        cmocka_unit_test_setup_teardown(silence_is_unknown, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(what_is_no_object_is_not_passed_on, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(an_agent_that_is_away_cannot_be_asked, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(a_result_is_followed_and_may_be_refused, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(each_agents_end_is_told_once_by_time_too, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(what_has_ended_makes_room, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(answers_are_forgotten_after_a_while, world_setup,
                                        world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
