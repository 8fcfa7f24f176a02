#include "activity.h"

#include "named_limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const Blocker blocker = {4711, "app", "psql", "idle in transaction", 12000};

static Activity make(ActivityKind kind, const char *what)
{
    return (Activity){.kind = kind, .what = what, .held_back = "", .blocker = {0, "", "", "", 0}};
}

static void a_blocker_is_named_by_what_may_be_seen(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    assert_string_equal(blocker_text(arena, &blocker),
                        "4711 (app, psql, idle in transaction, in its transaction for 12 s)");
    Blocker hidden = {7, "", "", "", 0};
    assert_string_equal(blocker_text(arena, &hidden), "7");
    hidden.since_ms = UINT64_C(3) * 3600 * 1000;
    assert_string_equal(blocker_text(arena, &hidden), "7 (in its transaction for 3 h)");
}

static void each_kind_has_its_line(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Activity activity = make(ACTIVITY_LOCK_WAIT, "ALTER TABLE users");
    assert_string_equal(activity_text(arena, &activity), "ALTER TABLE users, waits for a lock");
    activity.has_blocker = true;
    activity.blocker = blocker;
    activity.waiting_behind = 3;
    assert_string_equal(activity_text(arena, &activity),
                        "ALTER TABLE users, waits for a lock behind 4711 (app, psql, idle in "
                        "transaction, in its transaction for 12 s); 3 sessions wait behind it");
    activity = make(ACTIVITY_BUILD, "CREATE INDEX CONCURRENTLY i");
    activity.percent = 43;
    activity.unit = 2;
    activity.unit_count = 3;
    activity.waiting_behind = 1;
    assert_string_equal(activity_text(arena, &activity),
                        "2 of 3: CREATE INDEX CONCURRENTLY i: 43%; 1 session waits behind it");
    activity = make(ACTIVITY_BACKFILL, "UPDATE messages");
    activity.done = 500;
    assert_string_equal(activity_text(arena, &activity), "UPDATE messages: 500 rows");
    activity.total = 2000;
    activity.percent = 25;
    activity.rate_per_s = 10;
    activity.eta_ms = 150000;
    activity.held_back = "replica lag 3.1 s";
    assert_string_equal(activity_text(arena, &activity),
                        "UPDATE messages: 500 of 2000 rows (25%), 10 a second, about 2 min left; "
                        "held back: replica lag 3.1 s");
}

static void a_copy_is_cut_between_characters(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    char text[LIMIT_ACTIVITY_TEXT_BYTES + 10];
    for (size_t i = 0; i + 2 < sizeof text; i += 2)
        memcpy(text + i, "\xc3\xa4", 2);
    text[sizeof text - 1 - (sizeof text - 1) % 2] = '\0';
    Activity activity = make(ACTIVITY_BUILD, text);
    activity.blocker.user = NULL;
    Activity copy = activity_copy(arena, &activity);
    assert_int_equal(strlen(copy.what), LIMIT_ACTIVITY_TEXT_BYTES - 1);
    assert_memory_equal(copy.what, text, LIMIT_ACTIVITY_TEXT_BYTES - 1);
    assert_string_equal(copy.blocker.user, "");
}

static void a_copy_does_not_steer_a_terminal(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Activity activity = make(ACTIVITY_LOCK_WAIT, "ALTER\nTABLE");
    activity.blocker.user = "\x1b[31mred\x7f";
    Activity copy = activity_copy(arena, &activity);
    assert_string_equal(copy.what, "ALTER TABLE");
    assert_string_equal(copy.blocker.user, " [31mred ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_blocker_is_named_by_what_may_be_seen),
        cmocka_unit_test(each_kind_has_its_line),
        cmocka_unit_test(a_copy_is_cut_between_characters),
        cmocka_unit_test(a_copy_does_not_steer_a_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
