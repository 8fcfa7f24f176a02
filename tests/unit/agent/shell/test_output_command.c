#include "output_command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

typedef struct Seen {
    unsigned calls;
    ErrCode code;
    char text[300];
} Seen;

static void on_command(const char *output, size_t length, const Error *err, void *data)
{
    Seen *seen = data;
    seen->calls++;
    seen->code = err == NULL ? ERR_OK : err->code;
    snprintf(seen->text, sizeof seen->text, "%.*s", err == NULL ? (int)length : 280,
             err == NULL ? output : err->message);
}

static OutputCommand *start(uv_loop_t *loop, const StrList *argv, Seen *seen)
{
    OutputCommandArgs args = {.argv = argv, .output_bytes_max = 100, .deadline_ms = 30000};
    return output_command_start(loop, &args, on_command, seen);
}

static Seen run(const char *program, const char *option, const char *script)
{
    const char *words[] = {program, option, script};
    StrList argv = {.items = words, .count = 3};
    Seen seen = {0};
    uv_loop_t loop;
    assert_int_equal(uv_loop_init(&loop), 0);
    start(&loop, &argv, &seen);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(seen.calls, 1);
    return seen;
}

static void its_output_is_given(void **state)
{
    (void)state;
    Seen seen = run("sh", "-c", "echo '[1]'; echo ignored >&2");
    assert_int_equal(seen.code, ERR_OK);
    assert_string_equal(seen.text, "[1]\n");
}

static void it_has_no_password_of_ours(void **state)
{
    (void)state;
    setenv("PGPASSWORD", "secret", 1);
    Seen seen = run("sh", "-c", "echo \"<$PGPASSWORD>\"");
    assert_string_equal(seen.text, "<>\n");
    unsetenv("PGPASSWORD");
}

static void its_failures_are_told(void **state)
{
    (void)state;
    Seen seen = run("sh", "-c", "echo no such tenant >&2; echo more >&2; exit 3");
    assert_int_equal(seen.code, ERR_IO);
    assert_string_equal(seen.text, "'sh' ended with status 3: no such tenant");
    seen = run("sh", "-c", "kill -9 $$");
    assert_string_equal(seen.text, "'sh' was ended by signal 9");
    seen = run("/nonexistent/program", "-c", "");
    assert_int_equal(seen.code, ERR_IO);
    assert_non_null(strstr(seen.text, "/nonexistent/program"));
}

static void too_much_output_is_refused_and_not_shown(void **state)
{
    (void)state;
    Seen seen = run("sh", "-c", "printf '%0101d' 7; sleep 1000");
    assert_int_equal(seen.code, ERR_LIMIT);
    assert_string_equal(seen.text, "'sh' printed more than 100 bytes");
}

static void a_cancelled_one_says_nothing(void **state)
{
    (void)state;
    const char *words[] = {"sleep", "1000"};
    StrList argv = {.items = words, .count = 2};
    Seen seen = {0};
    uv_loop_t loop;
    assert_int_equal(uv_loop_init(&loop), 0);
    output_command_cancel(start(&loop, &argv, &seen));
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(seen.calls, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_output_is_given),
        cmocka_unit_test(it_has_no_password_of_ours),
        cmocka_unit_test(its_failures_are_told),
        cmocka_unit_test(too_much_output_is_refused_and_not_shown),
        cmocka_unit_test(a_cancelled_one_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
