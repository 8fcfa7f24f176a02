#include "password_command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "named_limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NOW_MS = 1000000 };

/* --- what is printed -------------------------------------------------------------------------- */

static void takes(const char *output, const char *password, uint64_t lasts_ms)
{
    char found[LIMIT_PASSWORD_BYTES + 1];
    uint64_t found_ms = 77;
    Error err;
    if (password_answer(output, strlen(output), NOW_MS, found, &found_ms, &err) != ERR_OK)
        fail_msg("'%s' is refused: %s", output, err.message);
    assert_string_equal(found, password);
    assert_int_equal(found_ms, lasts_ms);
}

static void refuses(const char *output, size_t length, const char *words)
{
    char found[LIMIT_PASSWORD_BYTES + 1] = "untouched";
    uint64_t found_ms = 77;
    Error err;
    assert_int_not_equal(password_answer(output, length, NOW_MS, found, &found_ms, &err), ERR_OK);
    if (strstr(err.message, words) == NULL)
        fail_msg("'%s' is not in: %s", words, err.message);
    assert_null(strstr(err.message, "hunter2"));
    assert_null(strstr(err.detail, "hunter2"));
    assert_string_equal(found, "untouched");
    assert_int_equal(found_ms, 77);
}

static void a_line_is_a_password(void **state)
{
    (void)state;
    takes("hunter2\n", "hunter2", 0);
    takes("hunter2", "hunter2", 0);
    takes("hunter2\r\n", "hunter2", 0);
    takes(" with spaces \n", " with spaces ", 0);
}

static void an_object_may_say_how_long(void **state)
{
    (void)state;
    takes("{\"password\": \"hunter2\"}", "hunter2", 0);
    takes(" \n{\"password\": \"a\\\"b\\u00e9\", \"expires\": 90}\n", "a\"b\xc3\xa9", 90000);
    takes("{\"expires\": \"1970-01-01T00:17:00Z\", \"password\": \"x\"}", "x", 20000);
}

static void refuses_text(const char *output, const char *words)
{
    refuses(output, strlen(output), words);
}

static void what_is_wrong_is_said_without_the_password(void **state)
{
    (void)state;
    refuses_text("", "no password");
    refuses_text("\n", "no password");
    refuses_text("hunter2\nand more\n", "more than one line");
    refuses("hunter2\0x", 9, "NUL");
    refuses_text("{\"password\": \"hunter2\"", "line 1 of what it printed is not JSON");
    refuses_text("{\"password\": \"hunter2\"} hunter2", "not JSON");
    refuses_text("{\"password\": 7}", "no text 'password'");
    refuses_text("{\"expires\": 7}", "no text 'password'");
    refuses_text("{\"password\": \"\"}", "no password");
    refuses_text("{\"password\": \"hunter2\", \"token\": \"x\"}", "unknown key 'token'");
    refuses_text("{\"password\": \"hunter2\", \"expires\": 0}", "has expired");
    refuses_text("{\"password\": \"hunter2\", \"expires\": -5}", "has expired");
    refuses_text("{\"password\": \"hunter2\", \"expires\": \"1970-01-01T00:00:01Z\"}",
                 "has expired");
    refuses_text("{\"password\": \"hunter2\", \"expires\": \"soon\"}", "neither a time");
    refuses_text("{\"password\": \"hunter2\", \"expires\": 1.5}", "neither a time");
    refuses_text("{\"password\": \"hunter2\", \"expires\": 9223372036854775807}", "has expired");
    static char large[LIMIT_PASSWORD_BYTES + 2];
    memset(large, 'x', sizeof large - 1);
    refuses_text(large, "more than");
}

/* --- who asks --------------------------------------------------------------------------------- */

typedef struct Fixture {
    Arena *arena;
    uv_loop_t loop;
    char directory[64];
    StrList argv;
    PgPasswords *passwords;
} Fixture;

typedef struct Answer {
    unsigned calls;
    char password[64];
    uint64_t number;
    ErrCode code;
    char message[256];
} Answer;

static void on_answer(const char *password, uint64_t number, const Error *err, void *data)
{
    Answer *answer = data;
    answer->calls++;
    answer->number = number;
    answer->code = err == NULL ? ERR_OK : err->code;
    snprintf(answer->password, sizeof answer->password, "%s", password == NULL ? "" : password);
    snprintf(answer->message, sizeof answer->message, "%s", err == NULL ? "" : err->message);
}

static int setup(void **state)
{
    Fixture *f = calloc(1, sizeof *f);
    f->arena = arena_new();
    strcpy(f->directory, "/tmp/pgtide-passwords-XXXXXX");
    if (mkdtemp(f->directory) == NULL || uv_loop_init(&f->loop) != 0)
        return -1;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    Fixture *f = *state;
    int closed = uv_loop_close(&f->loop);
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", f->directory);
    int removed = system(command);
    arena_free(f->arena);
    free(f);
    return closed == 0 && removed == 0 ? 0 : -1;
}

static void command_is(Fixture *f, const char *script)
{
    f->argv = (StrList){0};
    strlist_add(f->arena, &f->argv, "/bin/sh");
    strlist_add(f->arena, &f->argv, "-c");
    strlist_add(f->arena, &f->argv, arena_printf(f->arena, "cd %s; %s", f->directory, script));
    f->passwords = password_command_new(f->arena, "main", &f->argv);
}

static void ask(Fixture *f, uint64_t refused, Answer *answer)
{
    f->passwords->ask(f->passwords, &f->loop, refused, on_answer, answer);
}

#define COUNTING "echo x >>runs; wc -l <runs"

static void one_run_serves_all_until_it_is_refused(void **state)
{
    Fixture *f = *state;
    Answer answers[4] = {0};
    command_is(f, COUNTING);
    assert_null(f->passwords->known(f->passwords));
    ask(f, 0, &answers[0]);
    ask(f, 0, &answers[1]);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    ask(f, 0, &answers[2]); /* known: no loop is needed */
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(answers[i].calls, 1);
        assert_string_equal(answers[i].password, "1");
        assert_int_equal(answers[i].number, 1);
    }
    assert_string_equal(f->passwords->known(f->passwords), "1");
    ask(f, 1, &answers[3]);
    assert_null(f->passwords->known(f->passwords));
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_string_equal(answers[3].password, "2");
    assert_int_equal(answers[3].number, 2);
    ask(f, 1, &answers[0]); /* somebody else has had it replaced by now */
    assert_string_equal(answers[0].password, "2");
}

static void one_that_expires_is_fetched_anew(void **state)
{
    Fixture *f = *state;
    Answer first = {0}, second = {0}, third = {0};
    command_is(f, "echo x >>runs; printf '{\"password\":\"%s\",\"expires\":%s}' \"$(wc -l <runs)\" "
                  "\"$(cat lasts)\"");
    char command[128];
    snprintf(command, sizeof command, "echo 1 >%s/lasts", f->directory);
    assert_int_equal(system(command), 0);
    ask(f, 0, &first);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_string_equal(first.password, "1");
    snprintf(command, sizeof command, "echo 3600 >%s/lasts", f->directory);
    assert_int_equal(system(command), 0);
    while (second.calls == 0 || strcmp(second.password, "1") == 0) {
        ask(f, 0, &second);
        uv_run(&f->loop, UV_RUN_DEFAULT);
        usleep(20000);
    }
    assert_string_equal(second.password, "2");
    ask(f, 0, &third);
    assert_string_equal(third.password, "2");
}

static void a_failure_is_a_connections_and_tells_no_output(void **state)
{
    Fixture *f = *state;
    Answer answers[2] = {0};
    command_is(f, "echo hunter2; echo 'vault is sealed' >&2; echo more >&2; exit 3");
    ask(f, 0, &answers[0]);
    ask(f, 0, &answers[1]);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(answers[i].calls, 1);
        assert_int_equal(answers[i].code, ERR_CONNECT);
        assert_string_equal(answers[i].message, "the password command of cluster main: '/bin/sh' "
                                                "ended with status 3: vault is sealed");
    }
    command_is(f, "echo hunter2; echo hunter2");
    ask(f, 0, &answers[0]);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(answers[0].code, ERR_CONNECT);
    assert_non_null(strstr(answers[0].message, "more than one line"));
    assert_null(strstr(answers[0].message, "hunter2"));
    assert_null(f->passwords->known(f->passwords));
}

static void nobody_waits_for_a_command_that_nobody_asks_for(void **state)
{
    Fixture *f = *state;
    Answer gone = {0}, stays = {0};
    command_is(f, "while [ ! -e go ]; do sleep 0.02; done; echo late");
    ask(f, 0, &gone);
    ask(f, 0, &stays);
    f->passwords->cancel(f->passwords, &gone);
    char command[128];
    snprintf(command, sizeof command, "touch %s/go", f->directory);
    assert_int_equal(system(command), 0);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(gone.calls, 0);
    assert_string_equal(stays.password, "late");
    command_is(f, "sleep 1000");
    ask(f, 0, &gone);
    f->passwords->cancel(f->passwords, &gone);
    uv_run(&f->loop, UV_RUN_DEFAULT); /* ends: the command is not waited for */
    assert_int_equal(gone.calls, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_a_password),
        cmocka_unit_test(an_object_may_say_how_long),
        cmocka_unit_test(what_is_wrong_is_said_without_the_password),
        cmocka_unit_test_setup_teardown(one_run_serves_all_until_it_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_expires_is_fetched_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failure_is_a_connections_and_tells_no_output, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(nobody_waits_for_a_command_that_nobody_asks_for, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
