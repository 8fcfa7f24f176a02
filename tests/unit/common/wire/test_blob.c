#include "blob.h"
#include "digest.h"
#include "str.h"
#include "wire_test.h"

#include <dirent.h>
#include <sys/stat.h>

typedef struct Place {
    char directory[64];
    char store_directory[96];
    BlobStore *store;
    Arena *arena;
} Place;

enum { LIMIT = 1000 };

static int setup(void **state)
{
    Place *place = calloc(1, sizeof *place);
    test_directory(place->directory);
    snprintf(place->store_directory, sizeof place->store_directory, "%s/deep/blobs",
             place->directory);
    place->arena = arena_new();
    assert_ok(blob_store_open(place->store_directory, LIMIT, &place->store, err));
    *state = place;
    return 0;
}

static int teardown(void **state)
{
    Place *place = *state;
    blob_store_close(place->store);
    remove_directory(place->directory);
    arena_free(place->arena);
    free(place);
    return 0;
}

static void put_and_read(void **state)
{
    Place *place = *state;
    Digest digest;
    Digest expected = sha256_bytes("hello", 5);
    uint8_t *bytes;
    size_t length;
    assert_ok(blob_put(place->store, "hello", 5, &digest, err));
    assert_true(digest_equal(&digest, &expected));
    assert_ok(blob_put(place->store, "hello", 5, &digest, err));
    assert_true(blob_has(place->store, &digest));
    assert_ok(blob_read(place->store, place->arena, &digest, &bytes, &length, err));
    assert_int_equal(length, 5);
    assert_memory_equal(bytes, "hello", 5);
    char hex[DIGEST_HEX_SIZE];
    char path[256];
    struct stat info;
    digest_hex(&digest, hex);
    snprintf(path, sizeof path, "%s/%s", place->store_directory, hex);
    assert_string_equal(blob_path(place->store, place->arena, &digest), path);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    assert_ok(blob_remove(place->store, &digest, err));
    assert_ok(blob_remove(place->store, &digest, err));
    assert_code(ERR_NOT_FOUND,
                blob_read(place->store, place->arena, &digest, &bytes, &length, err));
}

static void damage_is_found(void **state)
{
    Place *place = *state;
    Digest digest;
    uint8_t *bytes;
    size_t length;
    assert_ok(blob_put(place->store, "hello", 5, &digest, err));
    FILE *file = fopen(blob_path(place->store, place->arena, &digest), "r+");
    fputs("jello", file);
    fclose(file);
    assert_code(ERR_DIGEST_MISMATCH,
                blob_read(place->store, place->arena, &digest, &bytes, &length, err));
}

static void pieces_are_read(void **state)
{
    Place *place = *state;
    Digest digest;
    char buffer[4];
    size_t length = 0;
    uint64_t total = 0;
    assert_ok(blob_put(place->store, "hello", 5, &digest, err));
    assert_ok(blob_read_piece(place->store, &digest, 0, buffer, 3, &length, &total, err));
    assert_int_equal(length, 3);
    assert_memory_equal(buffer, "hel", 3);
    assert_ok(blob_read_piece(place->store, &digest, 3, buffer, 3, &length, &total, err));
    assert_int_equal(length, 2);
    assert_int_equal(total, 5);
    assert_ok(blob_read_piece(place->store, &digest, 5, buffer, 3, &length, &total, err));
    assert_int_equal(length, 0);
    assert_code(ERR_PROTOCOL,
                blob_read_piece(place->store, &digest, 6, buffer, 3, &length, &total, err));
}

static void upload_in_pieces_goes_on_after_a_restart(void **state)
{
    Place *place = *state;
    Digest digest = sha256_bytes("hello world", 11);
    uint64_t at = 99;
    assert_ok(blob_put_begin(place->store, &digest, 11, &at, err));
    assert_int_equal(at, 0);
    assert_ok(blob_put_append(place->store, &digest, 0, "hello", 5, &at, err));
    assert_int_equal(at, 5);
    assert_false(blob_has(place->store, &digest));
    blob_store_close(place->store);
    assert_ok(blob_store_open(place->store_directory, LIMIT, &place->store, err));
    assert_ok(blob_put_begin(place->store, &digest, 11, &at, err));
    assert_int_equal(at, 5);
    /* The same piece again, and one with a hole before it. */
    assert_ok(blob_put_append(place->store, &digest, 0, "hello", 5, &at, err));
    assert_int_equal(at, 5);
    assert_code(ERR_PROTOCOL, blob_put_append(place->store, &digest, 6, "world", 5, &at, err));
    assert_code(ERR_PROTOCOL, blob_put_append(place->store, &digest, 4, "o world", 7, &at, err));
    assert_ok(blob_put_append(place->store, &digest, 5, " world", 6, &at, err));
    assert_ok(blob_put_finish(place->store, &digest, err));
    assert_true(blob_has(place->store, &digest));
    assert_ok(blob_put_begin(place->store, &digest, 11, &at, err));
    assert_int_equal(at, 11);
    assert_ok(blob_put_finish(place->store, &digest, err));
}

static void wrong_upload_is_dropped(void **state)
{
    Place *place = *state;
    Digest digest = sha256_bytes("hello", 5);
    uint64_t at;
    assert_ok(blob_put_begin(place->store, &digest, 5, &at, err));
    assert_ok(blob_put_append(place->store, &digest, 0, "jello", 5, &at, err));
    assert_code(ERR_DIGEST_MISMATCH, blob_put_finish(place->store, &digest, err));
    assert_false(blob_has(place->store, &digest));
    assert_ok(blob_put_begin(place->store, &digest, 5, &at, err));
    assert_int_equal(at, 0);
    blob_put_abandon(place->store, &digest);
    assert_code(ERR_STATE, blob_put_append(place->store, &digest, 0, "h", 1, &at, err));
    assert_code(ERR_STATE, blob_put_finish(place->store, &digest, err));
}

static void sizes_are_limited(void **state)
{
    Place *place = *state;
    static uint8_t large[LIMIT + 1];
    Digest digest = {{1}};
    uint64_t at;
    assert_code(ERR_LIMIT, blob_put(place->store, large, sizeof large, &digest, err));
    assert_code(ERR_LIMIT, blob_put_begin(place->store, &digest, LIMIT + 1, &at, err));
    assert_ok(blob_put_begin(place->store, &digest, LIMIT, &at, err));
    assert_ok(blob_put_append(place->store, &digest, 0, large, LIMIT, &at, err));
    assert_code(ERR_LIMIT, blob_put_append(place->store, &digest, LIMIT, large, 1, &at, err));
    assert_ok(blob_put(place->store, large, LIMIT, &digest, err));
}

static size_t count_parts(const Place *place)
{
    size_t count = 0;
    DIR *dir = opendir(place->store_directory);
    assert_non_null(dir);
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
        count += str_ends_with(entry->d_name, ".part");
    closedir(dir);
    return count;
}

/* Whoever may upload could fill the disk with beginnings. */
static void unfinished_uploads_do_not_pile_up(void **state)
{
    Place *place = *state;
    uint64_t offset;
    Digest last = {{0}};
    for (uint32_t i = 0; i < 100; i++) {
        last = sha256_bytes(&i, sizeof i);
        assert_ok(blob_put_begin(place->store, &last, LIMIT, &offset, err));
    }
    assert_int_equal(count_parts(place), 16);
    uint32_t number = 99;
    assert_ok(blob_put_append(place->store, &last, 0, &number, sizeof number, &offset, err));
    assert_ok(blob_put_finish(place->store, &last, err));
    assert_true(blob_has(place->store, &last));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(put_and_read),
        TEST(damage_is_found),
        TEST(pieces_are_read),
        TEST(upload_in_pieces_goes_on_after_a_restart),
        TEST(wrong_upload_is_dropped),
        TEST(sizes_are_limited),
        TEST(unfinished_uploads_do_not_pile_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
