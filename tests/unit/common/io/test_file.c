#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "file.h"

#include "str.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char scratch[] = "/tmp/pgtide-file-XXXXXX";
static Arena *arena;

static int make_scratch(void **state)
{
    (void)state;
    arena = arena_new();
    return mkdtemp(scratch) == NULL ? -1 : 0;
}

static int remove_scratch(void **state)
{
    (void)state;
    arena_free(arena);
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", scratch);
    return system(command);
}

static const char *in_scratch(const char *name)
{
    return path_join(arena, scratch, name);
}

static size_t entries_of(const char *path)
{
    DIR *dir = opendir(path);
    assert_non_null(dir);
    size_t count = 0;
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

static void assert_content(const char *path, const char *expected)
{
    uint8_t *bytes = NULL;
    size_t length = 0;
    assert_int_equal(file_read_all(arena, path, 1 << 20, &bytes, &length, NULL), ERR_OK);
    assert_int_equal(length, strlen(expected));
    assert_string_equal((char *)bytes, expected);
}

static void test_write_and_replace(void **state)
{
    (void)state;
    const char *dir = in_scratch("replace");
    assert_int_equal(dir_make(dir, 0700, NULL), ERR_OK);
    const char *path = path_join(arena, dir, "a");
    assert_int_equal(file_write_atomic(path, "one", 3, 0600, NULL), ERR_OK);
    assert_content(path, "one");
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(file_write_atomic(path, "two and more", 12, 0600, NULL), ERR_OK);
    assert_content(path, "two and more");
    assert_int_equal(file_write_atomic(path, "", 0, 0600, NULL), ERR_OK);
    assert_content(path, "");
    assert_int_equal(entries_of(dir), 1); /* no temporary file is left */
}

static void test_new_never_overwrites(void **state)
{
    (void)state;
    const char *dir = in_scratch("new");
    assert_int_equal(dir_make(dir, 0700, NULL), ERR_OK);
    const char *path = path_join(arena, dir, "a");
    assert_int_equal(file_write_new(path, "one", 3, 0644, NULL), ERR_OK);
    Error err;
    assert_int_equal(file_write_new(path, "two", 3, 0644, &err), ERR_EXISTS);
    assert_non_null(strstr(err.message, path));
    assert_content(path, "one");
    /* A symbolic link to nowhere is in the way, too. */
    const char *link = path_join(arena, dir, "link");
    assert_int_equal(symlink("nowhere", link), 0);
    assert_int_equal(file_write_new(link, "two", 3, 0644, &err), ERR_EXISTS);
    assert_int_equal(entries_of(dir), 2);
}

static void test_read_errors_name_path_and_reason(void **state)
{
    (void)state;
    uint8_t *bytes = (uint8_t *)1;
    size_t length = 77;
    Error err;
    const char *path = in_scratch("missing");
    assert_int_equal(file_read_all(arena, path, 10, &bytes, &length, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, path));
    assert_non_null(strstr(err.message, "No such file"));
    assert_true(err.hint[0] != '\0');
    assert_int_equal(file_read_all(arena, scratch, 10, &bytes, &length, &err), ERR_IO);
    assert_non_null(strstr(err.message, "directory"));
    assert_ptr_equal(bytes, 1);
    assert_int_equal(length, 77);
}

static void test_only_files_are_read(void **state)
{
    (void)state;
    uint8_t *bytes;
    size_t length;
    Error err;
    const char *pipe = in_scratch("pipe");
    assert_int_equal(mkfifo(pipe, 0600), 0); /* nobody writes to it */
    assert_int_equal(file_read_all(arena, pipe, 10, &bytes, &length, &err), ERR_IO);
    assert_non_null(strstr(err.message, "it is a pipe, not a file"));
    assert_int_equal(file_read_all(arena, "/dev/zero", 10, &bytes, &length, &err), ERR_IO);
    assert_non_null(strstr(err.message, "it is a device, not a file"));
    assert_int_equal(file_read_all(arena, scratch, 10, &bytes, &length, &err), ERR_IO);
    assert_non_null(strstr(err.message, "it is a directory, not a file"));
}

static void test_read_limit(void **state)
{
    (void)state;
    const char *path = in_scratch("limit");
    AUTO_STR Str content = {0};
    for (int i = 0; i < 100000; i++)
        str_append_char(&content, 'x');
    assert_int_equal(file_write_atomic(path, content.data, content.length, 0600, NULL), ERR_OK);
    uint8_t *bytes = NULL;
    size_t length = 0;
    Error err;
    assert_int_equal(file_read_all(arena, path, 99999, &bytes, &length, &err), ERR_LIMIT);
    assert_non_null(strstr(err.message, "99999"));
    assert_int_equal(file_read_all(arena, path, 100000, &bytes, &length, &err), ERR_OK);
    assert_int_equal(length, 100000);
    assert_int_equal(bytes[length], 0);
}

static ErrCode read_text_of(const char *content, size_t size, char **ret_text, Error *err)
{
    const char *path = in_scratch("text");
    assert_int_equal(file_write_atomic(path, content, size, 0600, NULL), ERR_OK);
    size_t length = 0;
    return file_read_text(arena, path, 1000, ret_text, &length, err);
}

static void test_read_text(void **state)
{
    (void)state;
    char *text = NULL;
    Error err;
    assert_int_equal(read_text_of("\xEF\xBB\xBFgr\xC3\xBC\n", 8, &text, &err), ERR_OK);
    assert_string_equal(text, "gr\xC3\xBC\n");
    assert_int_equal(read_text_of("a\nb\xFF\nc", 6, &text, &err), ERR_CONFIG);
    assert_int_equal(err.line, 2);
    assert_int_equal(read_text_of("a\nb\nc\0d", 7, &text, &err), ERR_CONFIG);
    assert_int_equal(err.line, 3);
    assert_int_equal(read_text_of("", 0, &text, &err), ERR_OK);
    assert_string_equal(text, "");
}

static void test_dir_make(void **state)
{
    (void)state;
    const char *path = in_scratch("a/b//c/");
    Error err;
    assert_int_equal(dir_make(path, 0700, &err), ERR_OK);
    assert_true(dir_exists(in_scratch("a/b/c")));
    assert_int_equal(dir_make(path, 0700, &err), ERR_OK);
    struct stat info;
    assert_int_equal(stat(in_scratch("a/b"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    const char *file = in_scratch("a/file");
    assert_int_equal(file_write_atomic(file, "x", 1, 0600, NULL), ERR_OK);
    assert_int_equal(dir_make(file, 0700, &err), ERR_IO);
    assert_non_null(strstr(err.message, "in the way"));
    assert_int_not_equal(dir_make(in_scratch("a/file/below"), 0700, &err), ERR_OK);
}

static void test_write_into_a_missing_directory(void **state)
{
    (void)state;
    Error err;
    const char *path = in_scratch("none/file");
    assert_int_equal(file_write_atomic(path, "x", 1, 0600, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, path));
    assert_false(file_exists(path));
}

static void test_paths(void **state)
{
    (void)state;
    assert_string_equal(path_join(arena, "a", "b"), "a/b");
    assert_string_equal(path_join(arena, "a/", "b"), "a/b");
    assert_string_equal(path_join(arena, "/", "b"), "/b");
    assert_string_equal(path_join(arena, "", "b"), "b");
    assert_string_equal(path_join(arena, "a", "/b"), "/b");
    assert_string_equal(path_dirname(arena, "a/b/c"), "a/b");
    assert_string_equal(path_dirname(arena, "c"), ".");
    assert_string_equal(path_dirname(arena, "/c"), "/");
    assert_string_equal(path_basename("a/b/c"), "c");
    assert_string_equal(path_basename("c"), "c");
    assert_string_equal(path_basename("a/"), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write_and_replace),
        cmocka_unit_test(test_new_never_overwrites),
        cmocka_unit_test(test_read_errors_name_path_and_reason),
        cmocka_unit_test(test_only_files_are_read),
        cmocka_unit_test(test_read_limit),
        cmocka_unit_test(test_read_text),
        cmocka_unit_test(test_dir_make),
        cmocka_unit_test(test_write_into_a_missing_directory),
        cmocka_unit_test(test_paths),
    };
    return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
