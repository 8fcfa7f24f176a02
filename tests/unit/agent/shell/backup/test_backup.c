/*
 * Backups with a pg_dump and a pg_restore that are shell scripts: what becomes of the files when
 * they succeed, fail, or are abandoned.
 */
#include "backup.h"

#include "backup_place.h"
#include "backup_tools.h"
#include "digest.h"
#include "file.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct Fixture {
    Arena *arena;
    char root[64];
    const char *bin;
    const char *backups;
    ClusterSettings cluster;
    DatabaseFacts facts;
    BackupRoom room;
    BackupSettings settings;
    BackupArgs args;
    uv_loop_t loop;
    bool done;
    bool failed;
    BackupInfo info;
    Error error;
} Fixture;

static void write_program(Fixture *f, const char *name, const char *body)
{
    char *path = path_join(f->arena, f->bin, name);
    char *text = arena_printf(f->arena, "#!/bin/sh\n%s\n", body);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

#define FIND_FILE "for a in \"$@\"; do case $a in --file=*) file=${a#--file=};; esac; done\n"

static int setup(void **state)
{
    Fixture *f = xcalloc(1, sizeof(*f));
    f->arena = arena_new();
    strcpy(f->root, "/tmp/pgtide-backup-XXXXXX");
    assert_non_null(mkdtemp(f->root));
    f->bin = path_join(f->arena, f->root, "bin");
    f->backups = path_join(f->arena, f->root, "backups");
    assert_int_equal(mkdir(f->bin, 0755), 0);
    write_program(f, "pg_dump",
                  FIND_FILE "printf '%s\\n' \"$@\" >\"$(dirname \"$0\")/arguments\"\n"
                            "env >\"$(dirname \"$0\")/environment\"\n"
                            "printf content >\"$file\"");
    write_program(f, "pg_restore", "for a in \"$@\"; do last=$a; done; test -s \"$last\"");
    f->cluster = (ClusterSettings){
        .name = "main", .host = "/sockets", .port = 5433, .user = "tide", .pg_bin = f->bin};
    f->facts = (DatabaseFacts){.system_identifier = 7,
                               .database_oid = 8,
                               .server_version = 150010,
                               .owner = "tide",
                               .schema_owner = "",
                               .encoding = "UTF8",
                               .locale_provider = "c",
                               .collate = "C.UTF-8",
                               .ctype = "C.UTF-8",
                               .locale = "",
                               .icu_rules = "",
                               .tablespace = "pg_default"};
    f->args = (BackupArgs){
        .directory = f->backups,
        .cluster = &f->cluster,
        .database = "tenant",
        .schema = "",
        .shard = {{0xaa}},
        .operation = {{0xbb}},
        .facts = &f->facts,
        .room = &f->room,
        .settings = &f->settings,
        .system_identifier = 7,
        .database_oid = 8,
        .pg_dump_version = 150012,
        .pg_restore_version = 150012,
        .policy = {.method = BACKUP_METHOD_DUMP, .compress = 1, .verify = true, .keep = 2},
    };
    strlist_add(f->arena, &f->args.rows, "r1");
    uv_loop_init(&f->loop);
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
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    nftw(f->root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    arena_free(f->arena);
    free(f);
    return 0;
}

static void on_backup(const BackupInfo *info, const Error *err, void *data)
{
    Fixture *f = data;
    f->done = true;
    f->failed = err != NULL;
    if (err != NULL)
        f->error = *err;
    else
        f->info = *info;
    if (info != NULL)
        f->info.path = arena_strdup(f->arena, info->path);
}

static void run_backup(Fixture *f)
{
    f->done = false;
    backup_start(&f->loop, &f->args, on_backup, f);
    assert_false(f->done);
    while (!f->done)
        uv_run(&f->loop, UV_RUN_ONCE);
    uv_run(&f->loop, UV_RUN_DEFAULT);
}

static char *folder(Fixture *f)
{
    char shard[UUID_TEXT_SIZE];
    uuid_format(&f->args.shard, shard);
    return path_join(f->arena, f->backups, shard);
}

static char *dump_path(Fixture *f, const char *ending)
{
    char operation[OPERATION_TEXT_SIZE];
    operation_format(&f->args.operation, operation);
    return path_join(f->arena, folder(f), arena_printf(f->arena, "%s%s", operation, ending));
}

static bool has_line(Fixture *f, const char *file, const char *line)
{
    uint8_t *bytes;
    size_t length;
    assert_int_equal(
        file_read_all(f->arena, path_join(f->arena, f->bin, file), 100000, &bytes, &length, NULL),
        ERR_OK);
    char *save = NULL;
    for (char *at = strtok_r((char *)bytes, "\n", &save); at != NULL;
         at = strtok_r(NULL, "\n", &save))
        if (strcmp(at, line) == 0)
            return true;
    return false;
}

static void refuses(Fixture *f, const char *part)
{
    run_backup(f);
    assert_true(f->failed);
    assert_int_equal(f->error.code, ERR_BACKUP);
    if (strstr(f->error.message, part) == NULL)
        fail_msg("'%s' is not in: %s", part, f->error.message);
    assert_false(file_exists(dump_path(f, ".dump")));
    assert_false(file_exists(dump_path(f, ".dump.partial")));
    assert_false(file_exists(dump_path(f, ".manifest")));
}

static void a_backup_is_there_whole_with_its_manifest(void **state)
{
    Fixture *f = *state;
    run_backup(f);
    assert_false(f->failed);
    assert_int_equal(f->info.size_bytes, 7);
    Digest expected = sha256_bytes("content", 7);
    assert_true(digest_equal(&f->info.sha256, &expected));
    assert_true(file_exists(path_join(f->arena, f->backups, f->info.path)));
    assert_false(file_exists(dump_path(f, ".dump.partial")));
    json_t *manifest = json_load_file(dump_path(f, ".manifest"), 0, NULL);
    assert_non_null(manifest);
    char digest[DIGEST_TEXT_SIZE];
    digest_format(&expected, digest);
    assert_string_equal(json_string_value(json_object_get(manifest, "sha256")), digest);
    assert_int_equal(json_integer_value(json_object_get(manifest, "size_bytes")), 7);
    assert_int_equal(json_integer_value(json_object_get(manifest, "server_version")), 150010);
    assert_string_equal(json_string_value(json_array_get(json_object_get(manifest, "rows"), 0)),
                        "r1");
    json_decref(manifest);
    struct stat status;
    assert_int_equal(stat(folder(f), &status), 0);
    assert_int_equal(status.st_mode & 077, 0);
    assert_int_equal(stat(dump_path(f, ".manifest"), &status), 0);
    assert_int_equal(status.st_mode & 077, 0);
}

/* A tenant's rows are in it, whatever the umask is and whoever may enter the directory. */
static void a_backup_is_closed_to_others_from_its_first_byte(void **state)
{
    Fixture *f = *state;
    write_program(f, "pg_dump",
                  FIND_FILE "printf content >\"$file\"\n"
                            "stat -c mode-%a \"$file\" >\"$(dirname \"$0\")/mode\"");
    mode_t former = umask(0);
    run_backup(f);
    umask(former);
    assert_false(f->failed);
    assert_true(has_line(f, "mode", "mode-600"));
    struct stat status;
    assert_int_equal(stat(dump_path(f, ".dump"), &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
}

static void pg_dump_is_told_by_its_environment(void **state)
{
    Fixture *f = *state;
    f->cluster.passfile = "/secret/passfile";
    setenv("PGPASSWORD", "hunter2", 1);
    run_backup(f);
    unsetenv("PGPASSWORD");
    assert_true(has_line(f, "arguments", "--format=custom"));
    assert_true(has_line(f, "arguments", "--compress=1"));
    assert_true(has_line(f, "arguments", "--no-password"));
    assert_true(has_line(f, "arguments", "--lock-wait-timeout=10000"));
    assert_true(has_line(f, "environment", "PGDATABASE=tenant"));
    assert_true(has_line(f, "environment", "PGHOST=/sockets"));
    assert_true(has_line(f, "environment", "PGPORT=5433"));
    assert_true(has_line(f, "environment", "PGUSER=tide"));
    assert_true(has_line(f, "environment", "PGPASSFILE=/secret/passfile"));
    assert_false(has_line(f, "environment", "PGPASSWORD=hunter2"));
}

static const char *known_password(const PgPasswords *passwords)
{
    (void)passwords;
    return "hunter2";
}

/* Of the programs that connect; the arguments anybody may read. */
static void a_commands_password_goes_by_the_environment(void **state)
{
    Fixture *f = *state;
    PgPasswords passwords = {.known = known_password};
    f->cluster.passwords = &passwords;
    f->cluster.sslmode = 6;
    f->cluster.sslrootcert = "/etc/ca.crt";
    run_backup(f);
    assert_true(has_line(f, "environment", "PGPASSWORD=hunter2"));
    assert_true(has_line(f, "environment", "PGSSLMODE=verify-full"));
    assert_true(has_line(f, "environment", "PGSSLROOTCERT=/etc/ca.crt"));
    assert_true(has_line(f, "arguments", "--dbname=dbname='tenant'"));
    const char **env = tool_environment(f->arena, &f->cluster, "tenant", 0);
    tool_environment_wipe(env);
    for (; *env != NULL; env++)
        assert_null(strstr(*env, "hunter2"));
}

static void a_service_says_where(void **state)
{
    Fixture *f = *state;
    f->cluster.service = "tenants";
    f->cluster.host = f->cluster.user = NULL;
    setenv("PGSERVICEFILE", "/etc/services", 1);
    run_backup(f);
    unsetenv("PGSERVICEFILE");
    assert_true(has_line(f, "environment", "PGSERVICE=tenants"));
    assert_true(has_line(f, "environment", "PGSERVICEFILE=/etc/services"));
    assert_false(has_line(f, "environment", "PGPORT=5433"));
}

static void names_are_quoted_in_connection_strings(void **state)
{
    Fixture *f = *state;
    assert_string_equal(tool_database(f->arena, "a'b\\c d=e"), "dbname='a\\'b\\\\c d=e'");
}

static void a_schema_is_dumped_alone(void **state)
{
    Fixture *f = *state;
    f->args.schema = "odd\"*name";
    run_backup(f);
    assert_true(has_line(f, "arguments", "--schema=\"odd\"\"*name\""));
    assert_true(has_line(f, "arguments", "--strict-names"));
}

static void a_failing_dump_leaves_nothing(void **state)
{
    Fixture *f = *state;
    write_program(f, "pg_dump",
                  FIND_FILE "printf half >\"$file\"\necho first >&2\n"
                            "echo 'pg_dump: error: disk full' >&2\nexit 3");
    refuses(f, "status 3: pg_dump: error: disk full");
    write_program(f, "pg_dump", FIND_FILE "printf half >\"$file\"\nkill -KILL $$");
    refuses(f, "signal 9");
}

static void a_dump_that_can_not_be_read_is_none(void **state)
{
    Fixture *f = *state;
    write_program(f, "pg_dump", FIND_FILE ": >\"$file\"");
    refuses(f, "pg_restore");
    f->args.policy.verify = false; /* then nobody looks */
    run_backup(f);
    assert_false(f->failed);
}

static void a_missing_program_is_said(void **state)
{
    Fixture *f = *state;
    f->cluster.pg_bin = "/nowhere";
    refuses(f, "/nowhere/pg_dump");
    f->args.pg_dump_version = 0;
    refuses(f, "no pg_dump");
}

static void an_older_pg_dump_is_not_tried(void **state)
{
    Fixture *f = *state;
    f->args.pg_dump_version = 140009;
    refuses(f, "pg_dump 14 is older than the server");
    f->args.pg_dump_version = 150012;
    f->args.pg_restore_version = 140009;
    refuses(f, "pg_restore 14 is older than the server");
    assert_false(file_exists(path_join(f->arena, f->bin, "arguments")));
}

static void too_little_space_is_seen_before(void **state)
{
    Fixture *f = *state;
    f->facts.size_bytes = UINT64_MAX / 2;
    refuses(f, "free for backups");
    f->facts.size_bytes = 0;
    f->settings.reserve_bytes = UINT64_MAX / 2;
    refuses(f, "free for backups");
    f->settings.reserve_bytes = 0;
    f->room.claimed_bytes = UINT64_MAX / 2; /* by others, which are under way */
    refuses(f, "free for backups");
    assert_false(file_exists(path_join(f->arena, f->bin, "arguments")));
    f->room.claimed_bytes = 0;
    run_backup(f);
    assert_false(f->failed);
    assert_int_equal(f->room.claimed_bytes, 0);
}

static size_t count_dumps(Fixture *f)
{
    size_t count = 0;
    for (uint8_t i = 1; i < 8; i++) {
        f->args.operation = (OperationId){{i}};
        bool dump = file_exists(dump_path(f, ".dump"));
        assert_int_equal(dump, file_exists(dump_path(f, ".manifest")));
        count += dump;
    }
    return count;
}

static void only_the_newest_are_kept(void **state)
{
    Fixture *f = *state;
    for (uint8_t i = 1; i < 6; i++) {
        f->args.operation = (OperationId){{i}};
        run_backup(f);
        assert_true(file_exists(dump_path(f, ".dump")));
    }
    assert_int_equal(count_dumps(f), 2);
    f->args.policy.keep = 0; /* keep all */
    f->args.operation = (OperationId){{7}};
    run_backup(f);
    assert_int_equal(count_dumps(f), 3);
}

static void what_a_rollback_may_need_is_kept(void **state)
{
    Fixture *f = *state;
    f->args.rollback_until_ms = 3600000;
    for (uint8_t i = 1; i < 6; i++) {
        f->args.operation = (OperationId){{i}};
        run_backup(f);
    }
    assert_int_equal(count_dumps(f), 5);
}

static void another_database_than_the_plans_is_not_dumped(void **state)
{
    Fixture *f = *state;
    f->facts.database_oid = 9;
    refuses(f, "not the one that the plan names");
    assert_false(file_exists(path_join(f->arena, f->bin, "arguments")));
}

/* pg_dump -Fd writes a file a table and a list of them. */
static void a_directory_is_hashed_file_by_file(void **state)
{
    Fixture *f = *state;
    f->args.policy.method = BACKUP_METHOD_DIRECTORY;
    f->args.policy.jobs = 3;
    write_program(f, "pg_dump",
                  FIND_FILE "printf '%s\n' \"$@\" >\"$(dirname \"$0\")/arguments\"\n"
                            "printf two >\"$file/toc.dat\"; printf one >\"$file/1.dat\"");
    write_program(f, "pg_restore", "for a in \"$@\"; do last=$a; done; test -d \"$last\"");
    run_backup(f);
    assert_false(f->failed);
    assert_true(has_line(f, "arguments", "--format=directory"));
    assert_true(has_line(f, "arguments", "--jobs=3"));
    Manifest manifest;
    assert_int_equal(manifest_find(f->arena, f->backups, &f->args.shard, &f->args.operation,
                                   &manifest, &f->error),
                     ERR_OK);
    assert_int_equal(manifest.file_count, 2);
    assert_string_equal(manifest.files[0].name, "1.dat");
    assert_int_equal(manifest.size_bytes, 6);
    Digest one = sha256_bytes("one", 3);
    assert_true(digest_equal(&manifest.files[0].sha256, &one));
    Digest all = manifest_files_digest(manifest.files, 2);
    assert_true(digest_equal(&all, &manifest.sha256));
    assert_true(digest_equal(&all, &f->info.sha256));
    assert_int_equal(backup_compare(f->backups, &manifest, &f->error), ERR_OK);
    char *file = path_join(f->arena, dump_path(f, ".dir"), "1.dat");
    assert_int_equal(unlink(file), 0);
    assert_int_equal(backup_compare(f->backups, &manifest, &f->error), ERR_BACKUP);
    backup_remove(f->backups, &manifest);
    assert_false(file_exists(dump_path(f, ".dir")));
    assert_false(file_exists(dump_path(f, ".manifest")));
}

static void an_abandoned_backup_is_removed(void **state)
{
    Fixture *f = *state;
    write_program(f, "pg_dump", FIND_FILE "printf half >\"$file\"\nexec sleep 600");
    f->done = false;
    Backup *backup = backup_start(&f->loop, &f->args, on_backup, f);
    while (!file_exists(dump_path(f, ".dump.partial")))
        uv_run(&f->loop, UV_RUN_NOWAIT);
    backup_abandon(backup);
    uv_run(&f->loop, UV_RUN_DEFAULT); /* ends, since the child was ended */
    assert_false(f->done);
    assert_false(file_exists(dump_path(f, ".dump.partial")));
    assert_false(file_exists(dump_path(f, ".dump")));
}

static void a_backup_abandoned_at_once_starts_nothing(void **state)
{
    Fixture *f = *state;
    backup_abandon(backup_start(&f->loop, &f->args, on_backup, f));
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_false(f->done);
    assert_false(file_exists(path_join(f->arena, f->bin, "arguments")));
}

static void half_written_ones_are_removed_at_the_start(void **state)
{
    Fixture *f = *state;
    run_backup(f);
    char *partial = dump_path(f, ".dump.partial");
    int fd = open(partial, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    close(fd);
    backup_clean(f->backups);
    assert_false(file_exists(partial));
    assert_true(file_exists(dump_path(f, ".dump")));
    assert_true(file_exists(dump_path(f, ".manifest")));
    backup_clean("/nowhere");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_backup_is_there_whole_with_its_manifest),
        T(a_backup_is_closed_to_others_from_its_first_byte),
        T(pg_dump_is_told_by_its_environment),
        T(a_commands_password_goes_by_the_environment),
        T(a_service_says_where),
        T(names_are_quoted_in_connection_strings),
        T(a_schema_is_dumped_alone),
        T(a_failing_dump_leaves_nothing),
        T(a_dump_that_can_not_be_read_is_none),
        T(a_missing_program_is_said),
        T(an_older_pg_dump_is_not_tried),
        T(too_little_space_is_seen_before),
        T(only_the_newest_are_kept),
        T(what_a_rollback_may_need_is_kept),
        T(another_database_than_the_plans_is_not_dumped),
        T(a_directory_is_hashed_file_by_file),
        T(an_abandoned_backup_is_removed),
        T(a_backup_abandoned_at_once_starts_nothing),
        T(half_written_ones_are_removed_at_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
