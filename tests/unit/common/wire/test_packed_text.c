#include "packed_text.h"

#include "wire_test.h"

static void what_is_packed_comes_back(void **state)
{
    (void)state;
    uint8_t bytes[4096];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i % 7 == 0 ? i * 31 : 0);
    for (size_t length = 0; length < sizeof bytes; length = length * 2 + 1) {
        AUTO_ARENA Arena *arena = arena_new();
        AUTO_STR Str text = {0};
        uint8_t *back;
        Error err;
        packed_text_write(&text, bytes, length);
        assert_int_equal(packed_text_read(arena, str_text(&text), length, &back, &err), ERR_OK);
        assert_memory_equal(back, bytes, length);
    }
}

static void what_was_not_packed_is_refused(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    AUTO_STR Str text = {0};
    uint8_t *back;
    Error err;
    packed_text_write(&text, "four and twenty", 15);
    assert_int_equal(packed_text_read(arena, str_text(&text), 14, &back, &err), ERR_PROTOCOL);
    assert_int_equal(packed_text_read(arena, str_text(&text), 16, &back, &err), ERR_PROTOCOL);
    text.data[5] ^= 1;
    assert_int_equal(packed_text_read(arena, str_text(&text), 15, &back, &err), ERR_PROTOCOL);
    assert_int_equal(packed_text_read(arena, "", 15, &back, &err), ERR_PROTOCOL);
    assert_int_equal(packed_text_read(arena, "abc", 15, &back, &err), ERR_PROTOCOL);
    assert_int_equal(packed_text_read(arena, "????", 15, &back, &err), ERR_PROTOCOL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_packed_comes_back),
        cmocka_unit_test(what_was_not_packed_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
