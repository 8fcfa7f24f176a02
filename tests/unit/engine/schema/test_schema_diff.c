/* What can be told without a server: order, spreading, what is refused. That the SQL converges is
 * for tests/integration/single/test_schema_diff.sh. */
#include "schema_diff.h"
#include "schema_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define MODEL(objects)                                                                             \
    "{\"format\": \"pgtide-schema-1\", \"schema\": \"\", \"objects\": [" objects "]}"
#define TABLE(name) "{\"kind\": \"table\", \"name\": \"" name "\", \"attributes\": {}}"
#define COLUMN(table, name, type, more)                                                            \
    "{\"kind\": \"column\", \"name\": \"" table "." name "\", \"parent\": \"" table                \
    "\", \"position\": 1, \"attributes\": {\"type\": \"" type "\"" more "}}"
#define VIEW(query)                                                                                \
    "{\"kind\": \"view\", \"name\": \"v\", \"attributes\": {\"columns\": \"a integer\", "          \
    "\"query\": \"" query "\"}, \"needs\": [[\"column\", \"t.a\"]]}"
#define ENUM(labels)                                                                               \
    "{\"kind\": \"type\", \"name\": \"e\", \"attributes\": {\"form\": \"enum\", \"labels\": "      \
    "\"" labels "\"}}"

static SchemaModel read_model(Arena *arena, const char *text)
{
    SchemaModel model;
    Error err;
    assert_int_equal(schema_json_read(arena, text, strlen(text), &model, &err), ERR_OK);
    return model;
}

/* Every statement and every reason, a line each. */
static const char *lines(Arena *arena, const char *from, const char *to,
                         const SchemaRename *renames, size_t rename_count)
{
    SchemaModel before = read_model(arena, from), after = read_model(arena, to);
    SchemaDiff diff;
    Error err;
    AUTO_STR Str text = {0};
    assert_int_equal(schema_diff(arena, &before, &after, renames, rename_count, &diff, &err),
                     ERR_OK);
    for (size_t i = 0; i < diff.count; i++) {
        const SchemaOperation *operation = &diff.items[i];
        for (size_t j = 0; j < operation->sql.count; j++)
            str_printf(&text, "%s%s%s\n", operation->alone ? "alone: " : "",
                       operation->destructive ? "lost: " : "", operation->sql.items[j]);
        if (operation->change == SCHEMA_CHANGE_CANNOT)
            str_printf(&text, "cannot: %s %s\n", operation->kind, operation->name);
    }
    return arena_strdup(arena, str_text(&text));
}

#define ASSERT_LINES(from, to, expected)                                                           \
    do {                                                                                           \
        AUTO_ARENA Arena *arena = arena_new();                                                     \
        assert_string_equal(lines(arena, from, to, NULL, 0), expected);                            \
    } while (0)

static void test_same(void **state)
{
    (void)state;
    const char *model = MODEL(TABLE("t") "," COLUMN("t", "a", "integer", "") "," VIEW("SELECT a"));
    ASSERT_LINES(model, model, "");
}

static void test_create_and_drop(void **state)
{
    (void)state;
    const char *nothing = MODEL("");
    const char *all = MODEL(VIEW("SELECT a") "," TABLE("t") "," COLUMN("t", "a", "integer", ""));
    ASSERT_LINES(nothing, all, "CREATE TABLE t (\n    a integer\n)\nCREATE VIEW v AS\nSELECT a\n");
    ASSERT_LINES(all, nothing, "DROP VIEW v\nlost: DROP TABLE t\n");
}

/* A view stands on a column that changes its type. */
static void test_spreads(void **state)
{
    (void)state;
    ASSERT_LINES(MODEL(TABLE("t") "," COLUMN("t", "a", "integer",
                                             ", \"default\": \"1\"") "," VIEW("SELECT a")),
                 MODEL(TABLE("t") "," COLUMN("t", "a", "bigint",
                                             ", \"default\": \"2\"") "," VIEW("SELECT a")),
                 "DROP VIEW v\n"
                 "ALTER TABLE t ALTER COLUMN a DROP DEFAULT\n"
                 "ALTER TABLE t ALTER COLUMN a TYPE bigint USING a::bigint\n"
                 "ALTER TABLE t ALTER COLUMN a SET DEFAULT 2\n"
                 "CREATE VIEW v AS\nSELECT a\n");
}

static void test_replaces_view(void **state)
{
    (void)state;
    ASSERT_LINES(MODEL(TABLE("t") "," COLUMN("t", "a", "integer", "") "," VIEW("SELECT a")),
                 MODEL(TABLE("t") "," COLUMN("t", "a", "integer", "") "," VIEW("SELECT 1")),
                 "CREATE OR REPLACE VIEW v AS\nSELECT 1\n");
}

static void test_labels(void **state)
{
    (void)state;
    ASSERT_LINES(MODEL(ENUM("'b', 'd'")), MODEL(ENUM("'a', 'b', 'c', 'd', 'e'")),
                 "alone: ALTER TYPE e ADD VALUE 'a' BEFORE 'b'\n"
                 "alone: ALTER TYPE e ADD VALUE 'c' AFTER 'b'\n"
                 "alone: ALTER TYPE e ADD VALUE 'e' AFTER 'd'\n");
    ASSERT_LINES(MODEL(ENUM("'a', 'b'")), MODEL(ENUM("'b', 'a'")), "cannot: type e\n");
    ASSERT_LINES(MODEL(ENUM("'a', 'b'")), MODEL(ENUM("'a'")), "cannot: type e\n");
}

/* What holds rows is not made anew because of a type. */
static void test_stuck(void **state)
{
    (void)state;
#define SPAN(subtype)                                                                              \
    "{\"kind\": \"type\", \"name\": \"span\", \"attributes\": {\"form\": \"range\", "              \
    "\"definition\": \"CREATE TYPE span AS RANGE (SUBTYPE = " subtype ")\"}}"
#define HOLDER                                                                                     \
    TABLE("t")                                                                                     \
    ",{\"kind\": \"column\", \"name\": \"t.s\", \"parent\": \"t\", \"attributes\": "               \
    "{\"type\": \"span\"}, \"needs\": [[\"type\", \"span\"]]}"
    ASSERT_LINES(MODEL(SPAN("integer")), MODEL(SPAN("bigint")),
                 "DROP TYPE span\nCREATE TYPE span AS RANGE (SUBTYPE = bigint)\n");
    ASSERT_LINES(MODEL(SPAN("integer") "," HOLDER), MODEL(SPAN("bigint") "," HOLDER),
                 "cannot: type span\n");
}

static void test_partition_key(void **state)
{
    (void)state;
#define LOG(column_type)                                                                           \
    "{\"kind\": \"table\", \"name\": \"t\", \"attributes\": {\"partition by\": \"RANGE (b, "       \
    "a)\"}}," COLUMN("t", "a", column_type, "")
    ASSERT_LINES(MODEL(LOG("integer")), MODEL(LOG("bigint")), "cannot: column t.a\n");
}

static void test_renames(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    const char *from =
        MODEL(TABLE("t") "," COLUMN("t", "a", "integer", ", \"default\": \"f('a')\""));
    const char *to = MODEL(TABLE("u") "," COLUMN("u", "b", "integer", ", \"default\": \"f('a')\""));
    const SchemaRename renames[] = {{"table", "t", "u"}, {"column", "u.a", "b"}};
    assert_string_equal(lines(arena, from, to, renames, 2),
                        "ALTER TABLE t RENAME TO u\nALTER TABLE u RENAME COLUMN a TO b\n");
    SchemaModel before = read_model(arena, from), after = read_model(arena, to);
    const SchemaRename wrong[] = {{"table", "x", "u"}, {"column", "t.x", "b"}, {"table", "t", "z"}};
    for (size_t i = 0; i < 3; i++) {
        SchemaDiff diff;
        Error err;
        assert_int_equal(schema_diff(arena, &before, &after, &wrong[i], 1, &diff, &err),
                         ERR_NOT_FOUND);
    }
}

/* What a child's column has beside its parent's is said once that one is there. */
static void test_inherited(void **state)
{
    (void)state;
#define CHILD                                                                                      \
    "{\"kind\": \"table\", \"name\": \"c\", \"attributes\": {\"inherits\": \"t\"}, "               \
    "\"needs\": [[\"table\", \"t\"]]}"
    ASSERT_LINES(
        MODEL(TABLE("t") "," CHILD),
        MODEL(TABLE("t") "," CHILD "," COLUMN("t", "z", "integer", "") "," COLUMN(
            "c", "z", "integer", ", \"inherited\": \"yes\", \"statistics\": \"7\"")),
        "ALTER TABLE t ADD COLUMN z integer\nALTER TABLE c ALTER COLUMN z SET STATISTICS 7\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same),      cmocka_unit_test(test_create_and_drop),
        cmocka_unit_test(test_spreads),   cmocka_unit_test(test_replaces_view),
        cmocka_unit_test(test_labels),    cmocka_unit_test(test_stuck),
        cmocka_unit_test(test_renames),   cmocka_unit_test(test_partition_key),
        cmocka_unit_test(test_inherited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
