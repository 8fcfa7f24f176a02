#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "project.h"

#include "file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A directory that is removed with all that is in it. */
typedef struct Folder {
    Arena *arena;
    char path[64];
} Folder;

static int folder_make(void **state)
{
    Folder *folder = xcalloc(1, sizeof *folder);
    folder->arena = arena_new();
    strcpy(folder->path, "/tmp/pgtide-project-XXXXXX");
    if (mkdtemp(folder->path) == NULL)
        return -1;
    unsetenv("PGTIDE_CONFIG");
    *state = folder;
    return 0;
}

static int folder_remove(void **state)
{
    Folder *folder = *state;
    char *command = arena_printf(folder->arena, "rm -rf '%s'", folder->path);
    int status = system(command);
    arena_free(folder->arena);
    free(folder);
    return status;
}

static const char *in(Folder *folder, const char *name)
{
    return path_join(folder->arena, folder->path, name);
}

static void put(Folder *folder, const char *name, const char *text)
{
    const char *path = in(folder, name);
    assert_int_equal(dir_make(path_dirname(folder->arena, path), 0755, NULL), ERR_OK);
    assert_int_equal(file_write_atomic(path, text, strlen(text), 0644, NULL), ERR_OK);
}

static void put_revision(Folder *folder, const char *directory, const char *id, const char *revises)
{
    put(folder, arena_printf(folder->arena, "%s/%s.sql", directory, id),
        arena_printf(folder->arena, "-- revision: %s\n-- revises: %s\n-- +upgrade\n-- +downgrade\n",
                     id, revises));
}

static void test_defaults(void **state)
{
    Folder *folder = *state;
    Project project;
    Error err;
    put(folder, "pgtide.yaml", "");
    assert_int_equal(project_load(folder->arena, in(folder, "pgtide.yaml"), &project, &err),
                     ERR_OK);
    assert_string_equal(project.version_table, "alembic_version");
    assert_int_equal(project.versions.count, 1);
    assert_string_equal(project.versions.items[0], in(folder, "versions"));
    assert_string_equal(project.directory, folder->path);
    assert_null(project.safe);
    assert_false(project.hash_names);
}

static void test_several_directories(void **state)
{
    Folder *folder = *state;
    Project project;
    RevisionMap *map;
    Error err;
    put(folder, "pgtide.yaml", "versions: [core, more]\nnaming: hash\nsafe: ensured\n");
    put_revision(folder, "core", "002", "001");
    put_revision(folder, "core", "001", "");
    put_revision(folder, "more", "003", "002");
    put(folder, "more/README.md", "not a revision");
    put(folder, "more/.004.sql", "nor is this");
    assert_int_equal(project_open(folder->arena, in(folder, "pgtide.yaml"), &project, &map, &err),
                     ERR_OK);
    assert_int_equal(graph_count(map), 3);
    assert_string_equal(graph_script_at(map, 2)->file, in(folder, "more/003.sql"));
    assert_true(project.hash_names);
    assert_string_equal(project.safe, in(folder, "ensured"));
}

static void test_wrong_files_name_their_line(void **state)
{
    Folder *folder = *state;
    static const struct {
        const char *text;
        int line;
        const char *word;
    } wrong[] = {
        {"versions: versions\nversion: x\n", 2, "version"},
        {"naming: random\n", 1, "naming"},
        {"versions: []\n", 1, "at least one"},
        {"versions: {a: b}\n", 1, "versions"},
        {"safe: [a]\n", 1, "safe"},
        {"\n\nversions: [a\n", 0, ""},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        Project project;
        Error err;
        put(folder, "pgtide.yaml", wrong[i].text);
        assert_int_equal(project_load(folder->arena, in(folder, "pgtide.yaml"), &project, &err),
                         ERR_CONFIG);
        if (strstr(err.message, wrong[i].word) == NULL)
            fail_msg("'%s' is not in '%s'", wrong[i].word, err.message);
        if (wrong[i].line > 0)
            assert_int_equal(err.line, wrong[i].line);
        assert_string_equal(err.file, in(folder, "pgtide.yaml"));
    }
}

static void test_hooks(void **state)
{
    Folder *folder = *state;
    Project project;
    Error err;
    put(folder, "pgtide.yaml",
        "hooks:\n"
        "  before-run:\n"
        "    - {sql: \"SELECT 1; SELECT ';'\"}\n"
        "    - command: [./notify, a b, \"\"]\n"
        "  after-revision:\n"
        "    - sql: |\n"
        "        INSERT INTO log VALUES ('x')\n");
    assert_int_equal(project_load(folder->arena, in(folder, "pgtide.yaml"), &project, &err),
                     ERR_OK);
    const HookList *before = &project.hooks.at[HOOK_BEFORE_RUN];
    assert_int_equal(before->count, 2);
    assert_int_equal(before->items[0].statements.count, 2);
    assert_int_equal(before->items[0].command.count, 0);
    assert_int_equal(before->items[0].line, 3);
    assert_string_equal(before->items[0].file, in(folder, "pgtide.yaml"));
    assert_int_equal(before->items[1].command.count, 3);
    assert_string_equal(before->items[1].command.items[1], "a b");
    assert_int_equal(before->items[1].line, 4);
    assert_int_equal(project.hooks.at[HOOK_AFTER_RUN].count, 0);
    assert_int_equal(project.hooks.at[HOOK_BEFORE_REVISION].count, 0);
    const HookList *after = &project.hooks.at[HOOK_AFTER_REVISION];
    assert_int_equal(after->count, 1);
    assert_string_equal(after->items[0].statements.items[0].first_keyword, "INSERT");
    assert_string_equal(hook_moment_name(HOOK_AFTER_REVISION), "after-revision");
}

static void test_wrong_hooks_name_their_line(void **state)
{
    Folder *folder = *state;
    static const struct {
        const char *text;
        int line;
        const char *word;
    } wrong[] = {
        {"hooks: [a]\n", 1, "before-run"},
        {"hooks:\n  before-runs: []\n", 2, "before-runs"},
        {"hooks:\n  after-run: x\n", 2, "list"},
        {"hooks:\n  after-run: [x]\n", 2, "sql"},
        {"hooks:\n  after-run:\n    - {}\n", 3, "either"},
        {"hooks:\n  after-run:\n    - {sql: a, command: [b]}\n", 3, "either"},
        {"hooks:\n  after-run:\n    - {shell: a}\n", 3, "shell"},
        {"hooks:\n  after-run:\n    - command: a b\n", 3, "command"},
        {"hooks:\n  after-run:\n    - command: [\"\"]\n", 3, "program"},
        {"hooks:\n  after-run:\n    - sql: \"'open\"\n", 3, "quote"},
        {"hooks:\n  after-run:\n    - sql: -- nothing\n", 3, "no statement"},
        {"hooks:\n  after-run:\n    - sql: COMMIT\n", 3, "COMMIT"},
        {"hooks:\n  after-run:\n    - sql: VACUUM\n", 3, "VACUUM"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        Project project;
        Error err;
        put(folder, "pgtide.yaml", wrong[i].text);
        assert_int_equal(project_load(folder->arena, in(folder, "pgtide.yaml"), &project, &err),
                         ERR_CONFIG);
        if (strstr(err.message, wrong[i].word) == NULL)
            fail_msg("'%s' is not in '%s'", wrong[i].word, err.message);
        assert_int_equal(err.line, wrong[i].line);
    }
}

static void test_what_is_missing(void **state)
{
    Folder *folder = *state;
    Project project;
    RevisionMap *map;
    Error err;
    const char *path = in(folder, "pgtide.yaml");
    assert_int_equal(project_load(folder->arena, path, &project, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.hint, "pgtide init"));
    put(folder, "pgtide.yaml", "versions: nowhere\n");
    assert_int_equal(project_open(folder->arena, path, &project, &map, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "nowhere"));
}

static void test_the_environment_names_the_file(void **state)
{
    Folder *folder = *state;
    Project project;
    Error err;
    put(folder, "other.yaml", "naming: hash\n");
    setenv("PGTIDE_CONFIG", in(folder, "other.yaml"), 1);
    assert_int_equal(project_load(folder->arena, NULL, &project, &err), ERR_OK);
    assert_true(project.hash_names);
    put(folder, "given.yaml", "naming: sequential\n");
    assert_int_equal(project_load(folder->arena, in(folder, "given.yaml"), &project, &err), ERR_OK);
    assert_false(project.hash_names);
    unsetenv("PGTIDE_CONFIG");
}

static void test_one_bad_revision_is_named(void **state)
{
    Folder *folder = *state;
    Project project;
    RevisionMap *map = NULL;
    Error err;
    put(folder, "pgtide.yaml", "versions: v\n");
    put_revision(folder, "v", "001", "");
    put_revision(folder, "v", "002", "000");
    assert_int_equal(project_open(folder->arena, in(folder, "pgtide.yaml"), &project, &map, &err),
                     ERR_GRAPH);
    assert_string_equal(err.file, in(folder, "v/002.sql"));
    assert_int_equal(err.line, 2);
    assert_null(map);
}

static void test_the_example(void **state)
{
    Folder *folder = *state;
    Project project;
    RevisionMap *map;
    Error err;
    assert_int_equal(project_open(folder->arena,
                                  PGTIDE_SOURCE_DIR "/migrations/example/pgtide.yaml", &project,
                                  &map, &err),
                     ERR_OK);
    StrList heads = graph_heads(folder->arena, map);
    assert_int_equal(heads.count, 1);
    assert_string_equal(heads.items[0], "008_add_user_title");
}

#define FOLDER_TEST(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOLDER_TEST(test_defaults),
        FOLDER_TEST(test_several_directories),
        FOLDER_TEST(test_wrong_files_name_their_line),
        FOLDER_TEST(test_hooks),
        FOLDER_TEST(test_wrong_hooks_name_their_line),
        FOLDER_TEST(test_what_is_missing),
        FOLDER_TEST(test_the_environment_names_the_file),
        FOLDER_TEST(test_one_bad_revision_is_named),
        FOLDER_TEST(test_the_example),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
