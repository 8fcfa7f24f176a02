#include "fetch.h"

#include "digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIMIT = 1000 };

typedef struct Fixture {
    char directory[64];
    uv_loop_t loop;
    BlobStore *blobs;
    Fetch *fetch;
    BlobFetch asked; /* last */
    int ask_count;
    int done_count;
    Digest done_digest;
    ErrCode done_code;
} Fixture;

static void on_ask(void *context, const BlobFetch *fetch)
{
    Fixture *f = context;
    f->asked = *fetch;
    f->ask_count++;
}

static void on_done(void *context, const Digest *digest, const Error *err)
{
    Fixture *f = context;
    f->done_digest = *digest;
    f->done_code = err == NULL ? ERR_OK : err->code;
    f->done_count++;
}

static int setup(void **state)
{
    Fixture *f = xcalloc(1, sizeof(*f));
    strcpy(f->directory, "/tmp/pgtide-fetch-XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    uv_loop_init(&f->loop);
    assert_int_equal(blob_store_open(f->directory, LIMIT, &f->blobs, NULL), ERR_OK);
    FetchSettings settings = {
        .loop = &f->loop, .blobs = f->blobs, .ask = on_ask, .done = on_done, .context = f};
    f->fetch = fetch_new(&settings);
    *state = f;
    return 0;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

static int teardown(void **state)
{
    Fixture *f = *state;
    fetch_free(f->fetch);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    blob_store_close(f->blobs);
    nftw(f->directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(f);
    return 0;
}

static void give(Fixture *f, const Digest *digest, uint64_t offset, uint64_t total,
                 const char *bytes)
{
    BlobChunk chunk = {
        .digest = *digest,
        .offset = offset,
        .total = total,
        .bytes = {(const uint8_t *)bytes, strlen(bytes)},
    };
    fetch_chunk(f->fetch, &chunk);
}

static void pieces_make_a_blob(void **state)
{
    Fixture *f = *state;
    Digest digest = sha256_bytes("hello world", 11);
    fetch_want(f->fetch, &digest);
    fetch_want(f->fetch, &digest);
    assert_int_equal(f->ask_count, 1);
    assert_int_equal(f->asked.offset, 0);
    give(f, &digest, 0, 11, "hello ");
    assert_int_equal(f->ask_count, 2);
    assert_int_equal(f->asked.offset, 6);
    give(f, &digest, 0, 11, "hello "); /* an answer that came twice */
    assert_int_equal(f->ask_count, 2);
    give(f, &digest, 6, 11, "world");
    assert_int_equal(f->done_count, 1);
    assert_int_equal(f->done_code, ERR_OK);
    assert_true(blob_has(f->blobs, &digest));
    assert_false(fetch_is_wanted(f->fetch, &digest));
    give(f, &digest, 6, 11, "world"); /* nobody asked */
    assert_int_equal(f->done_count, 1);
}

static void wrong_bytes_are_no_blob(void **state)
{
    Fixture *f = *state;
    Digest digest = sha256_bytes("hello", 5);
    fetch_want(f->fetch, &digest);
    give(f, &digest, 0, 5, "hullo");
    assert_int_equal(f->done_code, ERR_DIGEST_MISMATCH);
    assert_false(blob_has(f->blobs, &digest));
    fetch_want(f->fetch, &digest); /* and does not stand in the way of the right ones */
    give(f, &digest, 0, 5, "hello");
    assert_int_equal(f->done_count, 2);
    assert_int_equal(f->done_code, ERR_OK);
}

static void what_is_not_there_is_told(void **state)
{
    Fixture *f = *state;
    Digest digest = {{1}};
    fetch_want(f->fetch, &digest);
    give(f, &digest, 0, 0, "");
    assert_int_equal(f->done_code, ERR_NOT_FOUND);
}

static void too_much_is_refused_before_it_is_stored(void **state)
{
    Fixture *f = *state;
    Digest digest = {{1}};
    fetch_want(f->fetch, &digest);
    give(f, &digest, 0, LIMIT + 1, "x");
    assert_int_equal(f->done_code, ERR_LIMIT);
}

static void one_after_the_other(void **state)
{
    Fixture *f = *state;
    Digest first = sha256_bytes("a", 1), second = sha256_bytes("b", 1);
    fetch_want(f->fetch, &first);
    fetch_want(f->fetch, &second);
    assert_int_equal(f->ask_count, 1);
    give(f, &second, 0, 1, "b"); /* not its turn */
    assert_int_equal(f->done_count, 0);
    give(f, &first, 0, 1, "a");
    assert_true(digest_equal(&f->asked.digest, &second));
    give(f, &second, 0, 1, "b");
    assert_int_equal(f->done_count, 2);
}

static void an_empty_piece_is_not_asked_for_in_circles(void **state)
{
    Fixture *f = *state;
    Digest digest = sha256_bytes("hello", 5);
    fetch_want(f->fetch, &digest);
    give(f, &digest, 0, 5, "");
    assert_int_equal(f->ask_count, 1);
    fetch_resume(f->fetch);
    assert_int_equal(f->ask_count, 2);
    give(f, &digest, 0, 5, "hello");
    assert_int_equal(f->done_code, ERR_OK);
}

static void a_part_is_gone_on_with_after_a_restart(void **state)
{
    Fixture *f = *state;
    Digest digest = sha256_bytes("hello world", 11);
    fetch_want(f->fetch, &digest);
    give(f, &digest, 0, 11, "hello ");
    fetch_free(f->fetch);
    FetchSettings settings = {
        .loop = &f->loop, .blobs = f->blobs, .ask = on_ask, .done = on_done, .context = f};
    f->fetch = fetch_new(&settings);
    fetch_want(f->fetch, &digest);
    assert_int_equal(f->asked.offset, 0);
    give(f, &digest, 0, 11, "hello ");
    assert_int_equal(f->asked.offset, 6);
    give(f, &digest, 6, 11, "world");
    assert_true(blob_has(f->blobs, &digest));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(pieces_make_a_blob),
        T(wrong_bytes_are_no_blob),
        T(what_is_not_there_is_told),
        T(too_much_is_refused_before_it_is_stored),
        T(one_after_the_other),
        T(an_empty_piece_is_not_asked_for_in_circles),
        T(a_part_is_gone_on_with_after_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
