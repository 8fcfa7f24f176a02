#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "child_lines.h"

#include "str.h"

#include <signal.h>
#include <string.h>

/* Runs a shell text; each line ends with '|' in `out`. */
static ErrCode take(char *text, size_t length, void *data, Error *err)
{
    Str *out = data;
    assert_int_equal(strlen(text), length);
    str_printf(out, "%s|", text);
    return strcmp(text, "stop") == 0 ? err_set(err, ERR_CONFIG, "stopped") : ERR_OK;
}

static ErrCode run_limited(const char *script, ChildLines limits, Str *out, ChildEnd *end,
                           Error *err)
{
    const char *const argv[] = {"sh", "-c", script, NULL};
    limits.argv = argv;
    limits.directory = "/";
    limits.line = take;
    limits.data = out;
    return child_lines_run(&limits, end, err);
}

static ErrCode run(const char *script, Str *out, ChildEnd *end, Error *err)
{
    ChildLines limits = {
        .line_bytes_max = 100000, .output_bytes_max = 1000000, .silence_ms_max = 60000};
    return run_limited(script, limits, out, end, err);
}

static void test_lines_status_and_errors(void **state)
{
    (void)state;
    AUTO_STR Str out = {0};
    ChildEnd end;
    Error err;
    assert_int_equal(run("pwd; echo; printf 'two\\nthree\\nunfinished'; echo said >&2; exit 7",
                         &out, &end, &err),
                     ERR_OK);
    assert_string_equal(str_text(&out), "/|two|three|");
    assert_string_equal(end.errors, "said\n");
    assert_int_equal(end.exit_status, 7);
}

static void test_input_is_empty(void **state)
{
    (void)state;
    AUTO_STR Str out = {0};
    ChildEnd end;
    assert_int_equal(run("read line || echo nothing", &out, &end, NULL), ERR_OK);
    assert_string_equal(str_text(&out), "nothing|");
}

static void test_end_of_errors_is_kept(void **state)
{
    (void)state;
    AUTO_STR Str out = {0};
    ChildEnd end;
    assert_int_equal(
        run("i=0; while [ $i -lt 3000 ]; do echo line $i >&2; i=$((i+1)); done", &out, &end, NULL),
        ERR_OK);
    assert_int_equal(strlen(end.errors), CHILD_ERRORS_BYTES);
    assert_true(str_ends_with(end.errors, "line 2998\nline 2999\n"));
}

static void test_reader_stops_it(void **state)
{
    (void)state;
    AUTO_STR Str out = {0};
    ChildEnd end;
    Error err;
    assert_int_equal(run("echo one; echo stop; echo three; exec cat /dev/zero", &out, &end, &err),
                     ERR_CONFIG);
    assert_string_equal(str_text(&out), "one|stop|");
    assert_int_equal(end.exit_status, 128 + 9);
}

static void test_limits(void **state)
{
    (void)state;
    AUTO_STR Str out = {0};
    ChildEnd end;
    Error err;
    ChildLines line = {.line_bytes_max = 10, .output_bytes_max = 100, .silence_ms_max = 60000};
    assert_int_equal(run_limited("echo 0123456789; echo 0123456789a", line, &out, &end, &err),
                     ERR_LIMIT);
    assert_string_equal(str_text(&out), "0123456789|");
    assert_int_equal(run_limited("yes", line, &out, &end, &err), ERR_LIMIT);
    ChildLines silent = {.line_bytes_max = 10, .output_bytes_max = 100, .silence_ms_max = 1};
    assert_int_equal(run_limited("exec sleep 1000", silent, &out, &end, &err), ERR_TIMEOUT);
}

static void on_signal(int number)
{
    (void)number;
}

static void test_signal_ends_it(void **state)
{
    (void)state;
    AUTO_STR Str out = {0};
    ChildEnd end;
    Error err;
    struct sigaction action = {.sa_handler = on_signal};
    struct sigaction before;
    sigaction(SIGUSR1, &action, &before);
    assert_int_equal(run("while kill -USR1 $PPID; do :; done", &out, &end, &err), ERR_INTERRUPTED);
    assert_int_equal(end.exit_status, 128 + SIGKILL);
    sigaction(SIGUSR1, &before, NULL);
}

static void test_what_cannot_start(void **state)
{
    (void)state;
    ChildEnd end;
    Error err;
    const char *const program[] = {"/no/such/program", NULL};
    ChildLines args = {.argv = program, .directory = "/", .silence_ms_max = 60000};
    assert_int_equal(child_lines_run(&args, &end, &err), ERR_NOT_FOUND);
    assert_string_equal(err.message, "can't run /no/such/program in /: No such file or directory");
    const char *const sh[] = {"sh", "-c", "true", NULL};
    args.argv = sh;
    args.directory = "/no/such/directory";
    assert_int_equal(child_lines_run(&args, &end, &err), ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_status_and_errors),
        cmocka_unit_test(test_input_is_empty),
        cmocka_unit_test(test_end_of_errors_is_kept),
        cmocka_unit_test(test_reader_stops_it),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_signal_ends_it),
        cmocka_unit_test(test_what_cannot_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
