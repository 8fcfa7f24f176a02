#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pg.h"

#include <string.h>

static void check_array(const char *text, size_t count, const char *const *items)
{
    AUTO_ARENA Arena *arena = arena_new();
    StrList list = {0};
    assert_true(pg_array_parse(arena, text, &list));
    assert_int_equal(list.count, count);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(list.items[i], items[i]);
}

static void test_array_parse(void **state)
{
    (void)state;
    check_array("{}", 0, NULL);
    check_array("{001_a}", 1, (const char *[]){"001_a"});
    check_array("{a,b}", 2, (const char *[]){"a", "b"});
    check_array("{\"a,b\",\"c\\\"d\\\\e\",\"\",\"NULL\"}", 4,
                (const char *[]){"a,b", "c\"d\\e", "", "NULL"});
}

static void test_array_parse_refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {"",       "{",     "a",     "{a",   "{a,}",   "{,a}",
                                      "{NULL}", "{{a}}", "{\"a}", "{a}x", "{\"a\\", "{\"a\"b}"};
    AUTO_ARENA Arena *arena = arena_new();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        StrList list = {.count = 77};
        assert_false(pg_array_parse(arena, bad[i], &list));
        assert_int_equal(list.count, 77);
    }
}

static void test_array_round_trip(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    StrList list = {0};
    static const char *const items[] = {"", "a", "a b", "\"", "\\", "{}", ",", "NULL", "é"};
    for (size_t i = 0; i < sizeof items / sizeof *items; i++)
        strlist_add(arena, &list, items[i]);
    StrList again = {0};
    assert_true(pg_array_parse(arena, pg_array_format(arena, &list), &again));
    assert_true(strlist_equal(&list, &again));
}

static const char *keyword(const PgKeyword *keywords, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(keywords[i].name, name) == 0)
            return keywords[i].value;
    }
    return NULL;
}

static void test_conninfo(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    const PgKeyword *keywords;
    size_t count;
    Error err;
    assert_int_equal(pg_parse_conninfo(arena, "postgresql://me:pw%40@h:5433/db%20x?sslmode=require",
                                       &keywords, &count, &err),
                     ERR_OK);
    assert_int_equal(count, 6);
    assert_string_equal(keyword(keywords, count, "password"), "pw@");
    assert_string_equal(keyword(keywords, count, "dbname"), "db x");
    assert_string_equal(keyword(keywords, count, "port"), "5433");
}

static void test_conninfo_error_hides_the_password(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    const PgKeyword *keywords;
    size_t count;
    Error err;
    assert_int_equal(pg_parse_conninfo(arena, "password=s3cret s3cret", &keywords, &count, &err),
                     ERR_CONFIG);
    assert_null(strstr(err.message, "s3cret"));
    assert_null(strstr(err.detail, "s3cret"));
    assert_null(strstr(err.hint, "s3cret"));
}

typedef struct Calls {
    int connects;
    int batches;
    bool inside; /* still in the call that started it */
    Error error;
    bool lost;
} Calls;

static void on_connect(PgConn *conn, const Error *err, void *data)
{
    (void)conn;
    Calls *calls = data;
    assert_false(calls->inside);
    calls->connects++;
    calls->error = *err;
}

static void on_batch(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    Calls *calls = data;
    assert_false(calls->inside);
    calls->batches++;
    calls->lost = reply->lost;
    calls->error = *reply->error;
}

static void check_unreachable(const PgKeyword *keywords, size_t count)
{
    uv_loop_t loop;
    assert_int_equal(uv_loop_init(&loop), 0);
    Calls calls = {.inside = true};
    PgConn *conn = pg_conn_new(&loop);
    pg_connect(conn, keywords, count, 5000, on_connect, &calls);
    calls.inside = false;
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(calls.connects, 1);
    assert_int_equal(calls.error.code, ERR_CONNECT);
    assert_false(pg_is_connected(conn));

    /* A batch on what is not connected is answered once, as lost. */
    AUTO_ARENA Arena *arena = arena_new();
    PgBatch batch = pg_batch(arena);
    pg_batch_add(&batch, "SELECT 1");
    calls.inside = true;
    pg_send(conn, &batch, 0, on_batch, &calls);
    calls.inside = false;
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(calls.batches, 1);
    assert_true(calls.lost);
    assert_int_equal(calls.error.code, ERR_CONNECT);

    pg_close(conn);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void test_unreachable_socket(void **state)
{
    (void)state;
    const PgKeyword keywords[] = {{"host", "/nonexistent"}, {"dbname", "x"}, {"user", "x"}};
    check_unreachable(keywords, 3);
}

static void test_unreachable_address(void **state)
{
    (void)state;
    const PgKeyword keywords[] = {
        {"host", "127.0.0.1"}, {"port", "1"}, {"dbname", "x"}, {"user", "x"}};
    check_unreachable(keywords, 4);
}

static void test_close_while_connecting_calls_nothing(void **state)
{
    (void)state;
    uv_loop_t loop;
    assert_int_equal(uv_loop_init(&loop), 0);
    Calls calls = {0};
    const PgKeyword keywords[] = {{"host", "127.0.0.1"}, {"port", "1"}, {"user", "x"}};
    PgConn *conn = pg_conn_new(&loop);
    pg_connect(conn, keywords, 3, 5000, on_connect, &calls);
    pg_close(conn);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(calls.connects, 0);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_array_parse),
        cmocka_unit_test(test_array_parse_refuses),
        cmocka_unit_test(test_array_round_trip),
        cmocka_unit_test(test_conninfo),
        cmocka_unit_test(test_conninfo_error_hides_the_password),
        cmocka_unit_test(test_unreachable_socket),
        cmocka_unit_test(test_unreachable_address),
        cmocka_unit_test(test_close_while_connecting_calls_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
