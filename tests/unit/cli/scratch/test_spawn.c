#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "spawn.h"

#include <signal.h>
#include <string.h>

static ErrCode run(const char *script, size_t limit, Str *output, Error *err)
{
    Wait wait;
    const char *const argv[] = {"sh", "-c", script, NULL};
    const SpawnArgs args = {.program = "sh", .argv = argv, .output_limit = limit};
    wait_open(&wait);
    ErrCode code = spawn_run(&wait, &args, output, err);
    wait_close(&wait);
    return code;
}

static void test_output(void **state)
{
    (void)state;
    AUTO_STR Str output = {0};
    assert_int_equal(run("printf 'a\\nb'", 3, &output, NULL), ERR_OK);
    assert_string_equal(str_text(&output), "a\nb");
    assert_int_equal(run("echo nobody reads it", 0, NULL, NULL), ERR_OK);
}

static void test_failures(void **state)
{
    (void)state;
    Error err = {0};
    assert_int_equal(run("echo why >&2; exit 3", 10, NULL, &err), ERR_IO);
    assert_non_null(strstr(err.message, "exit status 3"));
    assert_non_null(strstr(err.detail, "why"));
    assert_int_equal(run("kill -USR1 $$", 10, NULL, &err), ERR_IO);
    assert_non_null(strstr(err.message, "ended by signal"));
}

/* What is too long is ended, whether it listens to SIGTERM or not. */
static void test_too_long(void **state)
{
    (void)state;
    Error err = {0};
    assert_int_equal(run("yes", 1000, NULL, &err), ERR_LIMIT);
    assert_non_null(strstr(err.message, "more than 1000 bytes"));
    assert_int_equal(run("trap '' TERM; yes", 1000, NULL, &err), ERR_LIMIT);
}

/* Ctrl-C, and again for what does not listen. */
static void test_interrupted(void **state)
{
    (void)state;
    Error err = {0};
    assert_int_equal(run("kill -INT $PPID; exec tail -f /dev/null", 10, NULL, &err),
                     ERR_INTERRUPTED);
    assert_int_equal(run("trap 'kill -INT $PPID' TERM; kill -INT $PPID; "
                         "tail -f /dev/null & while :; do wait; done",
                         10, NULL, &err),
                     ERR_INTERRUPTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_output),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_interrupted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
