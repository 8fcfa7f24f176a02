#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "token_digest.h"

#include <string.h>

static const char *digest(const char *sql)
{
    static char texts[2][TOKEN_DIGEST_TEXT_SIZE];
    static int turn;
    turn = !turn;
    token_digest(&(TokenSection){sql, NULL}, 1, texts[turn]);
    return texts[turn];
}

static void same(const char *a, const char *b)
{
    if (strcmp(digest(a), digest(b)) != 0)
        fail_msg("differ: [%s] [%s]", a, b);
}

static void differ(const char *a, const char *b)
{
    if (strcmp(digest(a), digest(b)) == 0)
        fail_msg("same: [%s] [%s]", a, b);
}

static void test_form(void **state)
{
    (void)state;
    const char *text = digest("SELECT 1");
    assert_int_equal(strlen(text), 3 + 64);
    assert_memory_equal(text, "t1:", 3);
    assert_int_equal(strspn(text + 3, "0123456789abcdef"), 64);
}

static void test_layout_does_not_count(void **state)
{
    (void)state;
    same("SELECT a FROM t;", "select\n\tA\r\n  from T ;");
    same("SELECT 1;", "-- remark\nSELECT /* /* nested */ */ 1 -- more\n;\n");
    same("ALTER TABLE Users ADD COLUMN Bio Text", "alter table users add column bio text");
    same("", " \n -- nothing\n/* at all */");
    same("SELECT $$a\nb$$, 'x\ny'", "SELECT $$a\r\nb$$, 'x\r\ny'");
}

static void test_meaning_counts(void **state)
{
    (void)state;
    differ("SELECT 1", "SELECT 2");
    differ("SELECT 'a'", "SELECT 'A'");
    differ("SELECT 'a  b'", "SELECT 'a b'");
    differ("SELECT \"a\"", "SELECT \"A\"");
    differ("SELECT $$-- x$$", "SELECT $$-- y$$");
    differ("SELECT $$X$$", "SELECT $$x$$");
    differ("SELECT $a$ X'$a$", "SELECT $a$ x'$a$");
    differ("SELECT '/* x */'", "SELECT ''");
    differ("SELECT a b", "SELECT ab");
    differ("SELECT a, b", "SELECT a b");
    differ("SELECT E'\\x41'", "SELECT E'\\x42'");
    differ("SELECT 1;", "SELECT 1;;");
    differ("SELECT U&\"a\"", "SELECT U&\"A\"");
    differ("SELECT U&'a' UESCAPE '!'", "SELECT U&'b' UESCAPE '!'");
    differ("SELECT U&'a', 1", "SELECT U&'A', 1");
    differ("SELECT 'a'\n'b'", "SELECT 'a'\n'c'");
    differ("SELECT 'a'\n'b', 1", "SELECT 'a'\n'B', 1");
    differ("SELECT \"a\"\"b\", B'01', X'1F'", "SELECT \"a\"\"c\", B'01', X'1F'");
    differ("SELECT \"a'B\"", "SELECT \"a'b\"");
}

static void test_sections_are_kept_apart(void **state)
{
    (void)state;
    char a[TOKEN_DIGEST_TEXT_SIZE];
    char b[TOKEN_DIGEST_TEXT_SIZE];
    char c[TOKEN_DIGEST_TEXT_SIZE];
    token_digest((TokenSection[]){{"SELECT 1", NULL}, {"", NULL}, {"", NULL}}, 3, a);
    token_digest((TokenSection[]){{"", NULL}, {"SELECT 1", NULL}, {"", NULL}}, 3, b);
    token_digest((TokenSection[]){{"SELECT", NULL}, {"1", NULL}, {"", NULL}}, 3, c);
    assert_string_not_equal(a, b);
    assert_string_not_equal(a, c);
    token_digest((TokenSection[]){{"select 1", NULL}, {"-- x", NULL}, {"", NULL}}, 3, b);
    assert_string_equal(a, b);
}

/* What the scanner does not know (newer syntax, an open quote) counts byte by byte. */
static void test_unknown_text_counts_as_it_stands(void **state)
{
    (void)state;
    differ("SELECT 'open", "SELECT  'open");
    differ("SELECT 'open", "SELECT 'opem");
    same("SELECT 'open", "SELECT 'open");
    differ("SELECT 0x1F_F", "SELECT 0x1F_E");
}

/* psqlscan's library has a palloc of its own; were it to replace the scanner's, scanning many
 * texts would hold on to all their memory or crash. */
static void test_many_in_a_row(void **state)
{
    (void)state;
    char first[TOKEN_DIGEST_TEXT_SIZE];
    strcpy(first, digest("SELECT a FROM t WHERE b = 'c'"));
    for (int i = 0; i < 2000; i++)
        assert_string_equal(digest("select a from t where b = 'c' -- again"), first);
}

static const char *digest_of_rows(const char *sql)
{
    static char texts[2][TOKEN_DIGEST_TEXT_SIZE];
    static int turn;
    AUTO_ARENA Arena *arena = arena_new();
    StatementList list;
    turn = !turn;
    assert_int_equal(sql_split(arena, "a.sql", sql, strlen(sql), 1, &list, NULL), ERR_OK);
    token_digest(&(TokenSection){sql, &list}, 1, texts[turn]);
    return texts[turn];
}

static void test_rows_count_as_they_stand(void **state)
{
    (void)state;
#define COPY(rows) "COPY t FROM STDIN;\n" rows "\\.\n"
    static const char *const other[] = {
        COPY("A\n"),  COPY("a \n"), COPY("a\n\n"),   COPY("a\rb\n"), COPY("-- a\n"),
        COPY("a'\n"), COPY(""),     COPY("a\r\r\n"), COPY("b\n"),    COPY("a\n") "SELECT 1;",
    };
    assert_string_equal(digest_of_rows(COPY("a\n")), digest_of_rows("copy  T from\tstdin; -- x\n"
                                                                    "a\r\n\\.\r\n"));
    assert_string_equal(digest_of_rows(COPY("it's\n")), digest_of_rows(COPY("it's\n") "-- x\n"));
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++)
        assert_string_not_equal(digest_of_rows(COPY("a\n")), digest_of_rows(other[i]));
    assert_string_equal(digest_of_rows("SELECT 1;"), digest("SELECT 1;"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_form),
        cmocka_unit_test(test_layout_does_not_count),
        cmocka_unit_test(test_meaning_counts),
        cmocka_unit_test(test_sections_are_kept_apart),
        cmocka_unit_test(test_unknown_text_counts_as_it_stands),
        cmocka_unit_test(test_many_in_a_row),
        cmocka_unit_test(test_rows_count_as_they_stand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
