#include "manifest.h"

#include "backup_keep.h"
#include "backup_place.h"
#include "digest.h"
#include "file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct Fixture {
    Arena *arena;
    char root[64];
    Manifest manifest;
    Error err;
} Fixture;

static int setup(void **state)
{
    static ManifestFile files[] = {{"1.dat", {{1}}, 3}, {"toc.dat", {{2}}, 4}};
    Fixture *f = xcalloc(1, sizeof(*f));
    f->arena = arena_new();
    strcpy(f->root, "/tmp/pgtide-manifest-XXXXXX");
    assert_non_null(mkdtemp(f->root));
    f->manifest = (Manifest){
        .method = BACKUP_METHOD_DIRECTORY,
        .command = "",
        .id = "",
        .shard = {{0xaa}},
        .cluster = "main",
        .database = "ten\"ant",
        .schema = "s",
        .rollout = {{0xbb}},
        .plan = {{0xcc}},
        .operation = {{0xdd}},
        .file = "dd.dir",
        .sha256 = {{0xee}},
        .size_bytes = 7,
        .files = files,
        .file_count = 2,
        .facts = {.system_identifier = UINT64_MAX,
                  .database_oid = UINT32_MAX,
                  .server_version = 150010,
                  .size_bytes = 4000000000,
                  .owner = "o",
                  .schema_owner = "so",
                  .encoding = "UTF8",
                  .locale_provider = "i",
                  .collate = "C",
                  .ctype = "C.UTF-8",
                  .locale = "de",
                  .icu_rules = "&a < b",
                  .tablespace = "pg_default",
                  .transaction_horizon = 5000000000},
        .pg_dump_version = 150012,
        .compress = 3,
        .encrypted = true,
        .plaintext_sha256 = {{0x0f}},
        .started_unix_ms = 1700000000001,
        .finished_unix_ms = 1700000000002,
        .verified_unix_ms = 1700000000003,
        .checked_unix_ms = 1700000000004,
        .damage = "what is wrong",
        .restore_tested_ms = 42,
        .needed_until_unix_ms = 1700000000005,
    };
    strlist_add(f->arena, &f->manifest.rows, "r1");
    strlist_add(f->arena, &f->manifest.recipients, "sha256:ab");
    assert_int_equal(
        dir_make(path_dirname(f->arena, backup_file_path(f->arena, f->root, &f->manifest.shard,
                                                         &f->manifest.operation, "")),
                 0700, NULL),
        ERR_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    Fixture *f = *state;
    backup_remove_path(f->root);
    arena_free(f->arena);
    free(f);
    return 0;
}

static const char *path_of(Fixture *f)
{
    return backup_file_path(f->arena, f->root, &f->manifest.shard, &f->manifest.operation,
                            ".manifest");
}

static char *text_of(Fixture *f)
{
    uint8_t *bytes;
    size_t length;
    assert_int_equal(file_read_all(f->arena, path_of(f), 100000, &bytes, &length, NULL), ERR_OK);
    return (char *)bytes;
}

static void what_is_written_reads_back(void **state)
{
    Fixture *f = *state;
    Manifest read;
    assert_int_equal(manifest_write(f->root, &f->manifest, &f->err), ERR_OK);
    assert_int_equal(manifest_find(f->arena, f->root, &f->manifest.shard, &f->manifest.operation,
                                   &read, &f->err),
                     ERR_OK);
    char *first = text_of(f);
    assert_int_equal(read.facts.system_identifier, UINT64_MAX);
    assert_string_equal(read.database, "ten\"ant");
    assert_string_equal(read.files[1].name, "toc.dat");
    assert_int_equal(read.needed_until_unix_ms, 1700000000005);
    assert_int_equal(manifest_write(f->root, &read, &f->err), ERR_OK);
    assert_string_equal(text_of(f), first); /* every field, since all of them are written */
    struct stat status;
    assert_int_equal(stat(path_of(f), &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
}

static void refuses(Fixture *f, const char *from, const char *to)
{
    char *text = text_of(f);
    char *at = strstr(text, from);
    if (at == NULL)
        fail_msg("no %s in %s", from, text);
    char *changed =
        arena_printf(f->arena, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    assert_int_equal(file_write_atomic(path_of(f), changed, strlen(changed), 0600, NULL), ERR_OK);
    Manifest read;
    if (manifest_read(f->arena, path_of(f), &read, &f->err) != ERR_BACKUP)
        fail_msg("taken: %s", changed);
    assert_int_equal(manifest_write(f->root, &f->manifest, &f->err), ERR_OK);
}

static void what_is_not_a_manifest_is_refused(void **state)
{
    Fixture *f = *state;
    Manifest read;
    assert_int_equal(manifest_read(f->arena, path_of(f), &read, &f->err), ERR_NOT_FOUND);
    assert_int_equal(manifest_write(f->root, &f->manifest, &f->err), ERR_OK);
    refuses(f, "{\"pgtide\":2", "{\"pgtide\":3"); /* a later form */
    refuses(f, "\"directory\"", "\"none\"");
    refuses(f, "dd.dir", "../dd.dir");
    refuses(f, "\"toc.dat\"", "\"/etc/passwd\"");
    refuses(f, "\"toc.dat\"", "\"a/../../b\"");
    refuses(f, "\"size_bytes\":7", "\"size_bytes\":-7");
    refuses(f, "\"sha256\":\"sha256:ee", "\"sha256\":\"sha256:zz");
    refuses(f, "18446744073709551615", "1844674407370955161x");
    refuses(f, "\"finished\":\"2023", "\"finished\":\"never");
    refuses(f, "\"rows\":[\"r1\"]", "\"rows\":[1]");
    refuses(f, "}]}", "}]");
    assert_int_equal(manifest_read(f->arena, path_of(f), &read, &f->err), ERR_OK);
}

/* As `sha256sum * | sha256sum` says it. */
static void a_directory_has_a_digest_that_others_can_make(void **state)
{
    (void)state;
    ManifestFile files[] = {{"a", sha256_bytes("1", 1), 1}, {"b", sha256_bytes("2", 1), 1}};
    static const char lines[] =
        "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b  a\n"
        "d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35  b\n";
    Digest expected = sha256_bytes(lines, sizeof lines - 1);
    Digest found = manifest_files_digest(files, 2);
    assert_true(digest_equal(&found, &expected));
}

static void files_that_are_gone_or_cut_off_are_seen(void **state)
{
    Fixture *f = *state;
    f->manifest.damage = "";
    assert_int_equal(manifest_write(f->root, &f->manifest, &f->err), ERR_OK);
    KeptBackups kept = kept_read(f->arena, f->root, &f->manifest.shard);
    assert_int_equal(kept.count, 1);
    assert_string_equal(kept.items[0].damage, "1.dat is not there");
    char shard[UUID_TEXT_SIZE];
    uuid_format(&f->manifest.shard, shard);
    const char *dir =
        path_join(f->arena, f->root, arena_printf(f->arena, "%s/%s", shard, f->manifest.file));
    assert_int_equal(dir_make(dir, 0700, NULL), ERR_OK);
    assert_int_equal(file_write_new(path_join(f->arena, dir, "1.dat"), "123", 3, 0600, NULL), 0);
    assert_int_equal(file_write_new(path_join(f->arena, dir, "toc.dat"), "12", 2, 0600, NULL), 0);
    kept = kept_read(f->arena, f->root, &f->manifest.shard);
    assert_string_equal(kept.items[0].damage, "toc.dat has another size");
    const char *odd = arena_printf(f->arena, "%s/%s/odd.manifest", f->root, shard);
    assert_int_equal(file_write_new(odd, "{}", 2, 0600, NULL), 0);
    kept = kept_read(f->arena, f->root, &f->manifest.shard);
    assert_int_equal(kept.count, 1);
    assert_int_equal(kept.unreadable, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_is_written_reads_back),
        T(what_is_not_a_manifest_is_refused),
        T(a_directory_has_a_digest_that_others_can_make),
        T(files_that_are_gone_or_cut_off_are_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
