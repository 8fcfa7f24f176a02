#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tally.h"

#include <string.h>

static void test_outcome_of_an_error(void **state)
{
    (void)state;
    assert_int_equal(run_outcome_of(ERR_OK), RUN_DONE);
    assert_int_equal(run_outcome_of(ERR_SQL), RUN_FAILED);
    assert_int_equal(run_outcome_of(ERR_REVISION_UNKNOWN), RUN_FAILED);
    assert_int_equal(run_outcome_of(ERR_FLEET_MANAGED), RUN_FAILED);
    assert_int_equal(run_outcome_of(ERR_UNKNOWN), RUN_UNKNOWN);
    assert_int_equal(run_outcome_of(ERR_DIVERGED), RUN_FAILED);
    assert_int_equal(run_outcome_of(ERR_CONNECT), RUN_UNAVAILABLE);
    assert_int_equal(run_outcome_of(ERR_BUSY), RUN_UNAVAILABLE);
    assert_int_equal(run_outcome_of(ERR_LOCK_TIMEOUT), RUN_UNAVAILABLE);
    assert_int_equal(run_outcome_of(ERR_INTERRUPTED), RUN_INTERRUPTED);
    assert_int_equal(run_outcome_of(ERR_DIFFERENCE), RUN_DIFFERENT);
}

static RunTally tally_of(size_t total, const char *outcomes)
{
    static const char letters[] = "-dnxfaiu"; /* in the order of the enum */
    RunTally tally = run_tally(total);
    for (const char *at = outcomes; *at != '\0'; at++)
        run_tally_add(&tally, (RunOutcome)(strchr(letters, *at) - letters));
    return tally;
}

static void expect_exit(size_t total, const char *outcomes, int signal, int status)
{
    RunTally tally = tally_of(total, outcomes);
    assert_int_equal(run_tally_exit_status(&tally, signal), status);
}

static void test_exit_status(void **state)
{
    (void)state;
    expect_exit(3, "ddn", 0, 0);
    expect_exit(3, "dfn", 0, 1);
    expect_exit(3, "dfa", 0, 1);
    expect_exit(3, "dad", 0, 6);
    expect_exit(3, "dxd", 0, 3);
    expect_exit(3, "xaf", 0, 1);
    expect_exit(3, "fua", 0, 4);
    expect_exit(3, "dui", 2, 4);
    expect_exit(3, "ddi", 2, 130);
    expect_exit(9, "ddf", 15, 143);
    expect_exit(3, "ddn", 2, 0); /* the signal came too late to change anything */
}

static void test_counts(void **state)
{
    (void)state;
    RunTally tally = tally_of(10, "dnfau");
    assert_int_equal(tally.counts[RUN_NOT_STARTED], 5);
    assert_int_equal(run_tally_failures(&tally), 3);
    for (RunOutcome outcome = RUN_NOT_STARTED; outcome < RUN_OUTCOME_COUNT; outcome++)
        assert_non_null(run_outcome_name(outcome));
}

static void expect_policy(const char *text, const char *outcomes, bool stops)
{
    FailurePolicy policy;
    Error err;
    assert_int_equal(failure_policy_parse(text, &policy, &err), ERR_OK);
    RunTally tally = tally_of(20, outcomes);
    assert_int_equal(failure_policy_stops(&policy, &tally), stops);
}

static void test_policy(void **state)
{
    (void)state;
    expect_policy(NULL, "dd", false);
    expect_policy(NULL, "df", true);
    expect_policy("stop", "u", true);
    expect_policy("stop", "dxn", false); /* a difference that was asked about is an answer */
    expect_policy("0", "a", true);
    expect_policy("2", "ffd", false);
    expect_policy("2", "ffa", true);
    expect_policy("continue", "ffffffffff", false);
}

static void test_wrong_policies(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "-1", "1x", "never", "100001", "9999999999", "1%"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        FailurePolicy policy = {.allowed = 77};
        Error err;
        assert_int_equal(failure_policy_parse(wrong[i], &policy, &err), ERR_USAGE);
        assert_int_equal(policy.allowed, 77);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outcome_of_an_error),
        cmocka_unit_test(test_exit_status),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_policy),
        cmocka_unit_test(test_wrong_policies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
