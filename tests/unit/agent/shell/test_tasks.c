#include "fleet_fixture.h"
#include "log.h"
#include "named_limits.h"
#include "proto_read.h"
#include "tasks.h"

#include <stdio.h>

typedef struct Line {
    Fleet *fleet;
    Tasks *tasks;
    Task *task; /* handed to the handler last */
    unsigned handled;
    unsigned sent;
    char code[32];
    char json[64];
} Line;

static void on_send(void *context, const TaskDone *done)
{
    Line *line = context;
    line->sent++;
    snprintf(line->code, sizeof line->code, "%s", done->code);
    snprintf(line->json, sizeof line->json, "%s", done->json);
}

static void on_task(void *context, Task *task)
{
    Line *line = context;
    line->handled++;
    line->task = task;
}

static int setup(void **state)
{
    Line *line = xcalloc(1, sizeof *line);
    line->fleet = xcalloc(1, sizeof *line->fleet);
    line->fleet->arena = arena_new();
    fleet_make_trust(line->fleet);
    line->tasks = tasks_new(line->fleet->trust, on_send, line);
    tasks_handle(line->tasks, PGTIDE__V1__REQUEST__BODY_CONTROL_FLEET, OPERATOR_ROLE_APPROVER,
                 on_task, line);
    log_setup(LOG_LOGFMT, LOG_ERROR);
    *state = line;
    return 0;
}

static int teardown(void **state)
{
    Line *line = *state;
    Fleet *f = line->fleet;
    tasks_free(line->tasks);
    trust_free(f->trust);
    SecretKey *keys[] = {f->root, f->release, f->stranger, f->coordinator};
    for (size_t i = 0; i < 4; i++)
        key_free(keys[i]);
    for (size_t i = 0; i < FLEET_PEOPLE; i++)
        key_free(f->people[i]);
    arena_free(f->arena);
    free(f);
    free(line);
    return 0;
}

typedef struct Asking {
    uint8_t number;
    uint8_t fleet;
    uint64_t created_unix_ms;
    bool brake; /* a body with a handler, else one without */
} Asking;

static OperatorTask ask(Line *line, const SecretKey *key, Asking asking)
{
    Fleet *f = line->fleet;
    Pgtide__V1__Request request = PGTIDE__V1__REQUEST__INIT;
    Pgtide__V1__ControlFleet control = PGTIDE__V1__CONTROL_FLEET__INIT;
    Pgtide__V1__BlobGet get = PGTIDE__V1__BLOB_GET__INIT;
    Uuid id = {{1, asking.number}}, fleet = {{asking.fleet, 7, 7}};
    request.request_id = proto_from_uuid(&id);
    request.fleet_id = proto_from_uuid(&fleet);
    request.created_unix_ms = asking.created_unix_ms;
    if (asking.brake) {
        request.body_case = PGTIDE__V1__REQUEST__BODY_CONTROL_FLEET;
        request.control_fleet = &control;
    } else {
        request.body_case = PGTIDE__V1__REQUEST__BODY_BLOB_GET;
        request.blob_get = &get;
    }
    size_t length;
    uint8_t *bytes = proto_pack(f->arena, &request.base, &length);
    return (OperatorTask){.request = fleet_sign(f, MESSAGE_REQUEST, bytes, length, key)};
}

static const Asking good = {.number = 1, .fleet = 7, .created_unix_ms = NOW_UNIX_MS, .brake = true};

static void an_operators_request_is_carried_out_once(void **state)
{
    Line *line = *state;
    OperatorTask asked = ask(line, line->fleet->people[BOB], good);
    tasks_take(line->tasks, &asked, NOW_UNIX_MS);
    tasks_take(line->tasks, &asked, NOW_UNIX_MS); /* again, while it is under way */
    assert_int_equal(line->handled, 1);
    assert_int_equal(line->sent, 0);
    assert_int_equal(tasks_running(line->tasks), 1);
    assert_string_equal(line->task->who, "bob");
    task_done(line->task, "{\"done\":1}");
    assert_int_equal(tasks_running(line->tasks), 0);
    assert_int_equal(line->sent, 1);
    tasks_take(line->tasks, &asked, NOW_UNIX_MS); /* the answer was lost */
    assert_int_equal(line->handled, 1);
    assert_int_equal(line->sent, 2);
    assert_string_equal(line->json, "{\"done\":1}");
    assert_string_equal(line->code, "");
}

static void a_failure_is_told_like_a_result(void **state)
{
    Line *line = *state;
    Error err;
    OperatorTask asked = ask(line, line->fleet->people[ALICE], good);
    tasks_take(line->tasks, &asked, NOW_UNIX_MS);
    err_set(&err, ERR_NOT_FOUND, "no such shard");
    task_failed(line->task, &err);
    assert_string_equal(line->code, "NOT_FOUND");
    assert_string_equal(line->json, "");
}

#define REFUSED(expected, who, ...)                                                                \
    do {                                                                                           \
        Asking asking = good;                                                                      \
        __VA_ARGS__;                                                                               \
        line->code[0] = '\0';                                                                      \
        OperatorTask asked_now = ask(line, (who), asking);                                         \
        tasks_take(line->tasks, &asked_now, NOW_UNIX_MS);                                          \
        assert_string_equal(line->code, (expected));                                               \
    } while (0)

static void what_the_operator_may_not_ask_is_refused(void **state)
{
    Line *line = *state;
    const Fleet *f = line->fleet;
    REFUSED("REFUSED", f->people[OSCAR]); /* role operator does not do */
    REFUSED("REFUSED", f->people[BOB], asking.fleet = 8);
    REFUSED("PROTOCOL", f->people[BOB], asking.brake = false);
    REFUSED("STALE", f->people[BOB], asking.created_unix_ms = NOW_UNIX_MS + 10 * 60 * 1000);
    REFUSED("STALE", f->people[BOB], asking.created_unix_ms = NOW_UNIX_MS - 60 * 60 * 1000);
    /* The coordinator's word, and that of nobody, is not even answered. */
    REFUSED("", f->coordinator);
    REFUSED("", f->stranger);
    assert_int_equal(line->handled, 0);
}

static void there_is_a_limit(void **state)
{
    Line *line = *state;
    for (uint8_t i = 1; i <= LIMIT_TASKS; i++) {
        Asking asking = good;
        asking.number = i;
        OperatorTask asked = ask(line, line->fleet->people[BOB], asking);
        tasks_take(line->tasks, &asked, NOW_UNIX_MS);
    }
    assert_int_equal(line->handled, LIMIT_TASKS);
    REFUSED("BUSY", line->fleet->people[BOB], asking.number = LIMIT_TASKS + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_operators_request_is_carried_out_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failure_is_told_like_a_result, setup, teardown),
        cmocka_unit_test_setup_teardown(what_the_operator_may_not_ask_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(there_is_a_limit, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
