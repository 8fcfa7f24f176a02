#include "digest.h"
#include "wire_test.h"

static void assert_hex(const uint8_t *bytes, size_t length, const char *expected)
{
    char text[2 * 64 + 1];
    hex_encode(bytes, length, text);
    assert_string_equal(text, expected);
}

/* FIPS 180-2 */
static void sha256_of_abc(void **state)
{
    (void)state;
    Digest digest = sha256_bytes("abc", 3);
    assert_hex(digest.bytes, 32,
               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void pieces_give_the_digest_of_the_whole(void **state)
{
    (void)state;
    Digest whole = sha256_bytes("abcdef", 6);
    Sha256 hash;
    sha256_init(&hash);
    sha256_update(&hash, "ab", 2);
    sha256_update(&hash, NULL, 0);
    sha256_update(&hash, "cdef", 4);
    Digest first = sha256_next(&hash);
    sha256_update(&hash, "abcdef", 6);
    Digest again = sha256_final(&hash);
    assert_true(digest_equal(&whole, &first));
    assert_true(digest_equal(&whole, &again));
}

static void file_is_limited(void **state)
{
    (void)state;
    char directory[64];
    char path[96];
    test_directory(directory);
    snprintf(path, sizeof path, "%s/file", directory);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("abc", file);
    fclose(file);
    Digest digest = {{0}};
    uint64_t size = 99;
    assert_code(ERR_LIMIT, sha256_file(path, 2, &digest, &size, err));
    assert_int_equal(size, 99);
    assert_ok(sha256_file(path, 3, &digest, &size, err));
    assert_int_equal(size, 3);
    Digest expected = sha256_bytes("abc", 3);
    assert_true(digest_equal(&digest, &expected));
    unlink(path);
    assert_code(ERR_NOT_FOUND, sha256_file(path, 3, &digest, &size, err));
    remove_directory(directory);
}

static void random_uuid_is_version_4(void **state)
{
    (void)state;
    Uuid one = uuid_random();
    Uuid other = uuid_random();
    assert_int_equal(one.bytes[6] >> 4, 4);
    assert_int_equal(one.bytes[8] >> 6, 2);
    assert_false(uuid_equal(&one, &other));
}

static Uuid counting_uuid(void)
{
    Uuid uuid;
    for (uint8_t i = 0; i < 16; i++) {
        uuid.bytes[i] = i;
    }
    return uuid;
}

/* The expected values were made with another program from the formulas in INTERFACES.md. */
static void shard_uuid_as_specified(void **state)
{
    (void)state;
    Uuid fleet = counting_uuid();
    Uuid shard = shard_uuid(&fleet, 0x0123456789abcdef, 0x01020304, "tenant_7");
    assert_hex(shard.bytes, 16, "2ce940467ba38ca89e7c2f24d91a074f");
    Uuid whole = shard_uuid(&fleet, 0x0123456789abcdef, 0x01020304, "");
    assert_false(uuid_equal(&shard, &whole));
}

static void operation_id_as_specified(void **state)
{
    (void)state;
    Uuid shard = counting_uuid();
    Digest plan;
    memset(plan.bytes, 0xaa, sizeof plan.bytes);
    OperationId operation = operation_id(&plan, &shard, 2, 7, DIRECTION_DOWNGRADE);
    assert_hex(operation.bytes, 16, "54be6eb45317ef8fcada9882650d725d");
    OperationId up = operation_id(&plan, &shard, 2, 7, DIRECTION_UPGRADE);
    OperationId next = operation_id(&plan, &shard, 3, 7, DIRECTION_DOWNGRADE);
    assert_memory_not_equal(operation.bytes, up.bytes, 16);
    assert_memory_not_equal(operation.bytes, next.bytes, 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_of_abc),
        cmocka_unit_test(pieces_give_the_digest_of_the_whole),
        cmocka_unit_test(file_is_limited),
        cmocka_unit_test(random_uuid_is_version_4),
        cmocka_unit_test(shard_uuid_as_specified),
        cmocka_unit_test(operation_id_as_specified),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
