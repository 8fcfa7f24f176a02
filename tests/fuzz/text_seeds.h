/*
 * Texts to begin with, and what is worth putting into them, for fuzz_text and the unit test that
 * changes them.
 */
#pragma once

static const char *const text_seeds[] = {
    "SELECT 1; SELECT 'a;b', \"c;d\", $$e;f$$, $x$g;$$;h$x$, E'i\\';j', U&'k;' UESCAPE '!';\n",
    "/* a /* b; */ c; */ SELECT a[1:n], x::int -- d;\n;\nCREATE RULE r AS ON INSERT TO t DO "
    "(SELECT "
    "1; SELECT 2);\n",
    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN a THEN 1 END; SELECT 2; END;\n"
    "SELECT 3\n",
    "COPY t FROM STDIN;\n1\tit's\n\\N\t$$\n\\.\nCOPY u (a) FROM STDIN WITH (FORMAT csv); -- "
    "x\r\n\"a\r\nb\"\r\n\\.\r\nSELECT 1;\n",
    "-- revision: 1\n-- revises: 0\n-- labels: a, b\n-- placeholders: a, b=x, c, d, e=1\n"
    "-- lock-timeout: 5s\n-- message: m\n\n-- +upgrade\nSELECT :a, :'b', :\"b\", ':a', :zz;\n:c "
    "1;\n"
    "INSERT INTO t VALUES (:'d', $$:a$$, a[1:a]);\n-- +downgrade\nSELECT '\n-- +verify\n', :e;\n"
    "-- +verify\nSELECT true;\n",
    "-- revision: 1\n-- transaction: none\n-- placeholders: a, b, c, d, e\n-- +upgrade\n-- +probe "
    "SELECT :'b' = ':a'\n--   OR true\nVACUUM;\nBEGIN;\nSELECT :a;\nCOPY t FROM STDIN;\n:a\n\\.\n"
    "COMMIT;\n-- +rerunnable\nCREATE INDEX CONCURRENTLY i ON :\"b\" (a);\n-- +downgrade\n",
    "\xEF\xBB\xBF-- revision: 1\r\n-- irreversible: gone\r\n-- +upgrade\r\nSELECT "
    "'\xC3\xA9\xF0\x9F\x90\x98';\r\n",
};

static const char *const text_words[] = {
    "'",
    "\"",
    "$$",
    "$x$",
    "/*",
    "*/",
    "--",
    "-- ",
    "\n",
    "\r\n",
    ";",
    "(",
    ")",
    "\\",
    "\\.",
    "\n\\.\n",
    "\\;",
    ":a",
    ":'b'",
    ":\"b\"",
    ":c",
    ":d",
    ":{?a}",
    "::",
    "E'",
    "U&\"",
    "BEGIN",
    "BEGIN ATOMIC ",
    "BEGIN;\n",
    "COMMIT;\n",
    " END",
    "CASE ",
    "CREATE FUNCTION f() ",
    "COPY t FROM STDIN",
    "COPY t FROM STDIN;\n",
    "SET standard_conforming_strings = off;",
    "\n-- +upgrade\n",
    "\n-- +downgrade\n",
    "\n-- +verify\n",
    "\n-- +rerunnable\n",
    "\n-- +probe SELECT 1\n",
    "\n--   ",
    "-- revises: 0\n",
    "-- transaction: none\n",
    "-- repeatable: a\n",
    "\t",
    " ",
    "a",
    "1",
    "\xC3\xA9",
    "\xC3",
    "\xEF\xBB\xBF",
};
