#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arena.h"

#include <stdlib.h>
#include <string.h>

static bool is_zero(const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return true;
}

static void test_blocks_are_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    enum { BLOCKS = 500 };
    uint8_t *blocks[BLOCKS];
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = arena_alloc(arena, i);
        assert_int_equal((uintptr_t)blocks[i] % _Alignof(max_align_t), 0);
        assert_true(is_zero(blocks[i], i));
        memset(blocks[i], (int)(i & 0xFF), i);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        for (size_t j = 0; j < i; j++)
            assert_int_equal(blocks[i][j], i & 0xFF);
    }
    assert_true(arena_used(arena) >= BLOCKS * (BLOCKS - 1) / 2);
}

static void test_reset_gives_zeroed_memory_again(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 50; i++) {
            uint8_t *block = arena_alloc(arena, 3000);
            assert_true(is_zero(block, 3000));
            memset(block, 0xAA, 3000);
        }
        arena_reset(arena);
        assert_int_equal(arena_used(arena), 0);
    }
}

static void test_rewinds_to_a_mark(void **state)
{
    (void)state;
    for (size_t before = 0; before < 20000; before += 4000) {
        AUTO_ARENA Arena *arena = arena_new();
        char *kept = before == 0 ? NULL : arena_alloc(arena, before);
        if (kept != NULL)
            memset(kept, 'k', before);
        ArenaMark mark = arena_mark(arena);
        size_t used = arena_used(arena);
        for (int round = 0; round < 5; round++) {
            for (int i = 0; i < 20; i++) {
                uint8_t *block = arena_alloc(arena, 3000);
                assert_true(is_zero(block, 3000));
                memset(block, 0xAA, 3000);
            }
            arena_rewind(arena, mark);
            assert_int_equal(arena_used(arena), used);
        }
        for (size_t i = 0; i < before; i++)
            assert_int_equal(kept[i], 'k');
    }
}

static void test_large_block(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    arena_alloc(arena, 10);
    size_t size = 5 * 1024 * 1024;
    uint8_t *large = arena_alloc(arena, size);
    assert_true(is_zero(large, size));
    memset(large, 1, size);
    assert_string_equal(arena_strdup(arena, "after"), "after");
}

static void test_grow_copies_and_zeroes(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    int *numbers = arena_grow(arena, NULL, 0, 2, sizeof *numbers);
    assert_int_equal(numbers[0], 0);
    numbers[0] = 7;
    numbers[1] = 8;
    numbers = arena_grow(arena, numbers, 2, 5, sizeof *numbers);
    const int expected[] = {7, 8, 0, 0, 0};
    assert_memory_equal(numbers, expected, sizeof expected);
}

static void test_texts(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    assert_null(arena_strdup(arena, NULL));
    assert_string_equal(arena_strndup(arena, "abcdef", 3), "abc");
    assert_string_equal(arena_printf(arena, "%s-%d", "x", 12), "x-12");
    char *bytes = arena_memdup(arena, "a\0b", 3);
    assert_memory_equal(bytes, "a\0b", 3);
}

static void test_outside_arenas(void **state)
{
    (void)state;
    int *numbers = xcalloc(3, sizeof *numbers);
    assert_int_equal(numbers[2], 0);
    numbers[2] = 5;
    numbers = xrealloc(numbers, 100 * sizeof *numbers);
    assert_int_equal(numbers[2], 5);
    free(numbers);
    char *text = xstrdup("text");
    assert_string_equal(text, "text");
    free(text);
    arena_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_are_zeroed_aligned_and_apart),
        cmocka_unit_test(test_reset_gives_zeroed_memory_again),
        cmocka_unit_test(test_rewinds_to_a_mark),
        cmocka_unit_test(test_large_block),
        cmocka_unit_test(test_grow_copies_and_zeroes),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_outside_arenas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
