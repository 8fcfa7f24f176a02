#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "slots.h"

#include "arena.h"

static int freed;

static void count_freed(void *value)
{
    freed += value != NULL;
}

static void values_are_found_by_their_shard(void **state)
{
    (void)state;
    enum { SHARDS = 500 };
    static int values[SHARDS];
    Slots slots = {0};
    assert_null(slots_find(&slots, 0));
    for (uint32_t i = 0; i < SHARDS; i++) { /* 499 and 500 have no common divisor: all, mixed up */
        uint32_t index = i * 499 % SHARDS;
        Slot *slot = slots_put(&slots, index * 3);
        assert_null(slot->value);
        slot->value = &values[index];
    }
    assert_int_equal(slots.count, SHARDS);
    for (uint32_t i = 0; i < SHARDS; i++) {
        assert_int_equal(slots.items[i].index, i * 3);
        assert_ptr_equal(slots_find(&slots, i * 3), &values[i]);
        assert_ptr_equal(slots_put(&slots, i * 3)->value, &values[i]);
        assert_null(slots_find(&slots, i * 3 + 1));
    }
    freed = 0;
    slots_free(&slots, count_freed);
    assert_int_equal(freed, SHARDS);
    assert_int_equal(slots.count, 0);
}

static void what_is_taken_is_the_callers(void **state)
{
    (void)state;
    int values[3];
    Slots slots = {0};
    for (uint32_t i = 0; i < 3; i++)
        slots_put(&slots, i)->value = &values[i];
    assert_ptr_equal(slots_take(&slots, 1), &values[1]);
    assert_null(slots_take(&slots, 1));
    assert_null(slots_find(&slots, 1));
    assert_ptr_equal(slots_find(&slots, 0), &values[0]);
    assert_ptr_equal(slots_find(&slots, 2), &values[2]);
    freed = 0;
    slots_free(&slots, count_freed);
    assert_int_equal(freed, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_found_by_their_shard),
        cmocka_unit_test(what_is_taken_is_the_callers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
