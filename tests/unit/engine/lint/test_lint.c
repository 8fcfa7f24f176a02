/* Each rule has a folder of cases: bad*.sql in which it is found at the line marked `-- expect
 * CLASS`
 * (`-- expect-file` = of the whole file) and nothing else is, good.sql without it, and proven.sql
 * where only a trace knows that it is harmless. Rules that only a trace decides find nothing here:
 * tests/integration/single/test_lint.sh runs the same files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lint.h"

#include "file.h"
#include "named_limits.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#define CASES PGTIDE_SOURCE_DIR "/tests/unit/engine/lint/cases"

/* A file of a rule's folder, looked at. */
typedef struct Case {
    Arena *arena;
    const char *path;
    LintFindings findings;
} Case;

static LintConfig usual(void)
{
    LintPart part = LINT_PART_DEFAULT;
    LintConfig config = lint_config_read(NULL, &part);
    config.severity[LINT_UNQUALIFIED] = LINT_SEVERITY_OFF;
    return config;
}

static Script *load(Arena *arena, const char *path)
{
    Script *script = NULL;
    Error err;
    if (script_load(arena, path, &script, &err) != ERR_OK)
        fail_msg("%s:%d: %s", path, err.line, err.message);
    return script;
}

static RevisionMap *map_of(Arena *arena, const char *folder, Script *script)
{
    Script *scripts[3] = {load(arena, CASES "/before.sql"), script};
    size_t count = 2;
    const char *expand = path_join(arena, folder, "expand.sql");
    RevisionMap *map = NULL;
    Error err;
    if (file_exists(expand))
        scripts[count++] = load(arena, expand);
    if (graph_build(arena, scripts, count, &map, &err) != ERR_OK)
        fail_msg("%s: %s", script->file, err.message);
    return map;
}

static void look(Case *item, const char *folder, const LintConfig *config)
{
    Script *script = NULL;
    Error err;
    if (script_load(item->arena, item->path, &script, &err) != ERR_OK) {
        lint_refused(item->arena, item->path, &err, &item->findings);
        return;
    }
    lint_statements(item->arena, script, map_of(item->arena, folder, script), &item->findings);
    lint_finish(item->arena, script, config, false, 0, &item->findings);
}

/* What the file says is found: its line, and the class in `ret_class`. */
static int expected(Arena *arena, const char *path, const char **ret_class)
{
    uint8_t *bytes;
    size_t length;
    Error err;
    assert_int_equal(file_read_all(arena, path, LIMIT_REVISION_FILE_BYTES, &bytes, &length, &err),
                     ERR_OK);
    const char *text = arena_strndup(arena, (const char *)bytes, length);
    const char *mark = strstr(text, "-- expect");
    const char *word = mark == NULL ? NULL : strchr(mark + strlen("-- "), ' ');
    *ret_class = "";
    if (word == NULL) {
        fail_msg("%s expects nothing", path);
        return -1;
    }
    word++;
    *ret_class = arena_strndup(arena, word, strcspn(word, "\n"));
    int line = 1;
    for (const char *at = text; at < mark; at++)
        line += *at == '\n';
    return strncmp(mark, "-- expect-file", 14) == 0 ? 0 : line;
}

static void check_bad(const Case *item, LintRule rule)
{
    const char *class;
    int line = expected(item->arena, item->path, &class);
    if (lint_info(rule).decided == LINT_TRACE) {
        for (size_t i = 0; i < item->findings.count; i++) {
            if (item->findings.items[i].rule != LINT_OPAQUE)
                fail_msg("%s: %s", item->path, lint_rule_id(item->findings.items[i].rule));
        }
        return;
    }
    if (item->findings.count != 1)
        fail_msg("%s: %zu findings, the last one %s", item->path, item->findings.count,
                 item->findings.count == 0
                     ? "of none"
                     : lint_rule_id(item->findings.items[item->findings.count - 1].rule));
    const LintFinding *finding = &item->findings.items[0];
    assert_string_equal(lint_rule_id(finding->rule), lint_rule_id(rule));
    assert_string_equal(lint_class_name(finding->info.lint_class), class);
    if (rule == LINT_REFUSED && strstr(item->path, "bad_way_back") != NULL)
        assert_true(finding->line > 0); /* where the file ends */
    else if (finding->line != line)
        fail_msg("%s: line %d instead of %d", item->path, finding->line, line);
}

static void check_good(const Case *item, LintRule rule, bool proven)
{
    bool found = false;
    for (size_t i = 0; i < item->findings.count; i++) {
        const LintFinding *finding = &item->findings.items[i];
        if (finding->suppressed != NULL)
            continue;
        found = found || finding->rule == rule;
        if (!proven && finding->severity == LINT_SEVERITY_ERROR)
            fail_msg("%s: %s", item->path, lint_rule_id(finding->rule));
    }
    if (found != proven)
        fail_msg("%s: %s is %s", item->path, lint_rule_id(rule), found ? "found" : "not found");
}

static void check_file(const char *folder, const char *name, LintRule rule)
{
    AUTO_ARENA Arena *arena = arena_new();
    Case item = {.arena = arena, .path = path_join(arena, folder, name)};
    LintConfig config = usual();
    if (rule == LINT_UNQUALIFIED)
        config.severity[rule] = LINT_SEVERITY_WARNING;
    look(&item, folder, &config);
    if (str_starts_with(name, "bad"))
        check_bad(&item, rule);
    else
        check_good(&item, rule, strcmp(name, "proven.sql") == 0);
}

static void test_every_rule_has_its_cases(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    for (LintRule rule = (LintRule)0; rule < LINT_RULE_COUNT; rule++) {
        const char *folder = path_join(arena, CASES, lint_rule_id(rule));
        DIR *dir = opendir(folder);
        if (dir == NULL)
            fail_msg("no cases of %s", lint_rule_id(rule));
        size_t bad = 0, good = 0;
        const struct dirent *entry;
        while ((entry = readdir(dir)) != NULL) {
            if (!str_ends_with(entry->d_name, ".sql") || strcmp(entry->d_name, "expand.sql") == 0)
                continue;
            bad += str_starts_with(entry->d_name, "bad");
            good += strcmp(entry->d_name, "good.sql") == 0;
            check_file(folder, entry->d_name, rule);
        }
        closedir(dir);
        if (bad == 0 || good != 1)
            fail_msg("%s has %zu bad and %zu good cases", lint_rule_id(rule), bad, good);
    }
}

static void test_every_folder_has_its_rule(void **state)
{
    (void)state;
    DIR *dir = opendir(CASES);
    assert_non_null(dir);
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        bool folder = entry->d_name[0] != '.' && !str_ends_with(entry->d_name, ".sql");
        if (folder && lint_rule_find(entry->d_name) == LINT_RULE_COUNT)
            fail_msg("there is no rule %s", entry->d_name);
    }
    closedir(dir);
}

/* --- texts ------------------------------------------------------------------------------------ */

static LintFindings found_in(Arena *arena, const char *text, const LintConfig *config)
{
    LintFindings findings = {0};
    Script *script = NULL;
    Error err;
    if (script_parse(arena, "case.sql", (const uint8_t *)text, strlen(text), &script, &err) !=
        ERR_OK)
        fail_msg("line %d: %s", err.line, err.message);
    lint_statements(arena, script, NULL, &findings);
    lint_finish(arena, script, config, false, 0, &findings);
    return findings;
}

#define HEAD "-- revision: case\n"
#define UP "-- +upgrade\n"
#define DOWN "-- +downgrade\nSELECT 1;\n"

static void test_places(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    LintConfig config = usual();
    LintFindings findings = found_in(arena,
                                     HEAD UP "SELECT 1; ALTER TABLE t\n"
                                             "  ADD COLUMN n int,\n"
                                             "  /* \xC3\xA4 */ ALTER a SET NOT NULL,\n"
                                             "  DROP COLUMN b;\n" DOWN,
                                     &config);
    assert_int_equal(findings.count, 2);
    assert_int_equal(findings.items[0].rule, LINT_NOT_NULL);
    assert_int_equal(findings.items[0].line, 5);
    assert_int_equal(findings.items[0].column, 11);
    assert_int_equal(findings.items[1].rule, LINT_DROP_COLUMN);
    assert_int_equal(findings.items[1].line, 6);
    assert_int_equal(findings.items[1].column, 3);
}

static void test_tables_of_the_same_revision(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    LintConfig config = usual();
    LintFindings findings = found_in(
        arena,
        HEAD UP "CREATE TABLE n (id bigint PRIMARY KEY, a int);\nCREATE UNIQUE INDEX ON n (a);\n"
                "ALTER TABLE n ALTER a SET NOT NULL;\nALTER TABLE n ALTER a DROP NOT NULL;\n"
                "ALTER TABLE n ADD CONSTRAINT c CHECK (a > 0);\nALTER TABLE n DROP CONSTRAINT c;\n"
                "TRUNCATE n;\nDELETE FROM n;\nUPDATE n SET a = 1;\nDROP TABLE n;\n" DOWN,
        &config);
    assert_int_equal(findings.count, 0);
}

/* It proves nothing: the table may have been there, with rows. */
static void test_tables_that_may_have_been_there(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    LintConfig config = usual();
    LintFindings findings = found_in(arena,
                                     HEAD UP "CREATE TABLE IF NOT EXISTS n (id bigint);\n"
                                             "TRUNCATE n;\nDELETE FROM n;\n"
                                             "CREATE INDEX ON n (id);\nDROP TABLE n;\n" DOWN,
                                     &config);
    static const LintRule rules[] = {LINT_TRUNCATE, LINT_DELETE_ALL, LINT_INDEX, LINT_DROP_TABLE};
    assert_int_equal(findings.count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(findings.items[i].rule, rules[i]);
}

static void test_rows_in_other_clothes(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    LintConfig config = usual();
    LintFindings findings = found_in(
        arena,
        HEAD UP
        "WITH gone AS (DELETE FROM r RETURNING *) SELECT count(*) FROM gone;\n"
        "WITH same AS (UPDATE r SET a = 1 RETURNING *) SELECT count(*) FROM same;\n"
        "DELETE FROM r WHERE true;\nWITH few AS (DELETE FROM r WHERE id = 1) SELECT 1;\n" DOWN,
        &config);
    assert_int_equal(findings.count, 3);
    assert_int_equal(findings.items[0].rule, LINT_DELETE_ALL);
    assert_int_equal(findings.items[1].rule, LINT_UPDATE_ALL);
    assert_int_equal(findings.items[2].rule, LINT_DELETE_ALL);
}

/* Taking away is what a downgrade is for; reading a table under a lock is not. */
static void test_downgrades(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    LintConfig config = usual();
    LintFindings findings = found_in(arena,
                                     HEAD UP "SELECT 1;\n-- +downgrade\n"
                                             "ALTER TABLE t DROP COLUMN a;\nDROP TABLE u;\n"
                                             "ALTER TABLE t ALTER b SET NOT NULL;\n",
                                     &config);
    assert_int_equal(findings.count, 1);
    assert_int_equal(findings.items[0].rule, LINT_NOT_NULL);
    assert_int_equal(findings.items[0].line, 7);
}

static void test_severities(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    LintConfig config = usual();
    config.severity[LINT_NOT_NULL] = LINT_SEVERITY_OFF;
    config.severity[LINT_DROP_COLUMN] = LINT_SEVERITY_NOTE;
    LintFindings findings = found_in(
        arena, HEAD UP "ALTER TABLE t ALTER a SET NOT NULL, DROP COLUMN b;\n" DOWN, &config);
    assert_int_equal(findings.count, 1);
    assert_int_equal(findings.items[0].rule, LINT_DROP_COLUMN);
    assert_int_equal(findings.items[0].severity, LINT_SEVERITY_NOTE);
}

/* Before a statement it is about that one only, also of two on a line; a rule that is off or that
 * only a trace decides may be ignored without being found. */
static void test_ignored(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    LintConfig config = usual();
    config.severity[LINT_JSON] = LINT_SEVERITY_OFF;
    LintFindings findings =
        found_in(arena,
                 HEAD "-- +ignore json-column: old\n" UP "-- +ignore truncate: it is empty\n"
                      "-- +ignore work-under-lock: it is short\n"
                      "TRUNCATE t; TRUNCATE u;\n" DOWN,
                 &config);
    assert_int_equal(findings.count, 2);
    assert_string_equal(findings.items[0].suppressed, "it is empty");
    assert_string_equal(findings.items[0].what, "TRUNCATE, of t");
    assert_null(findings.items[1].suppressed);
    assert_string_equal(findings.items[1].what, "TRUNCATE, of u");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_rule_has_its_cases),
        cmocka_unit_test(test_every_folder_has_its_rule),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_tables_of_the_same_revision),
        cmocka_unit_test(test_tables_that_may_have_been_there),
        cmocka_unit_test(test_rows_in_other_clothes),
        cmocka_unit_test(test_downgrades),
        cmocka_unit_test(test_severities),
        cmocka_unit_test(test_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
