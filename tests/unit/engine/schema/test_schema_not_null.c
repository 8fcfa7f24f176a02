/* NOT NULL where it is a constraint: what leads from one form of it to another. That servers take
 * it is for tests/integration/single/test_schema_diff.sh. */
#include "schema_diff.h"
#include "schema_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* A column of a table; `name` is what the server called the constraint, "" = nothing. */
static SchemaModel read_column(Arena *arena, const char *not_null, const char *name)
{
    SchemaModel model;
    Error err;
    AUTO_STR Str text = {0};
    str_append(&text, "{\"format\": \"pgtide-schema-1\", \"schema\": \"\", \"objects\": ["
                      "{\"kind\": \"table\", \"name\": \"t\", \"attributes\": {}},"
                      "{\"kind\": \"column\", \"name\": \"t.a\", \"parent\": \"t\", ");
    if (name[0] != '\0')
        str_printf(&text, "\"not_null_name\": \"%s\", ", name);
    str_append(&text, "\"attributes\": {\"type\": \"integer\"");
    if (not_null[0] != '\0')
        str_printf(&text, ", \"not null\": \"%s\"", not_null);
    str_append(&text, "}}]}");
    assert_int_equal(schema_json_read(arena, str_text(&text), text.length, &model, &err), ERR_OK);
    return model;
}

static const char *lines(Arena *arena, const SchemaModel *from, const SchemaModel *to)
{
    SchemaDiff diff;
    Error err;
    AUTO_STR Str text = {0};
    assert_int_equal(schema_diff(arena, from, to, NULL, 0, &diff, &err), ERR_OK);
    for (size_t i = 0; i < diff.count; i++) {
        for (size_t j = 0; j < diff.items[i].sql.count; j++)
            str_printf(&text, "%s;", diff.items[i].sql.items[j]);
    }
    return arena_strdup(arena, str_text(&text));
}

typedef struct Case {
    const char *from, *from_name;
    const char *to, *to_name;
    const char *sql;
} Case;

static void test_alter(void **state)
{
    (void)state;
    static const Case cases[] = {
        {"", "", "yes", "t_a_not_null", "ALTER TABLE t ALTER COLUMN a SET NOT NULL;"},
        {"yes", "t_a_not_null", "", "", "ALTER TABLE t ALTER COLUMN a DROP NOT NULL;"},
        {"", "", "CONSTRAINT k NOT NULL", "", "ALTER TABLE t ADD CONSTRAINT k NOT NULL a;"},
        {"", "", "NOT NULL NO INHERIT NOT VALID", "t_a_not_null",
         "ALTER TABLE t ADD NOT NULL a NO INHERIT NOT VALID;"},
        {"yes", "u_b_not_null", "CONSTRAINT k NOT NULL", "",
         "ALTER TABLE t RENAME CONSTRAINT u_b_not_null TO k;"},
        {"CONSTRAINT k NOT NULL", "", "yes", "t_a_not_null",
         "ALTER TABLE t RENAME CONSTRAINT k TO t_a_not_null;"},
        {"yes", "u_a_not_null", "yes", "t_a_not_null", ""},
        {"CONSTRAINT k NOT NULL NOT VALID", "", "CONSTRAINT l NOT NULL NO INHERIT", "",
         "ALTER TABLE t RENAME CONSTRAINT k TO l;ALTER TABLE t ALTER CONSTRAINT l NO INHERIT;"
         "ALTER TABLE t VALIDATE CONSTRAINT l;"},
        {"NOT NULL NO INHERIT", "t_a_not_null", "yes", "t_a_not_null",
         "ALTER TABLE t ALTER CONSTRAINT t_a_not_null INHERIT;"},
        {"yes", "t_a_not_null", "CONSTRAINT k NOT NULL NOT VALID", "",
         "ALTER TABLE t ALTER COLUMN a DROP NOT NULL;"
         "ALTER TABLE t ADD CONSTRAINT k NOT NULL a NOT VALID;"},
        {"CONSTRAINT k NOT NULL", "", "yes", "", /* told by a server that has no names */
         "ALTER TABLE t ALTER COLUMN a DROP NOT NULL;ALTER TABLE t ALTER COLUMN a SET NOT NULL;"},
        {"CONSTRAINT \\\"k NOT VALID\\\" NOT NULL", "", "CONSTRAINT k NOT NULL", "",
         "ALTER TABLE t RENAME CONSTRAINT \"k NOT VALID\" TO k;"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        AUTO_ARENA Arena *arena = arena_new();
        SchemaModel from = read_column(arena, cases[i].from, cases[i].from_name);
        SchemaModel to = read_column(arena, cases[i].to, cases[i].to_name);
        assert_string_equal(lines(arena, &from, &to), cases[i].sql);
    }
}

static void test_make(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"yes", "CREATE TABLE t (\n    a integer NOT NULL\n);"},
        {"CONSTRAINT k NOT NULL NO INHERIT",
         "CREATE TABLE t (\n    a integer CONSTRAINT k NOT NULL NO INHERIT\n);"},
        {"CONSTRAINT k NOT NULL NOT VALID", /* in a definition it would be valid */
         "CREATE TABLE t (\n    a integer\n);ALTER TABLE t ADD CONSTRAINT k NOT NULL a NOT VALID;"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        AUTO_ARENA Arena *arena = arena_new();
        SchemaModel nothing = {.schema = ""}, to = read_column(arena, cases[i][0], "");
        assert_string_equal(lines(arena, &nothing, &to), cases[i][1]);
    }
}

/* Where the parent gets it too, a child's own becomes a part of it. */
static void test_child(void **state)
{
    (void)state;
#define FAMILY(parent, child)                                                                      \
    "{\"format\": \"pgtide-schema-1\", \"schema\": \"\", \"objects\": ["                           \
    "{\"kind\": \"table\", \"name\": \"p\", \"attributes\": {}},"                                  \
    "{\"kind\": \"table\", \"name\": \"c\", \"attributes\": {\"inherits\": \"p\"},"                \
    " \"needs\": [[\"table\", \"p\"]]},"                                                           \
    "{\"kind\": \"column\", \"name\": \"p.a\", \"parent\": \"p\", \"attributes\": "                \
    "{\"type\": \"integer\"" parent "}},"                                                          \
    "{\"kind\": \"column\", \"name\": \"c.a\", \"parent\": \"c\", \"attributes\": "                \
    "{\"inherited\": \"yes\"" child "}}]}"
    static const char own[] = FAMILY("", ", \"not null\": \"yes\"");
    static const char both[] = FAMILY(", \"not null\": \"yes\"", "");
    static const char none[] = FAMILY("", "");
    AUTO_ARENA Arena *arena = arena_new();
    SchemaModel from, to, gone;
    Error err;
    assert_int_equal(schema_json_read(arena, own, strlen(own), &from, &err), ERR_OK);
    assert_int_equal(schema_json_read(arena, both, strlen(both), &to, &err), ERR_OK);
    assert_int_equal(schema_json_read(arena, none, strlen(none), &gone, &err), ERR_OK);
    assert_string_equal(lines(arena, &from, &to), "ALTER TABLE p ALTER COLUMN a SET NOT NULL;");
    assert_string_equal(lines(arena, &from, &gone), "ALTER TABLE c ALTER COLUMN a DROP NOT NULL;");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alter),
        cmocka_unit_test(test_make),
        cmocka_unit_test(test_child),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
