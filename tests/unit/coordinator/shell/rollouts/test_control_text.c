#include "control_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static void a_question_is_read_as_it_was_written(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    AUTO_STR Str text = {0};
    ControlQuestion question;
    control_question_write(&text, &(ControlQuestion){"/backup/a \"b\"\n", true});
    assert_ptr_equal(strchr(str_text(&text), '\n'), text.data + text.length - 1);
    assert_int_equal(control_question_read(arena, text.data, text.length, &question, NULL), ERR_OK);
    assert_string_equal(question.directory, "/backup/a \"b\"\n");
    assert_true(question.with_key);
}

static void other_questions_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "{}",
        "[]",
        "{\"backup\":\"relative\",\"with_key\":false}",
        "{\"backup\":\"/x\"}",
        "{\"backup\":\"/x\",\"with_key\":1}",
        "{\"backup\":\"/x\",\"with_key\":false,\"more\":1}",
        "{\"backup\":7,\"with_key\":false}",
        "{\"backup\":\"/x\",\"with_key\":false} x",
    };
    AUTO_ARENA Arena *arena = arena_new();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ControlQuestion question;
        assert_int_equal(control_question_read(arena, bad[i], strlen(bad[i]), &question, NULL),
                         ERR_USAGE);
    }
}

static void an_answer_is_read_as_it_was_written(void **state)
{
    (void)state;
    AUTO_STR Str text = {0};
    StateBackup given = {.fleet_id = {{7}},
                         .head = {.seq = 5, .epoch = 2},
                         .made_unix_ms = 1000,
                         .blob_count = 3,
                         .size_bytes = 99,
                         .has_key = true};
    StateBackup found;
    control_answer_write(&text, &given, NULL);
    assert_int_equal(control_answer_read(text.data, text.length, &found, NULL), ERR_OK);
    assert_memory_equal(&found, &given, sizeof given);
}

static void an_error_arrives_as_it_is(void **state)
{
    (void)state;
    AUTO_STR Str text = {0};
    StateBackup found;
    Error given, err;
    err_set(&given, ERR_EXISTS, "'/x' is there already");
    err_detail(&given, "a detail");
    err_hint(&given, "Remove it.");
    control_answer_write(&text, NULL, &given);
    assert_int_equal(control_answer_read(text.data, text.length, &found, &err), ERR_EXISTS);
    assert_string_equal(err.message, given.message);
    assert_string_equal(err.detail, given.detail);
    assert_string_equal(err.hint, given.hint);
    assert_int_equal(control_answer_read("", 0, &found, &err), ERR_CONNECT);
    assert_int_equal(control_answer_read("{}", 2, &found, &err), ERR_CONNECT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_is_read_as_it_was_written),
        cmocka_unit_test(other_questions_are_refused),
        cmocka_unit_test(an_answer_is_read_as_it_was_written),
        cmocka_unit_test(an_error_arrives_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
