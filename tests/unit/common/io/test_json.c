#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "json.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

static void test_nesting_and_commas(void **state)
{
    (void)state;
    AUTO_STR Str out = {0};
    JsonWriter json = json_writer(&out);
    json_object_begin(&json);
    json_field_object(&json, "empty");
    json_object_end(&json);
    json_field_array(&json, "list");
    json_int(&json, -1);
    json_array_begin(&json);
    json_array_end(&json);
    json_object_begin(&json);
    json_field_bool(&json, "yes", true);
    json_field_bool(&json, "no", false);
    json_object_end(&json);
    json_none(&json);
    json_array_end(&json);
    json_field_null(&json, "none");
    json_key(&json, "raw");
    json_raw(&json, "[1]", 3);
    json_object_end(&json);
    assert_string_equal(str_text(&out), "{\"empty\":{},\"list\":[-1,[],{\"yes\":true,\"no\":false},"
                                        "null],\"none\":null,\"raw\":[1]}");
}

static void test_values(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    StrList list = {0};
    strlist_add(arena, &list, "a");
    strlist_add(arena, &list, "b");
    AUTO_STR Str out = {0};
    JsonWriter json = json_writer(&out);
    json_object_begin(&json);
    json_field_int(&json, "min", INT64_MIN);
    json_field_uint(&json, "max", UINT64_MAX);
    json_field_string(&json, "text", "t");
    json_field_string(&json, "absent", NULL);
    json_field_time(&json, "at", 1);
    json_field_time(&json, "never", 0);
    json_field_strings(&json, "rows", &list);
    json_object_end(&json);
    assert_string_equal(str_text(&out),
                        "{\"min\":-9223372036854775808,\"max\":18446744073709551615,\"text\":\"t\","
                        "\"absent\":null,\"at\":\"1970-01-01T00:00:00.001Z\",\"never\":null,"
                        "\"rows\":[\"a\",\"b\"]}");
}

static void test_escapes(void **state)
{
    (void)state;
    AUTO_STR Str out = {0};
    JsonWriter json = json_writer(&out);
    json_text(&json, "\"\\/\n\t\r\x01\x1b\x7f \xC2\x9B \xC3\xA9 \xE2\x80\xA8 \xF0\x9F\x98\x80");
    assert_string_equal(str_text(&out), "\"\\\"\\\\/\\n\\t\\u000d\\u0001\\u001b\\u007f \\u009b "
                                        "\xC3\xA9 \\u2028 \xF0\x9F\x98\x80\"");
}

static void test_invalid_utf8_is_replaced(void **state)
{
    (void)state;
    AUTO_STR Str out = {0};
    JsonWriter json = json_writer(&out);
    json_text_bytes(&json, "a\xFFz\xC3", 4);
    assert_string_equal(str_text(&out), "\"a\xEF\xBF\xBDz\xEF\xBF\xBD\"");
}

/* Every byte value, in pairs, through a reader that is not ours. */
static void test_any_bytes_read_back_as_valid_json(void **state)
{
    (void)state;
    for (int first = 0; first < 256; first++) {
        AUTO_STR Str out = {0};
        JsonWriter json = json_writer(&out);
        json_array_begin(&json);
        for (int second = 0; second < 256; second++) {
            const char bytes[2] = {(char)first, (char)second};
            json_text_bytes(&json, bytes, 2);
        }
        json_array_end(&json);
        json_error_t error;
        json_t *read = json_loadb(out.data, out.length, JSON_ALLOW_NUL, &error);
        assert_non_null(read);
        assert_int_equal(json_array_size(read), 256);
        if (first < 0x80) {
            const json_t *pair = json_array_get(read, 'x');
            const char expected[2] = {(char)first, 'x'};
            assert_int_equal(json_string_length(pair), 2);
            assert_memory_equal(json_string_value(pair), expected, 2);
        }
        json_decref(read);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nesting_and_commas),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_invalid_utf8_is_replaced),
        cmocka_unit_test(test_any_bytes_read_back_as_valid_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
