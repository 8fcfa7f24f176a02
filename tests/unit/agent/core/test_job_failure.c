#include "job_failure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static Error error_of(ErrCode code, const char *sqlstate)
{
    Error err;
    err_set(&err, code, "it failed");
    err_sqlstate(&err, sqlstate);
    return err;
}

/* Each code of the table, so that a new one is thought of. */
static void assert_retried(JobFailureClass (*of)(const Error *err), const ErrCode *codes,
                           size_t count)
{
    for (int code = ERR_OK + 1; code < ERR_COUNT; code++) {
        JobFailureClass expected = JOB_FAILURE_FINAL;
        for (size_t i = 0; i < count; i++) {
            if (codes[i] == (ErrCode)code)
                expected = JOB_FAILURE_RETRY;
        }
        Error err = error_of((ErrCode)code, "");
        if (of(&err) != expected)
            fail_msg("%s is class %d", err_code_name((ErrCode)code), of(&err));
    }
}

static JobFailureClass of_connect(const Error *err)
{
    return job_failure_of_connect(err, false);
}

static void a_server_that_is_away_is_asked_again(void **state)
{
    (void)state;
    static const ErrCode codes[] = {ERR_CONNECT, ERR_BUSY, ERR_TIMEOUT, ERR_INTERRUPTED};
    assert_retried(of_connect, codes, sizeof codes / sizeof *codes);
    Error full = error_of(ERR_SQL, "53300");
    assert_int_equal(of_connect(&full), JOB_FAILURE_RETRY);
    Error no_database = error_of(ERR_CONNECT, "3D000");
    assert_int_equal(of_connect(&no_database), JOB_FAILURE_FINAL);
}

static void a_password_that_a_command_gives_may_be_changing(void **state)
{
    (void)state;
    Error refused = error_of(ERR_AUTH, "28P01");
    assert_int_equal(job_failure_of_connect(&refused, false), JOB_FAILURE_FINAL);
    assert_int_equal(job_failure_of_connect(&refused, true), JOB_FAILURE_RETRY);
}

static void a_claim_changes_nothing_that_needs_reading(void **state)
{
    (void)state;
    static const ErrCode codes[] = {ERR_CONNECT,      ERR_TIMEOUT, ERR_UNKNOWN,
                                    ERR_LOCK_TIMEOUT, ERR_BUSY,    ERR_INTERRUPTED};
    assert_retried(job_failure_of_claim, codes, sizeof codes / sizeof *codes);
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        Error err = error_of(codes[i], "");
        assert_int_equal(job_failure_ends_session(&err), i < 3);
    }
    Error no_memory = error_of(ERR_SQL, "53200");
    assert_int_equal(job_failure_of_claim(&no_memory), JOB_FAILURE_RETRY);
}

static void a_step_whose_commit_was_sent_is_read_before_anything_else(void **state)
{
    (void)state;
    static const ErrCode unread[] = {ERR_UNKNOWN, ERR_CONNECT};
    for (size_t i = 0; i < 2; i++) {
        Error err = error_of(unread[i], "");
        assert_int_equal(job_failure_of_step(&err, false), JOB_FAILURE_UNKNOWN);
    }
    Error lost = error_of(ERR_CONNECT, "");
    assert_int_equal(job_failure_of_step(&lost, true), JOB_FAILURE_RETRY);
    static const ErrCode retried[] = {ERR_LOCK_TIMEOUT, ERR_LOCK_BUDGET, ERR_BUSY, ERR_INTERRUPTED};
    for (size_t i = 0; i < sizeof retried / sizeof *retried; i++) {
        Error err = error_of(retried[i], "");
        assert_int_equal(job_failure_of_step(&err, false), JOB_FAILURE_RETRY);
    }
    Error full = error_of(ERR_SQL, "53100");
    assert_int_equal(job_failure_of_step(&full, false), JOB_FAILURE_RETRY);
    static const ErrCode final[] = {ERR_SQL,    ERR_TIMEOUT,   ERR_VERIFY, ERR_DIVERGED,
                                    ERR_FENCED, ERR_OVERTAKEN, ERR_REFUSED};
    for (size_t i = 0; i < sizeof final / sizeof *final; i++) {
        Error err = error_of(final[i], "");
        assert_int_equal(job_failure_of_step(&err, false), JOB_FAILURE_FINAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_that_is_away_is_asked_again),
        cmocka_unit_test(a_password_that_a_command_gives_may_be_changing),
        cmocka_unit_test(a_claim_changes_nothing_that_needs_reading),
        cmocka_unit_test(a_step_whose_commit_was_sent_is_read_before_anything_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
