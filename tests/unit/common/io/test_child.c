#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "child.h"

#include "str.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* What a child left, copied out of its callback. */
typedef struct Ending {
    int callbacks;
    int64_t exit_status;
    int term_signal;
    char output[CHILD_OUTPUT_BYTES];
    char errors[CHILD_STDERR_BYTES];
    Str taken;
} Ending;

static void on_end(const ChildResult *result, void *data)
{
    Ending *ending = data;
    ending->callbacks++;
    ending->exit_status = result->exit_status;
    ending->term_signal = result->term_signal;
    memcpy(ending->output, result->output, strlen(result->output) + 1);
    memcpy(ending->errors, result->errors, strlen(result->errors) + 1);
}

static void on_output(const char *bytes, size_t length, void *data)
{
    Ending *ending = data;
    str_append_bytes(&ending->taken, bytes, length);
}

/* Runs a shell text; `signal` is sent to it at once unless it is 0. */
static Ending run(const char *script, ChildArgs args, int signal)
{
    Ending ending = {0};
    uv_loop_t loop;
    Child *child;
    const char *const argv[] = {"sh", "-c", script, NULL};
    AUTO_ARENA Arena *arena = arena_new();
    args.program = "sh";
    args.argv = argv;
    if (args.env == NULL)
        args.env = child_environment(arena, NULL);
    uv_loop_init(&loop);
    assert_int_equal(child_start(&loop, &args, on_end, &ending, &child, NULL), ERR_OK);
    assert_int_equal(ending.callbacks, 0);
    if (signal != 0)
        child_signal(child, signal);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(ending.callbacks, 1);
    return ending;
}

static void test_first_of_output_and_last_of_errors(void **state)
{
    (void)state;
    Ending ending = run("read line || echo empty; exit 7", (ChildArgs){0}, 0);
    assert_string_equal(ending.output, "empty\n");
    assert_int_equal(ending.exit_status, 7);
    const char *much = "i=0; while [ $i -lt 3000 ]; do echo $i; echo $i >&2; i=$((i+1)); done";
    ending = run(much, (ChildArgs){0}, 0);
    assert_int_equal(strlen(ending.output), CHILD_OUTPUT_BYTES - 1);
    assert_int_equal(strlen(ending.errors), CHILD_STDERR_BYTES - 1);
    assert_true(str_starts_with(ending.output, "0\n1\n2\n"));
    assert_true(str_ends_with(ending.errors, "2998\n2999\n"));
}

static void test_output_is_taken_whole(void **state)
{
    (void)state;
    ChildArgs args = {.output = on_output, .directory = "/"};
    Ending ending = run("pwd; head -c 100000 /dev/zero", args, 0);
    assert_int_equal(ending.taken.length, 100002);
    assert_memory_equal(ending.taken.data, "/\n", 2);
    assert_string_equal(ending.output, "");
    str_free(&ending.taken);
}

static void test_signal(void **state)
{
    (void)state;
    assert_int_equal(run("sleep 1000", (ChildArgs){0}, SIGTERM).term_signal, SIGTERM);
    ChildArgs args = {.aloud = true};
    assert_int_equal(run("sleep 1000", args, SIGKILL).term_signal, SIGKILL);
}

static void test_input(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    Ending ending =
        run("cat; read line || echo end", (ChildArgs){.input = "a\nb", .input_length = 3}, 0);
    assert_string_equal(ending.output, "a\nbend\n");
    /* One that does not read all of it is no failure. */
    size_t length = 1 << 20;
    char *much = xcalloc(1, length);
    ending = run("exit 3", (ChildArgs){.input = much, .input_length = length}, 0);
    assert_int_equal(ending.exit_status, 3);
    free(much);
}

static void test_what_cannot_start(void **state)
{
    (void)state;
    uv_loop_t loop;
    Child *child;
    Error err;
    const char *const argv[] = {"x", NULL};
    uv_loop_init(&loop);
    for (int aloud = 0; aloud < 2; aloud++) {
        ChildArgs args = {
            .program = "/no/such/program", .argv = argv, .env = argv + 1, .aloud = aloud};
        assert_int_equal(child_start(&loop, &args, on_end, NULL, &child, &err), ERR_IO);
        assert_string_equal(err.message, "can't start /no/such/program: no such file or directory");
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void test_environment(void **state)
{
    (void)state;
    setenv("CHILD_KEPT", "1", 1);
    setenv("CHILD_GONE", "2", 1);
    setenv("CHILD_OTHER", "3", 1);
    AUTO_ARENA Arena *arena = arena_new();
    const char *const added[] = {"CHILD_GONE", "CHILD_OTHER=a=b", "CHILD_NEW=", "CHILD_KEP", NULL};
    ChildArgs args = {.env = child_environment(arena, added)};
    Ending ending = run("env | grep ^CHILD_ | sort", args, 0);
    assert_string_equal(ending.output, "CHILD_KEPT=1\nCHILD_NEW=\nCHILD_OTHER=a=b\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_of_output_and_last_of_errors),
        cmocka_unit_test(test_output_is_taken_whole),
        cmocka_unit_test(test_signal),
        cmocka_unit_test(test_input),
        cmocka_unit_test(test_what_cannot_start),
        cmocka_unit_test(test_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
