#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ids.h"

#include <string.h>

static void test_hex(void **state)
{
    (void)state;
    const uint8_t bytes[] = {0x00, 0x0F, 0xA5, 0xFF};
    char text[9];
    hex_encode(bytes, sizeof bytes, text);
    assert_string_equal(text, "000fa5ff");
    uint8_t back[4] = {0};
    assert_true(hex_decode("000fa5ff", back, 4));
    assert_memory_equal(back, bytes, 4);
    assert_false(hex_decode("000FA5FF", back, 4));
    assert_false(hex_decode("000fa5f", back, 4));
    assert_false(hex_decode("000fa5ff0", back, 4));
    assert_false(hex_decode("000fa5fg", back, 4));
    assert_false(hex_decode("", back, 4));
}

static void test_uuid(void **state)
{
    (void)state;
    static const char text[] = "01234567-89ab-cdef-0123-456789abcdef";
    Uuid uuid;
    assert_true(uuid_parse(text, &uuid));
    assert_int_equal(uuid.bytes[0], 0x01);
    assert_int_equal(uuid.bytes[15], 0xEF);
    char out[UUID_TEXT_SIZE];
    uuid_format(&uuid, out);
    assert_string_equal(out, text);

    Uuid other = uuid;
    assert_true(uuid_equal(&uuid, &other));
    assert_int_equal(uuid_compare(&uuid, &other), 0);
    other.bytes[15]++;
    assert_false(uuid_equal(&uuid, &other));
    assert_true(uuid_compare(&uuid, &other) < 0);
    assert_true(uuid_compare(&other, &uuid) > 0);
    assert_false(uuid_is_nil(&uuid));
    assert_true(uuid_is_nil(&(Uuid){0}));
}

static void test_uuid_refusals_leave_the_output(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "01234567-89ab-cdef-0123-456789abcde",
        "01234567-89ab-cdef-0123-456789abcdef0",
        "01234567-89AB-cdef-0123-456789abcdef",
        "0123456789ab-cdef-0123-456789abcdef-",
        "01234567_89ab_cdef_0123_456789abcdef",
        "{1234567-89ab-cdef-0123-456789abcde}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        Uuid uuid = {.bytes = {9}};
        assert_false(uuid_parse(bad[i], &uuid));
        assert_int_equal(uuid.bytes[0], 9);
    }
}

static void test_digest(void **state)
{
    (void)state;
    Digest digest = {0};
    assert_true(digest_is_zero(&digest));
    digest.bytes[0] = 0xAB;
    digest.bytes[31] = 0x01;
    assert_false(digest_is_zero(&digest));
    char text[DIGEST_TEXT_SIZE];
    digest_format(&digest, text);
    assert_string_equal(text,
                        "sha256:ab00000000000000000000000000000000000000000000000000000000000001");
    Digest back;
    assert_true(digest_parse(text, &back));
    assert_true(digest_equal(&digest, &back));
    back.bytes[16] = 1;
    assert_false(digest_equal(&digest, &back));
    char hex[DIGEST_HEX_SIZE];
    digest_hex(&digest, hex);
    assert_string_equal(hex, text + strlen("sha256:"));
    assert_false(digest_parse(hex, &back));
    assert_false(digest_parse("sha512:ab", &back));
    text[10] = 'X';
    assert_false(digest_parse(text, &back));
}

static void test_operation(void **state)
{
    (void)state;
    OperationId operation = {.bytes = {0x10, [15] = 0x0F}};
    char text[OPERATION_TEXT_SIZE];
    operation_format(&operation, text);
    assert_string_equal(text, "1000000000000000000000000000000f");
}

/* `count` times the letter a. */
static const char *letters(size_t count)
{
    static char text[300];
    memset(text, 'a', count);
    text[count] = '\0';
    return text;
}

static void test_names(void **state)
{
    (void)state;
    assert_true(name_is_valid("a"));
    assert_true(name_is_valid("0"));
    assert_true(name_is_valid("host-1_b"));
    assert_true(name_is_valid(letters(63)));
    assert_false(name_is_valid(letters(64)));
    assert_false(name_is_valid(""));
    assert_false(name_is_valid("-a"));
    assert_false(name_is_valid("_a"));
    assert_false(name_is_valid("A"));
    assert_false(name_is_valid("a.b"));
    assert_false(name_is_valid("a b"));
    assert_false(name_is_valid("a\n"));
    assert_false(name_is_valid("\xC3\xA9"));
}

static void test_revision_ids(void **state)
{
    (void)state;
    assert_true(revision_id_is_valid("007_add_user_bio"));
    assert_true(revision_id_is_valid("ae10.X"));
    assert_true(revision_id_is_valid(letters(255)));
    assert_false(revision_id_is_valid(letters(256)));
    assert_false(revision_id_is_valid(""));
    assert_false(revision_id_is_valid("a-b"));
    assert_false(revision_id_is_valid("a/b"));
    assert_false(revision_id_is_valid("a'b"));
    assert_false(revision_id_is_valid("a\n"));
}

static void test_key_ids(void **state)
{
    (void)state;
    assert_true(key_id_is_valid("ed25519:0123456789abcdef0123456789abcdef"));
    assert_false(key_id_is_valid("ed25519:0123456789abcdef0123456789abcde"));
    assert_false(key_id_is_valid("ed25519:0123456789abcdef0123456789abcdeff"));
    assert_false(key_id_is_valid("ed25519:0123456789ABCDEF0123456789abcdef"));
    assert_false(key_id_is_valid("rsa:0123456789abcdef0123456789abcdef"));
    assert_false(key_id_is_valid(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_uuid),
        cmocka_unit_test(test_uuid_refusals_leave_the_output),
        cmocka_unit_test(test_digest),
        cmocka_unit_test(test_operation),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_revision_ids),
        cmocka_unit_test(test_key_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
