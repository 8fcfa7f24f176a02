#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "url_file.h"

#include "named_limits.h"

#include <string.h>

static int arena_make(void **state)
{
    *state = arena_new();
    return 0;
}

static int arena_drop(void **state)
{
    arena_free(*state);
    return 0;
}

static UrlFile good(Arena *arena, const char *text)
{
    UrlFile file = {0};
    Error err = {0};
    if (url_file_parse(arena, "urls.txt", text, strlen(text), &file, &err) != ERR_OK)
        fail_msg("%s", err.message);
    return file;
}

static void bad(Arena *arena, const char *text, int line, const char *word)
{
    UrlFile file = {.count = 77};
    Error err = {0};
    assert_int_equal(url_file_parse(arena, "urls.txt", text, strlen(text), &file, &err),
                     ERR_CONFIG);
    assert_int_equal(err.line, line);
    if (strstr(err.message, word) == NULL)
        fail_msg("'%s' has no '%s' in it", err.message, word);
    assert_null(strstr(err.message, "s3cret"));
    assert_null(strstr(err.detail, "s3cret"));
    assert_true(err.hint[0] != '\0');
    assert_int_equal(file.count, 77); /* untouched */
}

static const char *value(const UrlEntry *entry, const char *name)
{
    for (size_t i = 0; i < entry->conninfo_count; i++) {
        if (strcmp(entry->conninfo[i].name, name) == 0)
            return entry->conninfo[i].value;
    }
    return "";
}

static void test_forms_of_a_line(void **state)
{
    UrlFile file = good(*state, "# remark\n"
                                "\n"
                                "acme postgresql://app:s3cret@db1:5433/acme\r\n"
                                "\tglobex\thost=db2 dbname=crm schema=globex\n"
                                "  # another\n"
                                "postgres://db1/initech schema='in \\'itech'\n"
                                "host=db3 dbname='two words' user=app");
    assert_int_equal(file.count, 4);
    assert_string_equal(file.items[0].name, "acme");
    assert_int_equal(file.items[0].line, 3);
    assert_string_equal(value(&file.items[0], "port"), "5433");
    assert_string_equal(value(&file.items[0], "password"), "s3cret");
    assert_null(file.items[0].schema);
    assert_string_equal(file.items[1].name, "globex");
    assert_string_equal(file.items[1].schema, "globex");
    assert_string_equal(value(&file.items[1], "dbname"), "crm");
    assert_string_equal(file.items[2].schema, "in 'itech");
    assert_string_equal(file.items[2].name, "initech/in 'itech");
    assert_string_equal(value(&file.items[3], "dbname"), "two words");
    assert_string_equal(value(&file.items[3], "user"), "app");
    assert_string_equal(file.items[3].name, "two words");
}

static void test_names_are_unique(void **state)
{
    UrlFile file = good(*state, "host=db1 dbname=app\n"
                                "host=db2 port=5433 dbname=app\n"
                                "host=db2 port=5433 dbname=app\n"
                                "host=db1\n"
                                "app host=db9 dbname=other\n"
                                "host=db1 dbname=app schema=a\n");
    assert_string_equal(file.items[0].name, "app@db1");
    assert_string_equal(file.items[1].name, "app@db2:5433#2");
    assert_string_equal(file.items[2].name, "app@db2:5433#3");
    assert_string_equal(file.items[3].name, "line-4");
    assert_string_equal(file.items[4].name, "app");
    assert_string_equal(file.items[5].name, "app/a");
}

static void test_a_name_cannot_steer_a_terminal(void **state)
{
    UrlFile file = good(*state, "postgresql://db1/a%1B%5B2Jb\n");
    assert_string_equal(file.items[0].name, "a?[2Jb");
}

static void test_wrong_lines(void **state)
{
    Arena *arena = *state;
    bad(arena, "", 0, "no database");
    bad(arena, "# only\n\n", 0, "no database");
    bad(arena, "\nacme\n", 2, "no url");
    bad(arena, "acme schema=x\n", 1, "no url");
    bad(arena, "a!b host=x\n", 1, "neither a name nor a url");
    bad(arena, "acme postgresql://app:s3cret@[/x\n", 1, "not a valid");
    bad(arena, "acme mysql://app:s3cret@db/x\n", 1, "not a valid");
    bad(arena, "acme password=s3cret nonsense=1\n", 1, "not a valid");
    bad(arena, "postgresql://db/x more\n", 1, "behind the url");
    bad(arena, "host=x schema=a schema=b\n", 1, "schema=");
    bad(arena, "host=x schema=\n", 1, "schema=");
    bad(arena, "a host=x\nb host=y\na host=z\n", 3, "line 1");
    bad(arena, "host=\xff\n", 0, "UTF-8");
    bad(arena, "host=x 'open\n", 1, "not a valid");
}

static void test_as_many_as_allowed(void **state)
{
    Arena *arena = *state;
    assert_string_equal(good(arena, "\xEF\xBB\xBF"
                                    "one host=x\r\n")
                            .items[0]
                            .name,
                        "one");
    AUTO_STR Str text = {0};
    for (int i = 0; i < LIMIT_URLS; i++)
        str_printf(&text, "n%d host=x dbname=d%d\n", i, i);
    UrlFile file = good(arena, str_text(&text));
    assert_int_equal(file.count, LIMIT_URLS);
    assert_string_equal(file.items[LIMIT_URLS - 1].name, "n99999");
    str_append(&text, "host=x dbname=one_more\n");
    Error err;
    assert_int_equal(url_file_parse(arena, "urls.txt", str_text(&text), text.length, &file, &err),
                     ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_forms_of_a_line, arena_make, arena_drop),
        cmocka_unit_test_setup_teardown(test_names_are_unique, arena_make, arena_drop),
        cmocka_unit_test_setup_teardown(test_a_name_cannot_steer_a_terminal, arena_make,
                                        arena_drop),
        cmocka_unit_test_setup_teardown(test_wrong_lines, arena_make, arena_drop),
        cmocka_unit_test_setup_teardown(test_as_many_as_allowed, arena_make, arena_drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
