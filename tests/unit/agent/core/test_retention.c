#include "retention.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { DAY = 24 * 3600 * 1000 };
#define NOW (UINT64_C(100) * DAY)

static RetainedBackup made(uint64_t days_ago, bool verified)
{
    return (RetainedBackup){.finished_unix_ms = NOW - days_ago * DAY, .verified = verified};
}

static void the_newest_so_many_stay(void **state)
{
    (void)state;
    RetainedBackup backups[] = {made(4, true), made(1, true), made(3, true), made(2, true)};
    RetentionRules rules = {.keep = 2, .now_unix_ms = NOW};
    KeepReason reasons[4];
    retention_decide(backups, 4, &rules, reasons);
    assert_int_equal(reasons[0], KEEP_NOTHING);
    assert_int_equal(reasons[1], KEEP_NEWEST_VERIFIED);
    assert_int_equal(reasons[2], KEEP_NOTHING);
    assert_int_equal(reasons[3], KEEP_COUNT);
    rules.keep = 0; /* all */
    retention_decide(backups, 4, &rules, reasons);
    assert_int_equal(reasons[0], KEEP_COUNT);
}

static void young_ones_stay_whatever_their_number(void **state)
{
    (void)state;
    RetainedBackup backups[] = {made(31, true), made(30, true), made(29, true), made(1, true)};
    RetentionRules rules = {.keep = 1, .keep_for_ms = UINT64_C(30) * DAY, .now_unix_ms = NOW};
    KeepReason reasons[4];
    retention_decide(backups, 4, &rules, reasons);
    assert_int_equal(reasons[0], KEEP_NOTHING);
    assert_int_equal(reasons[1], KEEP_NOTHING); /* exactly so old */
    assert_int_equal(reasons[2], KEEP_AGE);
    backups[0].finished_unix_ms = NOW + DAY; /* by a clock that was wrong */
    retention_decide(backups, 4, &rules, reasons);
    assert_int_equal(reasons[0], KEEP_NEWEST_VERIFIED);
}

static void the_newest_verified_one_always_stays(void **state)
{
    (void)state;
    RetainedBackup backups[] = {made(90, true), made(3, false), made(2, false), made(1, false)};
    RetentionRules rules = {.keep = 1, .now_unix_ms = NOW};
    KeepReason reasons[4];
    retention_decide(backups, 4, &rules, reasons);
    assert_int_equal(reasons[0], KEEP_NEWEST_VERIFIED);
    assert_int_equal(reasons[1], KEEP_NOTHING);
    assert_int_equal(reasons[3], KEEP_COUNT);
}

/* It takes nobody's place, and is not what one falls back on. */
static void a_damaged_one_counts_for_nothing(void **state)
{
    (void)state;
    RetainedBackup backups[] = {made(3, true), made(2, true), made(1, true)};
    RetentionRules rules = {.keep = 2, .now_unix_ms = NOW};
    KeepReason reasons[3];
    backups[2].damaged = true;
    retention_decide(backups, 3, &rules, reasons);
    assert_int_equal(reasons[0], KEEP_COUNT);
    assert_int_equal(reasons[1], KEEP_NEWEST_VERIFIED);
    assert_int_equal(reasons[2], KEEP_NOTHING);
}

static void what_a_rollback_may_need_stays(void **state)
{
    (void)state;
    RetainedBackup backups[] = {made(3, true), made(2, true), made(1, true)};
    RetentionRules rules = {.keep = 1, .now_unix_ms = NOW};
    KeepReason reasons[3];
    backups[0].needed_until_unix_ms = NOW + 1;
    backups[1].needed_until_unix_ms = NOW;
    retention_decide(backups, 3, &rules, reasons);
    assert_int_equal(reasons[0], KEEP_ROLLBACK);
    assert_int_equal(reasons[1], KEEP_NOTHING);
    rules.at_work = true;
    retention_decide(backups, 3, &rules, reasons);
    assert_int_equal(reasons[1], KEEP_AT_WORK);
}

/* Over all small lists: the newest verified one stays, and no fewer than `keep` undamaged ones. */
static void over_all_small_lists(void **state)
{
    (void)state;
    enum { COUNT = 4, FORMS = 12 };
    for (unsigned code = 0; code < FORMS * FORMS * FORMS * FORMS; code++) {
        RetainedBackup backups[COUNT];
        unsigned left = code;
        size_t sound = 0, newest = COUNT;
        for (size_t i = 0; i < COUNT; i++, left /= FORMS) {
            unsigned form = left % FORMS;
            backups[i] = made(form % 3, (form / 3) % 2);
            backups[i].damaged = form / 6 == 1;
            sound += !backups[i].damaged;
            bool good = backups[i].verified && !backups[i].damaged;
            if (good && (newest == COUNT ||
                         backups[i].finished_unix_ms >= backups[newest].finished_unix_ms))
                newest = i;
        }
        for (uint32_t keep = 1; keep < 4; keep++) {
            RetentionRules rules = {.keep = keep, .now_unix_ms = NOW};
            KeepReason reasons[COUNT];
            size_t kept = 0;
            retention_decide(backups, COUNT, &rules, reasons);
            for (size_t i = 0; i < COUNT; i++)
                kept += !backups[i].damaged && reasons[i] != KEEP_NOTHING;
            assert_true(kept >= (sound < keep ? sound : keep));
            assert_true(kept <= keep + 1);
            if (newest < COUNT)
                assert_int_equal(reasons[newest], KEEP_NEWEST_VERIFIED);
        }
    }
}

static void each_reason_has_words(void **state)
{
    (void)state;
    for (int i = 0; i < KEEP_REASON_COUNT; i++)
        assert_true(keep_reason_text((KeepReason)i)[0] != '\0');
    assert_string_equal(keep_reason_text(KEEP_NOTHING), "may go");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_so_many_stay),
        cmocka_unit_test(young_ones_stay_whatever_their_number),
        cmocka_unit_test(the_newest_verified_one_always_stays),
        cmocka_unit_test(a_damaged_one_counts_for_nothing),
        cmocka_unit_test(what_a_rollback_may_need_stays),
        cmocka_unit_test(over_all_small_lists),
        cmocka_unit_test(each_reason_has_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
