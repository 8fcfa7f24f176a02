#include "state_backup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "blob.h"
#include "file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct Fixture {
    Arena *arena;
    char directory[64];
    const char *state;
    const char *target;
    Journal *journal;
    Digest blob;
    atomic_bool stop;
} Fixture;

static const char *below(const Fixture *f, const char *name)
{
    return path_join(f->arena, f->directory, name);
}

static int setup(void **state)
{
    Fixture *f = calloc(1, sizeof *f);
    BlobStore *blobs;
    uint64_t seq;
    f->arena = arena_new();
    strcpy(f->directory, "/tmp/pgtide-state-XXXXXX");
    if (mkdtemp(f->directory) == NULL)
        return -1;
    f->state = below(f, "state");
    f->target = below(f, "backup");
    bool made =
        mkdir(f->state, 0700) == 0 &&
        journal_open(path_join(f->arena, f->state, "journal.sqlite"), &f->journal, NULL) ==
            ERR_OK &&
        journal_append_sync(f->journal, 1, "record", 6, &seq, NULL) == ERR_OK &&
        blob_store_open(path_join(f->arena, f->state, "blobs"), 1000, &blobs, NULL) == ERR_OK &&
        blob_put(blobs, "a plan", 6, &f->blob, NULL) == ERR_OK &&
        file_write_new(below(f, "the.key"), "secret", 6, 0600, NULL) == ERR_OK;
    if (!made)
        return -1;
    blob_store_close(blobs);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    Fixture *f = *state;
    char command[128];
    journal_close(f->journal);
    snprintf(command, sizeof command, "rm -r %s", f->directory);
    int status = system(command);
    arena_free(f->arena);
    free(f);
    return status;
}

static ErrCode make(Fixture *f, const char *key_path, StateBackup *backup, Error *err)
{
    StateBackupArgs args = {
        .journal = f->journal,
        .state_path = f->state,
        .directory = f->target,
        .key_path = key_path,
        .name = "one",
        .fleet_id = {{7}},
        .stop = &f->stop,
    };
    return state_backup_make(&args, backup, err);
}

static void must_make(Fixture *f, const char *key_path, StateBackup *backup)
{
    Error err;
    if (make(f, key_path, backup, &err) != ERR_OK)
        fail_msg("%s (%s)", err.message, err.detail);
}

static void what_is_made_is_found_whole(void **state)
{
    Fixture *f = *state;
    StateBackup made, found;
    must_make(f, NULL, &made);
    assert_int_equal(state_backup_check(f->target, &found, NULL), ERR_OK);
    assert_int_equal(found.head.seq, 1);
    assert_int_equal(found.head.epoch, 1);
    assert_true(digest_equal(&found.head.hash, &made.head.hash));
    assert_int_equal(found.blob_count, 1);
    assert_int_equal(found.size_bytes, made.size_bytes);
    assert_int_equal(found.fleet_id.bytes[0], 7);
    assert_false(found.has_key);
    assert_false(file_exists(path_join(f->arena, f->target, "coordinator.key")));
    assert_false(file_exists(below(f, "backup.partial")));
}

static void a_key_goes_in_when_it_is_asked_for(void **state)
{
    Fixture *f = *state;
    StateBackup backup;
    struct stat status;
    must_make(f, below(f, "the.key"), &backup);
    assert_true(backup.has_key);
    assert_int_equal(stat(path_join(f->arena, f->target, "coordinator.key"), &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(state_backup_check(f->target, &backup, NULL), ERR_OK);
    assert_true(backup.has_key);
}

static void a_failure_leaves_nothing(void **state)
{
    Fixture *f = *state;
    StateBackup backup;
    Error err;
    assert_int_equal(make(f, below(f, "no.key"), &backup, &err), ERR_NOT_FOUND);
    assert_false(file_exists(f->target));
    assert_false(file_exists(below(f, "backup.partial")));
    atomic_store(&f->stop, true);
    assert_int_equal(make(f, NULL, &backup, &err), ERR_INTERRUPTED);
    assert_false(file_exists(below(f, "backup.partial")));
    atomic_store(&f->stop, false);
    assert_int_equal(mkdir(f->target, 0700), 0);
    assert_int_equal(make(f, NULL, &backup, &err), ERR_EXISTS);
}

static void rewrite(Fixture *f, const char *name, const char *from, const char *to)
{
    char *text;
    size_t length;
    const char *path = path_join(f->arena, f->target, name);
    assert_int_equal(file_read_text(f->arena, path, 1 << 20, &text, &length, NULL), ERR_OK);
    char *at = strstr(text, from);
    assert_non_null(at);
    const char *changed =
        arena_printf(f->arena, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    assert_int_equal(file_write_atomic(path, changed, strlen(changed), 0600, NULL), ERR_OK);
}

static void refuses(const Fixture *f, const char *words)
{
    StateBackup backup;
    Error err;
    assert_int_not_equal(state_backup_check(f->target, &backup, &err), ERR_OK);
    if (strstr(err.message, words) == NULL)
        fail_msg("'%s' is not in: %s", words, err.message);
}

static void what_was_changed_is_named(void **state)
{
    Fixture *f = *state;
    StateBackup backup;
    char hex[DIGEST_HEX_SIZE];
    must_make(f, NULL, &backup);
    digest_hex(&f->blob, hex);
    const char *blob = arena_printf(f->arena, "blobs/%s", hex);
    rewrite(f, blob, "plan", "plot");
    refuses(f, blob);
    rewrite(f, blob, "plot", "plan");
    assert_int_equal(state_backup_check(f->target, &backup, NULL), ERR_OK);
    rewrite(f, "backup.json", "journal.sqlite", "../journal.sqlite");
    refuses(f, "names a file that is no backup's");
    rewrite(f, "backup.json", "../journal.sqlite", blob);
    refuses(f, "is not what was backed up");
    rewrite(f, "backup.json", "\"format\":1", "\"format\":2");
    refuses(f, "is not the manifest");
    rewrite(f, "backup.json", "{", "");
    refuses(f, "is not the manifest");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_made_is_found_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(a_key_goes_in_when_it_is_asked_for, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failure_leaves_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_changed_is_named, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
