#include "schema_canon.h"
#include "schema_json.h"
#include "schema_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* Gathered in no order: a column before its table, a part without a whole. */
static SchemaModel make(Arena *arena)
{
    static const char *const rows[][3] = {
        {"column", "public.users.id", "public.users"},
        {"view", "public.v", NULL},
        {"index", "public.stray", "public.nothing"},
        {"table", "public.users", NULL},
        {"column", "public.v.id", "public.v"},
        {"constraint", "k ON public.users", "public.users"},
    };
    enum { ROWS = sizeof rows / sizeof rows[0], COLUMN = 0, VIEW = 1, STRAY = 2, TABLE = 3 };
    SchemaModel model = {
        .items = ARENA_ARRAY(arena, SchemaObject, ROWS), .count = ROWS, .schema = ""};
    for (size_t i = 0; i < ROWS; i++)
        model.items[i] =
            (SchemaObject){.kind = rows[i][0], .name = rows[i][1], .parent = rows[i][2]};
    SchemaAttribute *attributes = ARENA_ARRAY(arena, SchemaAttribute, 2);
    attributes[0] = (SchemaAttribute){"type", "integer"};
    attributes[1] = (SchemaAttribute){"default", "1\n+ 1"};
    model.items[COLUMN].attributes = attributes;
    model.items[COLUMN].attribute_count = 2;
    model.items[COLUMN].position = 1;
    SchemaNeed *needs = ARENA_ARRAY(arena, SchemaNeed, 3);
    needs[0] = (SchemaNeed){.object = TABLE};
    needs[1] = (SchemaNeed){.object = STRAY};
    needs[2] = (SchemaNeed){.object = COLUMN};
    model.items[VIEW].needs = needs;
    model.items[VIEW].need_count = 3;
    schema_model_finish(arena, &model);
    return model;
}

static void test_finish(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    SchemaModel model = make(arena);
    assert_int_equal(model.count, 4);
    assert_null(schema_find(&model, "index", "public.stray"));
    assert_null(schema_find(&model, "column", "public.v.id")); /* the view says it */
    const SchemaObject *view = schema_find(&model, "view", "public.v");
    assert_non_null(view);
    assert_int_equal(view->need_count, 2);
    assert_string_equal(model.items[view->needs[0].object].name, "public.users");
    assert_string_equal(model.items[view->needs[1].object].name, "public.users.id");
    const SchemaObject *column = schema_find(&model, "column", "public.users.id");
    assert_string_equal(schema_attribute(column, "type"), "integer");
    assert_null(schema_attribute(column, "collation"));
    assert_ptr_equal(schema_parent(&model, column), schema_find(&model, "table", "public.users"));
}

static void test_text(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    AUTO_STR Str text = {0};
    SchemaModel model = make(arena);
    schema_text_write(&model, &text);
    assert_string_equal(str_text(&text), "table public.users\n"
                                         "  column public.users.id\n"
                                         "    default:\n"
                                         "      | 1\n"
                                         "      | + 1\n"
                                         "    type: integer\n"
                                         "  constraint k ON public.users\n"
                                         "view public.v\n");
}

/* Columns in another order are the same schema; anything else is not. */
static void test_fingerprint(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    char first[FINGERPRINT_TEXT_SIZE], second[FINGERPRINT_TEXT_SIZE];
    SchemaModel model = make(arena);
    schema_fingerprint(&model, first);
    assert_memory_equal(first, "f1:", 3);
    assert_int_equal(strlen(first), 3 + 64);
    SchemaObject *column = schema_find(&model, "column", "public.users.id");
    column->position = 7;
    schema_fingerprint(&model, second);
    assert_string_equal(first, second);
    column->attributes[1].value = "bigint";
    schema_fingerprint(&model, second);
    assert_string_not_equal(first, second);
}

static void test_json(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    AUTO_STR Str text = {0};
    AUTO_STR Str again = {0};
    SchemaModel model = make(arena), read;
    JsonWriter json = json_writer(&text);
    Error err;
    schema_json_write(&model, &json);
    assert_int_equal(schema_json_read(arena, text.data, text.length, &read, &err), ERR_OK);
    JsonWriter json_again = json_writer(&again);
    schema_json_write(&read, &json_again);
    assert_string_equal(str_text(&text), str_text(&again));
}

static void test_json_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "[]",
        "{\"format\": \"other\", \"objects\": []}",
        "{\"format\": \"pgtide-schema-1\", \"objects\": []}",
        "{\"format\": \"pgtide-schema-1\", \"schema\": \"\", \"objects\": [{}]}",
        "{\"format\": \"pgtide-schema-1\", \"schema\": \"\", \"objects\": [{\"kind\": \"table\", "
        "\"name\": \"t\", \"attributes\": {\"a\": 1}}]}",
        "{\"format\": \"pgtide-schema-1\", \"schema\": \"\", \"objects\": [{\"kind\": \"table\", "
        "\"name\": \"t\", \"attributes\": {}, \"needs\": [[\"table\", \"u\"]]}]}",
        "{\"format\": \"pgtide-schema-1\", \"schema\": \"\", \"objects\": ["
        "{\"kind\": \"table\", \"name\": \"t\", \"attributes\": {}},"
        "{\"kind\": \"table\", \"name\": \"t\", \"attributes\": {}}]}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        AUTO_ARENA Arena *arena = arena_new();
        SchemaModel model;
        Error err = {0};
        assert_int_equal(schema_json_read(arena, texts[i], strlen(texts[i]), &model, &err),
                         ERR_CONFIG);
        assert_non_null(strstr(err.message, "this is no schema dump"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finish),       cmocka_unit_test(test_text),
        cmocka_unit_test(test_fingerprint),  cmocka_unit_test(test_json),
        cmocka_unit_test(test_json_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
