#include "prometheus.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static Arena *arena;
static const char *message;

static GateVerdict judge(const char *success, const char *failure, int status, const char *body)
{
    GatePlan gate = {.success = success, .failure = failure};
    return prometheus_judge(arena, &gate, status, body, strlen(body), &message);
}

#define VECTOR(samples)                                                                            \
    "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[" samples "]}}"
#define SAMPLE(value) "{\"metric\":{\"job\":\"shop\"},\"value\":[1700000000.1,\"" value "\"]}"

static void every_sample_must_hold(void **state)
{
    (void)state;
    assert_int_equal(judge("result < 0.01", "", 200, VECTOR(SAMPLE("0.001"))), GATE_SUCCEEDED);
    assert_string_equal(message, "result of {\"job\":\"shop\"} is 0.001");
    assert_int_equal(judge("result < 0.01", "", 200, VECTOR(SAMPLE("0.001") "," SAMPLE("0.5"))),
                     GATE_FAILED);
    assert_string_equal(message, "result of {\"job\":\"shop\"} is 0.5");
    assert_int_equal(judge("result < 0.01", "", 200, VECTOR(SAMPLE("+Inf"))), GATE_FAILED);
    static const char scalar[] =
        "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[1,\"3\"]}}";
    assert_int_equal(judge("result == 3", "", 200, scalar), GATE_SUCCEEDED);
    assert_string_equal(message, "result is 3");
}

static void no_data_and_nan_say_nothing(void **state)
{
    (void)state;
    assert_int_equal(judge("result < 0.01", "", 200, VECTOR("")), GATE_INCONCLUSIVE);
    assert_string_equal(message, "the query gives no data");
    assert_int_equal(judge("result < 0.01", "", 200, VECTOR(SAMPLE("NaN"))), GATE_INCONCLUSIVE);
    assert_int_equal(judge("", "result > 1", 200, VECTOR(SAMPLE("NaN"))), GATE_INCONCLUSIVE);
}

static void between_success_and_failure_nobody_knows(void **state)
{
    (void)state;
    assert_int_equal(judge("result < 1", "result > 5", 200, VECTOR(SAMPLE("0"))), GATE_SUCCEEDED);
    assert_int_equal(judge("result < 1", "result > 5", 200, VECTOR(SAMPLE("3"))),
                     GATE_INCONCLUSIVE);
    assert_int_equal(judge("result < 1", "result > 5", 200, VECTOR(SAMPLE("6"))), GATE_FAILED);
    assert_int_equal(judge("", "result > 5", 200, VECTOR(SAMPLE("3"))), GATE_SUCCEEDED);
    assert_int_equal(judge("", "result > 5", 200, VECTOR(SAMPLE("6"))), GATE_FAILED);
}

static void what_is_no_answer_is_an_error(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "",
        "<html>",
        "[]",
        "{\"status\":\"success\"}",
        "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[]}}",
        "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":{}}}",
        VECTOR("{\"metric\":{}}"),
        VECTOR("{\"value\":[1,2]}"),
        VECTOR("{\"value\":[1,\"many\"]}"),
        VECTOR("7"),
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        assert_int_equal(judge("result < 1", "", 200, bodies[i]), GATE_ERROR);
    assert_int_equal(judge("result < 1", "", 503, VECTOR(SAMPLE("0"))), GATE_ERROR);
    assert_int_equal(judge("result < 1", "", 400,
                           "{\"status\":\"error\",\"error\":\"parse error: unexpected end\"}"),
                     GATE_ERROR);
    assert_string_equal(message, "the server answered 400: parse error: unexpected end");
}

static void queries_are_encoded(void **state)
{
    (void)state;
    assert_string_equal(prometheus_form(arena, "rate(a{b=\"c\"}[5m]) + 1", 500),
                        "query=rate%28a%7Bb%3D%22c%22%7D%5B5m%5D%29%20%2B%201&timeout=500ms");
}

static int make_arena(void **state)
{
    (void)state;
    arena = arena_new();
    return 0;
}

static int drop_arena(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sample_must_hold),
        cmocka_unit_test(no_data_and_nan_say_nothing),
        cmocka_unit_test(between_success_and_failure_nobody_knows),
        cmocka_unit_test(what_is_no_answer_is_an_error),
        cmocka_unit_test(queries_are_encoded),
    };
    return cmocka_run_group_tests(tests, make_arena, drop_arena);
}
