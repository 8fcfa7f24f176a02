#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pace.h"

static const PaceLimits limits = {.target_ms = 200, .rows_min = 1, .rows_max = 100000};

static void test_one_step(void **state)
{
    (void)state;
    static const struct {
        uint32_t rows;
        uint64_t took_ms;
        uint32_t next;
    } cases[] = {
        {1000, 200, 1000},                      /* right */
        {1000, 190, 1000},                      /* within a tenth */
        {1000, 220, 1000},   {1000, 170, 1170}, /* in proportion */
        {1000, 300, 660},    {1000, 20, 1200},  /* at most a fifth more */
        {1000, 0, 1200},     {1000, 9000, 500}, /* at most half */
        {1, 20, 2},                             /* one row can grow */
        {1, 9000, 1},                           /* and is the least */
        {100000, 1, 100000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(pace_rows(&limits, cases[i].rows, cases[i].took_ms), cases[i].next);
}

static void test_fixed(void **state)
{
    (void)state;
    const PaceLimits fixed = {.rows_min = 1, .rows_max = 100000};
    assert_int_equal(pace_rows(&fixed, 1000, 1), 1000);
    assert_int_equal(pace_rows(&fixed, 1000, 100000), 1000);
    assert_int_equal(pace_rows_after_failure(&fixed, 1000), 1000);
    assert_int_equal(pace_rows_after_failure(&limits, 1000), 500);
    assert_int_equal(pace_rows_after_failure(&limits, 1), 1);
}

static uint64_t random_next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* Whatever a row costs, and wherever it begins, batches soon take about the target, and stay there
 * although single ones take up to half again as long. */
static void test_settles(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        uint64_t random = seed * UINT64_C(0x9e3779b97f4a7c15);
        uint64_t row_us = 5 + random_next(&random) % 2000;
        uint32_t rows = 1 + (uint32_t)(random_next(&random) % limits.rows_max);
        for (int batch = 0; batch < 150; batch++) {
            uint64_t noise = batch < 75 ? 100 : 100 + random_next(&random) % 51;
            rows = pace_rows(&limits, rows, rows * row_us * noise / 100 / 1000);
            assert_in_range(rows, limits.rows_min, limits.rows_max);
            if (batch < 75)
                continue;
            uint64_t usual_ms = rows * row_us / 1000;
            assert_in_range(usual_ms, 95, 250);
        }
    }
}

enum { MIB = 1024 * 1024 };

static PaceSample at(uint64_t ms, uint64_t wal_mib)
{
    return (PaceSample){.at_ms = ms, .wal_bytes = wal_mib * MIB};
}

static PaceSamples row_of(const PaceSample *items, size_t count)
{
    PaceSamples samples = {0};
    for (size_t i = 0; i < count; i++)
        pace_sample_add(&samples, &items[i]);
    return samples;
}

static void test_the_last_samples_are_kept(void **state)
{
    (void)state;
    PaceSamples samples = {0};
    for (uint64_t i = 0; i < 1000; i++) {
        PaceSample sample = at(i * 500, i);
        pace_sample_add(&samples, &sample);
    }
    assert_int_equal(samples.count, PACE_SAMPLES);
    assert_int_equal(samples.items[0].wal_bytes / MIB, 1000 - PACE_SAMPLES);
    assert_int_equal(pace_wal_rate(&samples), 2 * MIB);
}

static void test_wal_rate(void **state)
{
    (void)state;
    const PaceSample items[] = {at(0, 0), at(500, 1), at(1000, 2), at(1500, 100), at(2500, 104)};
    PaceSamples samples = row_of(items, 1);
    assert_int_equal(pace_wal_rate(&samples), 0);
    samples = row_of(items, 3);
    assert_int_equal(pace_wal_rate(&samples), 2 * MIB);
    samples = row_of(items, 5);
    assert_int_equal(pace_wal_rate(&samples), (104 - 1) / 2.0 * MIB);
}

/* A replica that stands still is further behind with each look, whatever the server says of it. */
static void test_lag(void **state)
{
    (void)state;
    PaceSample items[] = {at(0, 10), at(500, 20), at(1000, 20), at(1500, 30), at(9500, 30)};
    PaceSamples samples = row_of(items, 5);
    assert_int_equal(pace_lag_ms(&samples), 0);
    for (size_t i = 0; i < 5; i++) {
        items[i].has_replicas = true;
        items[i].replay_bytes = UINT64_C(15) * MIB;
        items[i].replay_lag_ms = 40;
    }
    samples = row_of(items, 2);
    assert_int_equal(pace_lag_ms(&samples), 40);
    samples = row_of(items, 5);
    assert_int_equal(pace_lag_ms(&samples), 9000);
    items[4].replay_bytes = UINT64_C(30) * MIB; /* it has all: an old figure does not count */
    samples = row_of(items, 5);
    assert_int_equal(pace_lag_ms(&samples), 0);
}

/* Also for longer than samples are kept, and until it has replayed what it lacked then. */
static void test_lag_longer_than_the_samples(void **state)
{
    (void)state;
    PaceSamples samples = {0};
    for (uint64_t i = 0; i <= 1200; i++) {
        PaceSample sample = at(i * 500, i);
        sample.has_replicas = true;
        sample.replay_bytes = i < 10 ? i * MIB : UINT64_C(10) * MIB;
        pace_sample_add(&samples, &sample);
    }
    assert_int_equal(pace_lag_ms(&samples), (1200 - 11) * 500);
    PaceSample sample = at(600500, 1201);
    sample.has_replicas = true;
    sample.replay_bytes = UINT64_C(1199) * MIB;
    pace_sample_add(&samples, &sample);
    assert_int_equal(pace_lag_ms(&samples), 500);
    PaceSample without = at(601000, 1202);
    pace_sample_add(&samples, &without);
    assert_int_equal(pace_lag_ms(&samples), 0);
}

static bool goes(const PaceRules *rules, const PaceSample *sample, PaceHold *hold, char *reason)
{
    PaceSamples samples = row_of(sample, 1);
    return pace_may_go(rules, &samples, hold, reason, 120);
}

static void test_each_rule_holds_alone(void **state)
{
    (void)state;
    const PaceRules rules = {.replica_lag_ms = 1500, .archive_files = 42, .sessions = 10};
    static const PaceRules none = {0};
    static const struct {
        PaceSample sample;
        const char *reason;
    } cases[] = {
        {{.wal_bytes = 5, .has_replicas = true, .replay_bytes = 4, .replay_lag_ms = 3100},
         "replica lag 3.1 s"},
        {{.slots_at_risk = 2}, "2 replication slots about to lose their WAL"},
        {{.archive_files = 43}, "43 WAL files to archive"},
        {{.sessions = 11}, "11 sessions at work"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        PaceHold hold = {0};
        char reason[120] = "";
        assert_false(goes(&rules, &cases[i].sample, &hold, reason));
        assert_string_equal(reason, cases[i].reason);
        hold = (PaceHold){0};
        assert_true(goes(&none, &cases[i].sample, &hold, reason));
    }
    PaceHold hold = {0};
    char reason[120] = "";
    PaceSamples nothing = {0};
    assert_false(pace_may_go(&rules, &nothing, &hold, reason, sizeof reason));
    assert_true(pace_rules_are_empty(&none));
    assert_false(pace_rules_are_empty(&rules));
}

/* What was held goes on well below the limit, and not at once: else it would go on and off. */
static void test_hysteresis(void **state)
{
    (void)state;
    const PaceRules rules = {.archive_files = 50};
    static const struct {
        uint64_t at_ms;
        uint64_t files;
        bool goes;
    } cases[] = {
        {0, 50, true},    {500, 51, false},  {1000, 45, false}, {1500, 41, false}, {2000, 40, true},
        {2500, 50, true}, {3000, 60, false}, {3500, 10, false}, {3999, 10, false}, {4000, 10, true},
    };
    PaceHold hold = {0};
    char reason[120] = "";
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const PaceSample sample = {.at_ms = cases[i].at_ms, .archive_files = cases[i].files};
        assert_int_equal(goes(&rules, &sample, &hold, reason), cases[i].goes);
    }
}

/* The limit that it went beyond counts a fifth less until it is let go, and no other. */
static void test_hysteresis_is_of_one_limit(void **state)
{
    (void)state;
    const PaceRules rules = {.archive_files = 50, .sessions = 100};
    static const struct {
        uint64_t at_ms;
        uint64_t files;
        uint32_t sessions;
        bool goes;
    } cases[] = {
        {0, 10, 90, true},      {1000, 51, 90, false}, {3000, 45, 90, false},
        {5000, 40, 90, true},   {7000, 51, 90, false}, {9000, 40, 101, false},
        {11000, 45, 90, false}, {13000, 45, 80, true},
    };
    PaceHold hold = {0};
    char reason[120] = "";
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const PaceSample sample = {.at_ms = cases[i].at_ms,
                                   .archive_files = cases[i].files,
                                   .sessions = cases[i].sessions};
        assert_int_equal(goes(&rules, &sample, &hold, reason), cases[i].goes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_step),
        cmocka_unit_test(test_fixed),
        cmocka_unit_test(test_settles),
        cmocka_unit_test(test_the_last_samples_are_kept),
        cmocka_unit_test(test_wal_rate),
        cmocka_unit_test(test_lag),
        cmocka_unit_test(test_lag_longer_than_the_samples),
        cmocka_unit_test(test_each_rule_holds_alone),
        cmocka_unit_test(test_hysteresis),
        cmocka_unit_test(test_hysteresis_is_of_one_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
