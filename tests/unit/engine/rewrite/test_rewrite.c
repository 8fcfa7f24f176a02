#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rewrite.h"

#include <string.h>

static const Script *script_of(Arena *arena, const char *upgrade, const char *downgrade)
{
    Script *script;
    Error err;
    const char *text = arena_printf(arena,
                                    "-- revision: 001_x\n-- message: x\n\n-- +upgrade\n%s\n"
                                    "-- +downgrade\n%s\n",
                                    upgrade, downgrade);
    if (script_parse(arena, "001_x.sql", (const uint8_t *)text, strlen(text), &script, &err) !=
        ERR_OK)
        fail_msg("%s: line %d: %s", upgrade, err.line, err.message);
    return script;
}

static Rewritten rewrite(Arena *arena, const char *upgrade, const char *downgrade,
                         const FactsList *facts)
{
    static const FactsList none;
    Rewritten out;
    Error err;
    if (rewrite_script(arena, script_of(arena, upgrade, downgrade), facts == NULL ? &none : facts,
                       &out, &err) != ERR_OK)
        fail_msg("%s: %s", upgrade, err.message);
    return out;
}

/* --- without a database ----------------------------------------------------------------------- */

typedef struct Case {
    const char *sql;
    const char *text; /* NULL: it stays as it is */
} Case;

#define NOT_NULL(TABLE, COLUMN, NAME)                                                              \
    "ALTER TABLE " TABLE " ADD CONSTRAINT " NAME " CHECK (" COLUMN " IS NOT NULL) NOT VALID;\n"    \
    "ALTER TABLE " TABLE " VALIDATE CONSTRAINT " NAME ";\n"                                        \
    "BEGIN;\nALTER TABLE " TABLE " ALTER COLUMN " COLUMN " SET NOT NULL;\n"                        \
    "ALTER TABLE " TABLE " DROP CONSTRAINT " NAME ";\nCOMMIT;\n"

static const Case cases[] = {
    {"CREATE INDEX i ON t (a);", "CREATE INDEX CONCURRENTLY i ON t (a);\n"},
    {"CREATE UNIQUE INDEX IF NOT EXISTS \"I\" ON s.t (a) WHERE b;",
     "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS \"I\" ON s.t (a) WHERE b;\n"},
    {"CREATE INDEX ON t (a, lower(b)) INCLUDE (c);",
     "CREATE INDEX CONCURRENTLY t_a_lower_c_idx ON t (a, lower(b)) INCLUDE (c);\n"},
    {"DROP INDEX IF EXISTS a, s.\"B\";",
     "DROP INDEX CONCURRENTLY IF EXISTS a;\nDROP INDEX CONCURRENTLY IF EXISTS s.\"B\";\n"},
    {"DROP INDEX a CASCADE;", NULL},
    {"REINDEX (VERBOSE) TABLE t;", "REINDEX (VERBOSE) TABLE CONCURRENTLY t;\n"},
    {"ALTER TABLE p DETACH PARTITION c;", "ALTER TABLE p DETACH PARTITION c CONCURRENTLY;\n"},
    {"ALTER TABLE messages ALTER body SET NOT NULL;",
     NOT_NULL("messages", "body", "pgtide_body_not_null_67ae3077")},
    {"ALTER TABLE t ADD CHECK (a > 0);",
     "ALTER TABLE t ADD CONSTRAINT t_a_check CHECK (a > 0) NOT VALID;\n"
     "ALTER TABLE t VALIDATE CONSTRAINT t_a_check;\n"},
    {"ALTER TABLE t ADD CHECK (a > b);",
     "ALTER TABLE t ADD CONSTRAINT t_check CHECK (a > b) NOT VALID;\n"
     "ALTER TABLE t VALIDATE CONSTRAINT t_check;\n"},
    {"ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID;", NULL},
    {"ALTER TABLE ONLY t ADD CONSTRAINT \"F k\" FOREIGN KEY (a, b) REFERENCES o ON DELETE CASCADE;",
     "ALTER TABLE ONLY t ADD CONSTRAINT \"F k\" FOREIGN KEY (a, b) REFERENCES o ON DELETE CASCADE "
     "NOT VALID;\nALTER TABLE ONLY t VALIDATE CONSTRAINT \"F k\";\n"},
    {"ALTER TABLE t ADD FOREIGN KEY (a, b) REFERENCES o;",
     "ALTER TABLE t ADD CONSTRAINT t_a_b_fkey FOREIGN KEY (a, b) REFERENCES o NOT VALID;\n"
     "ALTER TABLE t VALIDATE CONSTRAINT t_a_b_fkey;\n"},
    {"ALTER TABLE t ADD UNIQUE (a) INCLUDE (b) DEFERRABLE INITIALLY DEFERRED;",
     "CREATE UNIQUE INDEX CONCURRENTLY t_a_b_key ON t (a) INCLUDE (b);\n"
     "ALTER TABLE t ADD CONSTRAINT t_a_b_key UNIQUE USING INDEX t_a_b_key DEFERRABLE INITIALLY "
     "DEFERRED;\n"},
    {"ALTER TABLE messages ADD PRIMARY KEY (body);",
     NOT_NULL("messages", "body",
              "pgtide_body_not_null_67ae3077") "CREATE UNIQUE INDEX CONCURRENTLY messages_pkey ON "
                                               "messages (body);\n"
                                               "ALTER TABLE messages ADD CONSTRAINT messages_pkey "
                                               "PRIMARY KEY USING INDEX messages_pkey;\n"},
    {"ALTER TABLE t ADD EXCLUDE USING gist (a WITH &&);", NULL},
    {"ALTER TABLE t ADD COLUMN a int, ADD b timestamptz DEFAULT now() NOT NULL;", NULL},
    {"ALTER TABLE t ADD a int NOT NULL;", NULL},
    {"ALTER TABLE t ADD a int REFERENCES o;", NULL},
    {"ALTER TABLE t ADD a int GENERATED ALWAYS AS (b * 2) STORED;", NULL},
    {"ALTER TABLE t ADD COLUMN IF NOT EXISTS a float DEFAULT random();", NULL},
    {"ALTER TABLE t ADD COLUMN a int DEFAULT 0 NOT NULL CONSTRAINT c CHECK (a >= 0);",
     "ALTER TABLE t ADD COLUMN a int DEFAULT 0 NOT NULL;\n"
     "ALTER TABLE t ADD CONSTRAINT c CHECK (a >= 0) NOT VALID;\n"
     "ALTER TABLE t VALIDATE CONSTRAINT c;\n"},
    {"ALTER TABLE t ADD COLUMN a int DEFAULT 1 REFERENCES o (id) ON DELETE SET NULL DEFERRABLE;",
     "ALTER TABLE t ADD COLUMN a int DEFAULT 1;\n"
     "ALTER TABLE t ADD CONSTRAINT t_a_fkey FOREIGN KEY (a) REFERENCES o (id) ON DELETE SET NULL "
     "DEFERRABLE NOT VALID;\nALTER TABLE t VALIDATE CONSTRAINT t_a_fkey;\n"},
    {"ALTER TABLE t ALTER a TYPE bigint;", NULL},
    {"UPDATE t SET a = 1, b = a + 2;",
     "-- The key of the batches is a guess: no database told the table's primary key.\n"
     "-- +batch key=id size=10000 table=t\nUPDATE t SET a = 1, b = a + 2 WHERE /*+batch*/ true;\n"},
    {"UPDATE t SET a = 1, ID = id + 10;", NULL},
    {"UPDATE t SET (a, id) = (1, 2);", NULL},
    {"UPDATE t SET a = a / (SELECT max(a) FROM t);", NULL},
    {"UPDATE t SET (a, b) = (SELECT 1, 2);", NULL},
    {"ALTER TABLE t SET LOGGED;", NULL},
    {"REFRESH MATERIALIZED VIEW v;", NULL},
    {"SELECT 1;", NULL},
    {"ALTER TABLE t ADD CONSTRAINT n NOT NULL a NOT VALID;", NULL}, /* newer than the parser */
    {"CREATE TABLE t (a int); CREATE INDEX ON t (a); ALTER TABLE t ALTER a SET NOT NULL;", NULL},
    {"CREATE TABLE IF NOT EXISTS t (a int);\nCREATE INDEX ON t (a);",
     "CREATE TABLE IF NOT EXISTS t (a int);\nCREATE INDEX CONCURRENTLY t_a_idx ON t (a);\n"},
    {"CREATE TABLE o (a int);\nINSERT INTO o VALUES (1);\nCREATE INDEX i ON t (a);\nSELECT 2;",
     "BEGIN;\nCREATE TABLE o (a int);\nINSERT INTO o VALUES (1);\nCOMMIT;\n"
     "CREATE INDEX CONCURRENTLY i ON t (a);\nSELECT 2;\n"},
    {"ALTER TABLE t ADD a int, ALTER b SET DEFAULT 'x, y', ADD CONSTRAINT c CHECK (d IN (1, 2)), "
     "DROP CONSTRAINT e;",
     "ALTER TABLE t ADD a int,\n    ALTER b SET DEFAULT 'x, y';\n"
     "ALTER TABLE t ADD CONSTRAINT c CHECK (d IN (1, 2)) NOT VALID;\n"
     "ALTER TABLE t VALIDATE CONSTRAINT c;\nALTER TABLE t DROP CONSTRAINT e;\n"},
    {"-- why\nCREATE INDEX i ON t (a);\n-- and this\nSELECT 1;",
     "-- why\nCREATE INDEX CONCURRENTLY i ON t (a);\n-- and this\nSELECT 1;\n"},
};

static void test_forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        AUTO_ARENA Arena *arena = arena_new();
        Rewritten out = rewrite(arena, cases[i].sql, "", NULL);
        if (out.changed != (cases[i].text != NULL))
            fail_msg("%s: %s", cases[i].sql, out.changed ? out.text.upgrade : "as it was");
        if (out.changed)
            assert_string_equal(out.text.upgrade, cases[i].text);
    }
}

/* What was written is nothing to be written again. */
static void test_settled(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        AUTO_ARENA Arena *arena = arena_new();
        static const FactsList none;
        StatementList statements;
        Rewritten again;
        Error err;
        Rewritten out = rewrite(arena, cases[i].sql, "", NULL);
        if (!out.changed)
            continue;
        assert_int_equal(
            sql_split(arena, "a", out.text.upgrade, strlen(out.text.upgrade), 1, &statements, &err),
            ERR_OK);
        const Script script = {
            .file = "a",
            .irreversible = "",
            .upgrade = {true, out.text.upgrade, strlen(out.text.upgrade), 1, statements},
            .downgrade = {.sql = ""},
        };
        assert_int_equal(rewrite_script(arena, &script, &none, &again, &err), ERR_OK);
        for (size_t k = 0; k < again.note_count; k++) {
            /* SET NOT NULL behind its proof reads nothing, and stands in a block. */
            if (again.notes[k].left == NULL)
                fail_msg("%s\nagain: %s", out.text.upgrade, again.notes[k].what);
        }
    }
}

/* What commits alone already keeps its annotations and blocks. */
static void test_outside_a_transaction(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    static const FactsList none;
    static const char text[] = "-- revision: 001_x\n-- transaction: none\n-- irreversible: no\n\n"
                               "-- +upgrade\n-- +rerunnable\nREINDEX SCHEMA s;\n-- +rerunnable\n"
                               "VACUUM t;\nBEGIN;\nCREATE INDEX i ON t (a);\nCOMMIT;\n";
    Script *script;
    Rewritten out;
    Error err;
    assert_int_equal(
        script_parse(arena, "001_x.sql", (const uint8_t *)text, strlen(text), &script, &err),
        ERR_OK);
    assert_int_equal(rewrite_script(arena, script, &none, &out, &err), ERR_OK);
    assert_string_equal(out.text.upgrade,
                        "-- +rerunnable\nREINDEX SCHEMA CONCURRENTLY s;\n-- +rerunnable\n"
                        "VACUUM t;\nBEGIN;\nCREATE INDEX i ON t (a);\nCOMMIT;\n");
    assert_int_equal(out.note_count, 2);
    assert_string_equal(out.notes[1].left, "it stands in BEGIN ... COMMIT");

    const char *file = rewrite_file(arena, script, &out);
    assert_non_null(
        strstr(file, "-- revision: 001_x\n-- irreversible: no\n-- transaction: none\n--\n"));
    assert_non_null(strstr(file, "-- | REINDEX SCHEMA s;\n"));
    assert_int_equal(
        script_parse(arena, "001_x.sql", (const uint8_t *)file, strlen(file), &script, &err),
        ERR_OK);
}

static void test_downgrade(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Rewritten out = rewrite(arena, "CREATE INDEX i ON t (a);", "DROP INDEX i;", NULL);
    assert_string_equal(out.text.downgrade, "DROP INDEX CONCURRENTLY i;\n");
    assert_false(out.has_contract);
}

static TableFact messages_facts[] = {
    {"table", "messages", "r", "150000", ""},
    {"column", "id", "integer", "nextval('messages_id_seq'::regclass)", "n"},
    {"column", "body", "text", "", ""},
    {"column", "type", "integer", "", ""},
    {"column", "at", "timestamp(3) without time zone", "", ""},
    {"column", "code", "character varying(20) COLLATE \"C\"", "", ""},
    {"column", "number", "integer", "", "a"},
    {"sequence", "number", "messages_number_seq", "messages_number_seq", "io"},
    {"sequence", "id", "messages_id_seq", "messages_id_seq", "a"},
    {"index", "messages_pkey",
     "CREATE UNIQUE INDEX messages_pkey ON public.messages USING btree (id)", "p", ""},
    {"index", "messages_body", "CREATE INDEX messages_body ON public.messages USING btree (body)",
     "", ""},
    {"check", "positive", "CHECK ((id > 0))", "", ""},
    {"referenced", "votes_message_fkey", "FOREIGN KEY (message) REFERENCES messages(id)", "votes",
     ""},
    {"key", "", "id", "", ""},
};
static TableFacts messages_tables[] = {
    {"", "messages", messages_facts, sizeof messages_facts / sizeof *messages_facts},
};
static const FactsList messages = {messages_tables, 1};

/* Where PostgreSQL takes no CONCURRENTLY. */
static void test_partitioned(void **state)
{
    (void)state;
    static TableFact parted[] = {{"table", "p", "p", "150000", ""}};
    static TableFact index[] = {{"table", "i", "I", "150000", ""}};
    static TableFacts tables[] = {{"", "p", parted, 1}, {"", "i", index, 1}};
    static const FactsList facts = {tables, 2};
    AUTO_ARENA Arena *arena = arena_new();
    Rewritten out = rewrite(arena, "DROP INDEX i;", "", &facts);
    assert_false(out.changed);
    out = rewrite(arena, "CREATE INDEX ON p (a);\nCREATE INDEX j ON p (b);",
                  "DROP INDEX j;\nDROP INDEX p_a_idx;\nDROP INDEX other;", &facts);
    assert_string_equal(out.text.downgrade, "BEGIN;\nDROP INDEX j;\nDROP INDEX p_a_idx;\nCOMMIT;\n"
                                            "DROP INDEX CONCURRENTLY other;\n");
    static const char detach[] = "ALTER TABLE p DETACH PARTITION c;";
    assert_true(rewrite(arena, detach, "", &facts).changed);
    parted[0].c = "d";
    assert_false(rewrite(arena, detach, "", &facts).changed);
    parted[0] = (TableFact){"table", "p", "p", "130012", ""};
    assert_false(rewrite(arena, detach, "", &facts).changed);
}

/* --- phases ----------------------------------------------------------------------------------- */

static void test_drops(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Rewritten out = rewrite(arena, "ALTER TABLE t DROP COLUMN a;\nDROP TABLE o;",
                            "CREATE TABLE o (b int);\nCREATE INDEX ON o (b);\n"
                            "ALTER TABLE t ADD COLUMN a int;",
                            NULL);
    assert_true(out.contracts);
    assert_false(out.has_contract);
    assert_string_equal(out.text.upgrade, "ALTER TABLE t DROP COLUMN a;\nDROP TABLE o;\n");
    assert_string_equal(out.text.downgrade, "CREATE TABLE o (b int);\nCREATE INDEX ON o (b);\n"
                                            "ALTER TABLE t ADD COLUMN a int;\n");

    out = rewrite(arena, "CREATE INDEX i ON t (b);\nALTER TABLE t DROP COLUMN a, ADD c int;",
                  "ALTER TABLE t DROP c, ADD COLUMN a int;\nDROP INDEX i;", NULL);
    assert_true(out.has_contract);
    assert_string_equal(out.text.upgrade,
                        "CREATE INDEX CONCURRENTLY i ON t (b);\nALTER TABLE t ADD c int;\n");
    assert_string_equal(out.text.downgrade, "ALTER TABLE t DROP c;\nDROP INDEX CONCURRENTLY i;\n");
    assert_string_equal(out.contract.upgrade, "ALTER TABLE t DROP COLUMN a;\n");
    assert_string_equal(out.contract.downgrade, "ALTER TABLE t ADD COLUMN a int;\n");
}

static void test_phases_need(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Rewritten out =
        rewrite(arena, "ALTER TABLE t RENAME a TO b;", "ALTER TABLE t RENAME b TO a;", NULL);
    assert_false(out.changed);
    assert_non_null(strstr(out.notes[0].left, "--url"));
    out = rewrite(arena, "ALTER TABLE t DROP COLUMN a;", "SELECT 1;", NULL);
    assert_false(out.changed);
    assert_string_equal(out.notes[0].left, "nothing in its downgrade takes it back");
}

/* What comes before or behind would find a change in two phases half-way. */
static void test_entangled(void **state)
{
    (void)state;
    static const char *const upgrades[] = {
        "ALTER TABLE messages RENAME body TO content;\nALTER TABLE messages ALTER content SET "
        "DEFAULT 'x';",
        "ALTER TABLE messages ALTER id DROP DEFAULT, ALTER id TYPE bigint;",
        "ALTER TABLE messages DROP COLUMN body;\nALTER TABLE messages ADD COLUMN \"body\" int;",
        "ALTER TABLE messages RENAME TO posts;\nCREATE VIEW v AS SELECT 1 FROM posts;",
    };
    static const char *const downgrades[] = {
        "ALTER TABLE messages RENAME content TO body;",
        "ALTER TABLE messages ALTER id TYPE int;",
        "ALTER TABLE messages ADD COLUMN body text;",
        "ALTER TABLE posts RENAME TO messages;",
    };
    for (size_t i = 0; i < 4; i++) {
        AUTO_ARENA Arena *arena = arena_new();
        Rewritten out = rewrite(arena, upgrades[i], downgrades[i], &messages);
        if (out.changed || strstr(out.notes[0].left, "of its own") == NULL)
            fail_msg("%s: %s", upgrades[i], out.changed ? out.text.upgrade : out.notes[0].left);
    }
}

/* A drop stays where something before it may carry away what the application goes on writing, or
 * something behind it needs it gone. */
static void test_drops_that_stay(void **state)
{
    (void)state;
    static const struct {
        const char *before;
        const char *drop;
        const char *behind;
        bool stays;
    } drops[] = {
        {"UPDATE t SET b = a || 'x';", "ALTER TABLE t DROP COLUMN a;", "", true},
        {"UPDATE t SET b = to_jsonb(t);", "ALTER TABLE t DROP COLUMN a;", "", true},
        {"INSERT INTO n SELECT * FROM t;", "ALTER TABLE t DROP COLUMN a;", "", true},
        {"CREATE TABLE n AS SELECT x.a FROM t x;", "ALTER TABLE t DROP COLUMN a;", "", true},
        {"ALTER TABLE t ALTER b TYPE int USING a;", "ALTER TABLE t DROP COLUMN a;", "", true},
        {"DO $$ BEGIN UPDATE t SET b = a; END $$;", "ALTER TABLE t DROP COLUMN a;", "", true},
        {"SELECT move_it();", "ALTER TABLE t DROP COLUMN a;", "", true},
        {"UPDATE t SET b = c;", "ALTER TABLE t DROP COLUMN a;", "", false},
        {"INSERT INTO n SELECT * FROM o;", "ALTER TABLE t DROP COLUMN a;", "", false},
        {"CREATE INDEX i ON t (a);", "ALTER TABLE t DROP COLUMN a;", "", false},
        {"INSERT INTO n SELECT b FROM s.t;", "DROP TABLE s.t;", "", true},
        {"INSERT INTO n SELECT b FROM o;", "DROP TABLE t;", "", false},
        {"", "ALTER TABLE t DROP COLUMN a;", "DROP TYPE mood;", true},
        {"", "ALTER TABLE t DROP COLUMN a;", "DROP FUNCTION f;", true},
        {"", "ALTER TABLE t DROP COLUMN a;", "DROP VIEW v CASCADE;", true},
        {"", "ALTER TABLE t DROP COLUMN a;", "DROP VIEW v;", false},
        {"", "DROP TABLE t;", "DROP TABLE IF EXISTS o;", false},
    };
    for (size_t i = 0; i < sizeof drops / sizeof *drops; i++) {
        AUTO_ARENA Arena *arena = arena_new();
        const char *up =
            arena_printf(arena, "%s\n%s\n%s", drops[i].before, drops[i].drop, drops[i].behind);
        Rewritten out =
            rewrite(arena, up,
                    "CREATE TABLE t (a int);\nALTER TABLE t ADD a int;\nCREATE TABLE s.t (a int);"
                    "\nCREATE TABLE o (a int);",
                    NULL);
        for (size_t k = 0; k < out.note_count; k++) {
            const RewriteNote *item = &out.notes[k];
            bool drop = item->form == HAZARD_DROP_COLUMN || item->form == HAZARD_DROP_TABLE;
            if (drop && strstr(item->what, "of o") == NULL &&
                (item->left != NULL) != drops[i].stays)
                fail_msg("%s\n%s", up, item->left == NULL ? "goes to the contract" : item->left);
        }
    }
}

static void test_transaction_words(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    static const FactsList none;
    Rewritten out;
    Error err;
    static const char *const words[] = {
        "SET LOCAL work_mem = '1GB'", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "SET CONSTRAINTS ALL IMMEDIATE", "LOCK TABLE t", "CREATE TEMP TABLE x (a int)"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const char *upgrade = arena_printf(arena, "%s;\nCREATE INDEX i ON t (a);", words[i]);
        assert_int_equal(rewrite_script(arena, script_of(arena, upgrade, ""), &none, &out, &err),
                         ERR_SCRIPT);
        assert_int_equal(err.line, 5);
    }
    out = rewrite(
        arena, "SELECT 1;\nSET work_mem = '1GB';\nSELECT 2;\nSELECT 3;\nCREATE INDEX i ON t (a);",
        "", NULL);
    assert_string_equal(out.text.upgrade, "SELECT 1;\nSET work_mem = '1GB';\n"
                                          "BEGIN;\nSELECT 2;\nSELECT 3;\nCOMMIT;\n"
                                          "CREATE INDEX CONCURRENTLY i ON t (a);\n");
}

static void test_rename_column(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Rewritten out = rewrite(arena, "ALTER TABLE messages RENAME body TO content;",
                            "ALTER TABLE messages RENAME content TO body;", &messages);
    assert_true(out.has_contract);
    assert_non_null(strstr(out.text.upgrade, "ALTER TABLE messages ADD COLUMN content text;\n"));
    assert_non_null(
        strstr(out.text.upgrade,
               "-- +batch key=id size=10000 table=messages\nUPDATE messages SET content = "
               "body WHERE content IS NULL AND body IS NOT NULL AND /*+batch*/ true;\n"));
    assert_non_null(strstr(out.text.upgrade, " ON messages USING btree (content);\n"));
    assert_null(strstr(out.text.upgrade, "public"));
    assert_non_null(strstr(out.text.downgrade, "ALTER TABLE messages DROP COLUMN content;\n"));
    assert_non_null(strstr(out.contract.upgrade,
                           "ALTER TABLE messages DROP COLUMN content;\n"
                           "ALTER TABLE messages RENAME COLUMN body TO content;\nCOMMIT;\n"));
}

static void test_column_type(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Rewritten out = rewrite(arena, "ALTER TABLE messages ALTER id TYPE bigint;",
                            "ALTER TABLE messages ALTER id TYPE integer;", &messages);
    const char *const wanted[] = {
        "    NEW.pgtide_id_new_",
        "UPDATE messages SET pgtide_id_new_",
        " CHECK (pgtide_id_new_",
        "CREATE UNIQUE INDEX CONCURRENTLY pgtide_messages_pkey_new_",
        "ALTER TABLE votes VALIDATE CONSTRAINT pgtide_votes_message_fkey_new_",
        "ANALYZE messages (pgtide_id_new_",
        "BEGIN;\nLOCK TABLE messages, votes IN ACCESS EXCLUSIVE MODE;\n"
        "ALTER TABLE votes DROP CONSTRAINT votes_message_fkey;\n",
        "ALTER TABLE messages DROP CONSTRAINT messages_pkey;\n"
        "ALTER TABLE messages ADD CONSTRAINT messages_pkey PRIMARY KEY USING INDEX ",
        "ALTER SEQUENCE messages_id_seq OWNED BY messages.id;\nALTER SEQUENCE messages_id_seq AS "
        "bigint;\n",
    };
    const char *at = out.text.upgrade;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        at = strstr(at, wanted[i]);
        if (at == NULL)
            fail_msg("not there, or not behind what is before it: %s\n%s", wanted[i],
                     out.text.upgrade);
    }
    assert_non_null(strstr(out.text.downgrade, " integer;\n"));
    assert_true(
        str_starts_with(out.contract.upgrade, "ALTER TABLE messages DROP COLUMN pgtide_id_old_"));

    out = rewrite(arena, "ALTER TABLE messages ALTER body TYPE varchar;",
                  "ALTER TABLE messages ALTER body TYPE text;", &messages);
    assert_false(out.changed);
    assert_non_null(strstr(out.notes[0].left, "changes no row"));
}

/* SET NOT NULL behind a backfill: new rows must have a value too. */
static void test_caution(void **state)
{
    (void)state;
    static const struct {
        const char *sql;
        bool cautious;
    } texts[] = {
        {"ALTER TABLE t ADD x int;\nUPDATE t SET x = 0;\nALTER TABLE t ALTER x SET NOT NULL;",
         true},
        {"ALTER TABLE t ADD x int DEFAULT 0;\nUPDATE t SET x = 1;\nALTER TABLE t ALTER x SET NOT "
         "NULL;",
         false},
        {"ALTER TABLE t ALTER x SET DEFAULT 0;\nUPDATE t SET x = 1;\nALTER TABLE t ALTER x DROP "
         "DEFAULT;\nALTER TABLE t ALTER x SET NOT NULL;",
         true},
        {"ALTER TABLE t ALTER x SET DEFAULT 0;\nUPDATE t SET x = 1;\nALTER TABLE t ALTER x SET NOT "
         "NULL;",
         false},
        {"UPDATE t SET y = 0;\nALTER TABLE t ALTER x SET NOT NULL;", false},
        {"UPDATE t SET id = 0;\nALTER TABLE t ALTER id SET NOT NULL;", true},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        AUTO_ARENA Arena *arena = arena_new();
        Rewritten out = rewrite(arena, texts[i].sql, "", NULL);
        bool cautious = out.notes[out.note_count - 1].caution != NULL;
        if (cautious != texts[i].cautious ||
            (strstr(out.text.upgrade, "-- Take care: rows") != NULL) != cautious)
            fail_msg("%s: %s", texts[i].sql, out.text.upgrade);
    }
    AUTO_ARENA Arena *arena = arena_new();
    Rewritten out =
        rewrite(arena, "UPDATE messages SET id = 1;\nALTER TABLE messages ALTER id SET NOT NULL;",
                "", &messages);
    assert_false(out.changed);
}

/* What revisions behind it would have to do with before its contract. */
static void test_meets(void **state)
{
    (void)state;
    static const struct {
        const char *later;
        bool met;
    } texts[] = {
        {"SELECT 1;\nCREATE INDEX i ON messages (content);", true},
        {"ALTER TABLE messages ALTER \"body\" SET NOT NULL;", true},
        {"DO $$ BEGIN UPDATE messages SET content = 'x'; END $$;", true},
        {"CREATE INDEX i ON messages (author);", false},
        {"CREATE INDEX i ON votes (content);", false},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        AUTO_ARENA Arena *arena = arena_new();
        Rewritten out = rewrite(arena, "ALTER TABLE messages RENAME body TO content;",
                                "ALTER TABLE messages RENAME content TO body;", &messages);
        const char *what;
        const Statement *met =
            rewrite_meets(arena, &out, script_of(arena, texts[i].later, ""), &what);
        if ((met != NULL) != texts[i].met)
            fail_msg("%s", texts[i].later);
        if (met != NULL)
            assert_string_equal(what, "RENAME COLUMN, of messages.body");
    }
}

static void test_column_called_type(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    static const char *const forms[] = {"ALTER type TYPE", "ALTER COLUMN \"type\" SET DATA TYPE"};
    for (size_t i = 0; i < 2; i++) {
        Rewritten out =
            rewrite(arena, arena_printf(arena, "ALTER TABLE messages %s bigint;", forms[i]),
                    arena_printf(arena, "ALTER TABLE messages %s int;", forms[i]), &messages);
        assert_true(out.changed);
        const char *column = strstr(out.text.upgrade, "ADD COLUMN pgtide_type_new_");
        const char *type = strchr(strchr(strchr(column, ' ') + 1, ' ') + 1, ' ');
        assert_true(str_starts_with(type, " bigint;\n"));
    }
}

/* Which changes of a type write nothing: NULL = it is written anew. */
static void test_instant(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"ALTER at TYPE timestamp(3)", "changes no row"},
        {"ALTER at TYPE  TIMESTAMP (3)  without\ttime zone", "changes no row"},
        {"ALTER at TYPE timestamp(3) with time zone", NULL},
        {"ALTER at TYPE timestamptz(3)", NULL},
        {"ALTER at TYPE timestamp", NULL},
        {"ALTER code TYPE varchar(40)", NULL},
        {"ALTER code TYPE varchar(40) COLLATE \"C\"", "changes no row"},
        {"ALTER code TYPE text COLLATE \"C\"", "changes no row"},
        {"ALTER code TYPE text COLLATE \"POSIX\"", NULL},
        {"ALTER code TYPE varchar(40)[]", NULL},
        {"ALTER body TYPE \"Text\"", NULL},
        {"ALTER body TYPE text COLLATE \"C\"", NULL},
        {"ALTER number TYPE bigint", "identity has options"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        AUTO_ARENA Arena *arena = arena_new();
        const char *sql = arena_printf(arena, "ALTER TABLE messages %s;", pairs[i][0]);
        Rewritten out = rewrite(arena, sql, sql, &messages);
        const char *left = out.notes[0].left;
        if ((left == NULL) != (pairs[i][1] == NULL) ||
            (left != NULL && strstr(left, pairs[i][1]) == NULL))
            fail_msg("%s: %s", sql, left == NULL ? out.text.upgrade : left);
    }
}

/* --- names ------------------------------------------------------------------------------------ */

static void test_long_names(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
#define LONG "a2345678901234567890123456789012345678901234567890123456789"
    Rewritten one = rewrite(arena, "ALTER TABLE t ALTER " LONG "_x SET NOT NULL;", "", NULL);
    Rewritten two = rewrite(arena, "ALTER TABLE t ALTER " LONG "_y SET NOT NULL;", "", NULL);
    const char *name = strstr(one.text.upgrade, "pgtide_a");
    assert_int_equal(strcspn(name, " "), 63);
    assert_true(memcmp(name, strstr(two.text.upgrade, "pgtide_a"), 63) != 0);

    one = rewrite(arena, "ALTER TABLE " LONG " ADD UNIQUE (" LONG ");", "", NULL);
    name = strstr(one.text.upgrade, "CONSTRAINT ") + strlen("CONSTRAINT ");
    assert_int_equal(strcspn(name, " "), 63);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_settled),
        cmocka_unit_test(test_outside_a_transaction),
        cmocka_unit_test(test_downgrade),
        cmocka_unit_test(test_partitioned),
        cmocka_unit_test(test_drops),
        cmocka_unit_test(test_phases_need),
        cmocka_unit_test(test_entangled),
        cmocka_unit_test(test_drops_that_stay),
        cmocka_unit_test(test_transaction_words),
        cmocka_unit_test(test_rename_column),
        cmocka_unit_test(test_column_type),
        cmocka_unit_test(test_caution),
        cmocka_unit_test(test_meets),
        cmocka_unit_test(test_column_called_type),
        cmocka_unit_test(test_instant),
        cmocka_unit_test(test_long_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
