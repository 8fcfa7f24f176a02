#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config.h"

#include "named_limits.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef enum Method { METHOD_NONE, METHOD_DUMP, METHOD_DIRECTORY } Method;

typedef struct Cluster {
    const char *name;
    int64_t port;
} Cluster;

typedef struct Backup {
    Method method;
    uint64_t limit_bytes;
} Backup;

typedef struct Sample {
    const char *rollout;
    const char *target;
    const char *key_file;
    Uuid fleet;
    int64_t max_failures;
    bool verify;
    uint64_t timeout_ms;
    StrList databases;
    LabelList labels;
    Backup backup;
    ConfigList clusters;
    const ConfigNode *waves;
} Sample;

static const ConfigField cluster_fields[] = {
    {.key = "name",
     .kind = CONFIG_NAME,
     .offset = offsetof(Cluster, name),
     .required = true,
     .help = "its name"},
    {.key = "port",
     .kind = CONFIG_INTEGER,
     .offset = offsetof(Cluster, port),
     .min = 1,
     .max = 65535},
};
static const Cluster cluster_defaults = {.port = 5432};
static const ConfigTable cluster_table = {
    .fields = cluster_fields, .count = 2, .size = sizeof(Cluster), .defaults = &cluster_defaults};

static const ConfigWord methods[] = {
    {"none", METHOD_NONE}, {"dump", METHOD_DUMP}, {"directory", METHOD_DIRECTORY}, {NULL, 0}};
static const ConfigField backup_fields[] = {
    {.key = "method",
     .kind = CONFIG_ENUM,
     .offset = offsetof(Backup, method),
     .words = methods,
     .help = "how"},
    {.key = "limit",
     .kind = CONFIG_SIZE,
     .offset = offsetof(Backup, limit_bytes),
     .min = 1024,
     .max = 1048576},
};
static const ConfigTable backup_table = CONFIG_TABLE_OF(Backup, backup_fields);

static const ConfigField sample_fields[] = {
    {.key = "rollout", .kind = CONFIG_NAME, .offset = offsetof(Sample, rollout), .required = true},
    {.key = "target",
     .kind = CONFIG_STRING,
     .offset = offsetof(Sample, target),
     .min = 1,
     .max = 10},
    {.key = "key-file", .kind = CONFIG_PATH, .offset = offsetof(Sample, key_file)},
    {.key = "fleet", .kind = CONFIG_UUID, .offset = offsetof(Sample, fleet)},
    {.key = "max_failures", .kind = CONFIG_INTEGER, .offset = offsetof(Sample, max_failures)},
    {.key = "verify", .kind = CONFIG_BOOL, .offset = offsetof(Sample, verify)},
    {.key = "timeout",
     .kind = CONFIG_DURATION,
     .offset = offsetof(Sample, timeout_ms),
     .min = 100,
     .max = 60000},
    {.key = "databases", .kind = CONFIG_STRINGS, .offset = offsetof(Sample, databases), .min = 1},
    {.key = "labels", .kind = CONFIG_LABELS, .offset = offsetof(Sample, labels)},
    {.key = "backup",
     .kind = CONFIG_TABLE,
     .offset = offsetof(Sample, backup),
     .table = &backup_table},
    {.key = "clusters",
     .kind = CONFIG_TABLES,
     .offset = offsetof(Sample, clusters),
     .table = &cluster_table},
    {.key = "waves", .kind = CONFIG_NODE, .offset = offsetof(Sample, waves)},
};
static const ConfigTable sample_table = CONFIG_TABLE_OF(Sample, sample_fields);

static Arena *arena;

static int setup(void **state)
{
    (void)state;
    arena = arena_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static ErrCode parse(const char *text, Config **config, Error *err)
{
    return config_parse(arena, "dir/r.yaml", text, strlen(text), config, err);
}

/* Reads `text` by the sample table; the Config stays for its problems. */
static Config *read_sample(const char *text, Sample *sample)
{
    Config *config = NULL;
    Error err;
    assert_int_equal(parse(text, &config, &err), ERR_OK);
    bool ok = config_read(config, config_root(config), &sample_table, sample);
    if (config_problem_count(config) > 0)
        assert_int_equal(config_finish(config, &err), ERR_CONFIG);
    else
        assert_true(ok);
    return config;
}

static void assert_problem(const char *text, const char *expected)
{
    Sample sample = {0};
    Config *config = read_sample(text, &sample);
    assert_int_equal(config_problem_count(config), 1);
    assert_string_equal(config_problem_text(config, 0), expected);
}

static void test_all_kinds(void **state)
{
    (void)state;
    Sample sample = {0};
    Config *config = read_sample("rollout: add-bio\n"
                                 "target: 007\n"
                                 "key-file: keys/a.key\n"
                                 "fleet: 01234567-89ab-cdef-0123-456789abcdef\n"
                                 "max_failures: 12\n"
                                 "verify: true\n"
                                 "timeout: 30s\n"
                                 "databases: [a, 'b c']\n"
                                 "labels: {tier: free, canary: \"true\"}\n"
                                 "backup: {method: directory, limit: 64KiB}\n"
                                 "clusters:\n"
                                 "  - name: main\n"
                                 "  - {name: other, port: 5433}\n"
                                 "waves: [5%, rest]\n",
                                 &sample);
    assert_int_equal(config_problem_count(config), 0);
    assert_string_equal(sample.rollout, "add-bio");
    assert_string_equal(sample.target, "007");
    assert_string_equal(sample.key_file, "dir/keys/a.key");
    assert_int_equal(sample.fleet.bytes[1], 0x23);
    assert_int_equal(sample.max_failures, 12);
    assert_true(sample.verify);
    assert_int_equal(sample.timeout_ms, 30000);
    assert_int_equal(sample.databases.count, 2);
    assert_string_equal(sample.databases.items[1], "b c");
    assert_int_equal(sample.labels.count, 2);
    assert_string_equal(sample.labels.items[1].key, "canary");
    assert_string_equal(sample.labels.items[1].value, "true");
    assert_int_equal(sample.backup.method, METHOD_DIRECTORY);
    assert_int_equal(sample.backup.limit_bytes, 65536);
    assert_int_equal(sample.clusters.count, 2);
    const Cluster *clusters = sample.clusters.items;
    assert_string_equal(clusters[0].name, "main");
    assert_int_equal(clusters[0].port, 5432); /* the item's default */
    assert_int_equal(clusters[1].port, 5433);
    assert_int_equal(config_node_count(sample.waves), 2);
}

static void test_absent_keys_keep_defaults(void **state)
{
    (void)state;
    Sample sample = {.target = "head", .timeout_ms = 700, .backup = {.method = METHOD_DUMP}};
    read_sample("rollout: x\nbackup: {limit: 1MiB}\n", &sample);
    assert_string_equal(sample.target, "head");
    assert_int_equal(sample.timeout_ms, 700);
    assert_int_equal(sample.backup.method, METHOD_DUMP);
    assert_null(sample.waves);
}

static void test_messages(void **state)
{
    (void)state;
    assert_problem("rollout: x\n\nmax_failure: 3\n",
                   "dir/r.yaml:3:1: unknown key 'max_failure' (did you mean 'max_failures'?)");
    assert_problem("rollout: x\nbackup:\n  zzzzzz: 3\n",
                   "dir/r.yaml:3:3: unknown key 'backup.zzzzzz'");
    assert_problem("rollout: x\nclusters:\n- name: a\n  port: \"fifty\"\n",
                   "dir/r.yaml:4:9: 'clusters[0].port' must be a whole number, not \"fifty\"");
    assert_problem("rollout: x\nclusters:\n- name: a\n- {name: b, port: 70000}\n",
                   "dir/r.yaml:4:19: 'clusters[1].port' must be from 1 to 65535, not 70000");
    assert_problem("rollout: x\nclusters:\n- port: 1\n",
                   "dir/r.yaml:3:3: 'clusters[0].name' is missing");
    assert_problem("target: x\n", "dir/r.yaml:1:1: 'rollout' is missing");
    assert_problem("", "dir/r.yaml:1:1: 'rollout' is missing");
    assert_problem("rollout: x\nrollout: y\n",
                   "dir/r.yaml:2:1: duplicate key 'rollout' (first on line 1)");
    assert_problem("rollout: x\nmax_failures: -1\n",
                   "dir/r.yaml:2:15: 'max_failures' must be at least 0, not -1");
    assert_problem("rollout: x\nmax_failures: 99999999999999999999\n",
                   "dir/r.yaml:2:15: 'max_failures' must be a whole number, not "
                   "\"99999999999999999999\"");
    assert_problem("rollout: x\nverify: yes\n",
                   "dir/r.yaml:2:9: 'verify' must be true or false, not \"yes\"");
    assert_problem("rollout: x\ntimeout: 5\n",
                   "dir/r.yaml:2:10: 'timeout' must be a duration such as 500ms, 30s, 5m, 2h or "
                   "7d, not \"5\"");
    assert_problem("rollout: x\ntimeout: 2m\n",
                   "dir/r.yaml:2:10: 'timeout' must be from 100ms to 1m, not 2m");
    assert_problem("rollout: x\nbackup: {limit: 1}\n",
                   "dir/r.yaml:2:17: 'backup.limit' must be from 1KiB to 1MiB, not 1");
    assert_problem("rollout: x\nbackup: {method: dumb}\n",
                   "dir/r.yaml:2:18: 'backup.method' must be one of none, dump, directory, not "
                   "\"dumb\" (did you mean 'dump'?)");
    assert_problem("rollout: x\ntarget:\n", "dir/r.yaml:2:8: 'target' must be a text, not empty");
    assert_problem("rollout: x\ntarget: ''\n", "dir/r.yaml:2:9: 'target' must not be empty");
    assert_problem("rollout: x\ntarget: 12345678901\n",
                   "dir/r.yaml:2:9: 'target' must have at most 10 bytes, not 11");
    assert_problem("rollout: x\ndatabases: a\n",
                   "dir/r.yaml:2:12: 'databases' must be a list of texts, not \"a\"");
    assert_problem("rollout: x\ndatabases: []\n",
                   "dir/r.yaml:2:12: 'databases' must have at least 1 item");
    assert_problem("rollout: x\ndatabases: [a, {b: c}]\n",
                   "dir/r.yaml:2:16: 'databases[1]' must be a text, not a mapping");
    assert_problem("rollout: x\nlabels: {a: [1]}\n",
                   "dir/r.yaml:2:13: 'labels.a' must be a text, not a list");
    assert_problem("rollout: x\nfleet: abc\n",
                   "dir/r.yaml:2:8: 'fleet' must be a UUID in lower case, not \"abc\"");
    assert_problem("rollout: x\nbackup: dump\n",
                   "dir/r.yaml:2:9: 'backup' must be a mapping, not \"dump\"");
    assert_problem("- a\n", "dir/r.yaml:1:1: the file must be a mapping, not a list");
}

static void test_all_problems_in_one_run_in_order(void **state)
{
    (void)state;
    Sample sample = {0};
    Config *config = read_sample("verify: maybe\n"
                                 "nonsense: 1\n"
                                 "rollout: Bad Name\n"
                                 "verify: true\n",
                                 &sample);
    assert_int_equal(config_problem_count(config), 4);
    Error err;
    assert_int_equal(config_finish(config, &err), ERR_CONFIG);
    assert_string_equal(err.message, "'verify' must be true or false, not \"maybe\"");
    assert_string_equal(err.file, "dir/r.yaml");
    assert_int_equal(err.line, 1);
    assert_int_equal(err.column, 9);
    assert_non_null(strstr(err.detail, "r.yaml:2:1: unknown key 'nonsense'"));
    for (int line = 1; line <= 4; line++) {
        const char *place = arena_printf(arena, "dir/r.yaml:%d:", line);
        assert_true(str_starts_with(config_problem_text(config, (size_t)line - 1), place));
    }
}

static void test_many_problems_are_counted(void **state)
{
    (void)state;
    AUTO_STR Str text = {0};
    str_append(&text, "rollout: x\n");
    for (int i = 0; i < 300; i++)
        str_printf(&text, "unknown%d: 1\n", i);
    Sample sample = {0};
    Config *config = read_sample(str_text(&text), &sample);
    Error err;
    assert_int_equal(config_finish(config, &err), ERR_CONFIG);
    assert_non_null(strstr(err.detail, " more"));
    assert_true(config_problem_count(config) < 300);
}

static void test_messages_are_safe_to_print(void **state)
{
    (void)state;
    Sample sample = {0};
    Config *config = read_sample("rollout: \"a\\e[2J\\x9b\\n\"\n\"k\\e\": 1\n", &sample);
    assert_int_equal(config_problem_count(config), 2);
    for (size_t i = 0; i < 2; i++) {
        for (const char *at = config_problem_text(config, i); *at != '\0'; at++)
            assert_true((unsigned char)*at >= 0x20 && (unsigned char)*at < 0x7F);
    }
}

static void assert_refused(const char *text, int line, const char *expected)
{
    Config *config = NULL;
    Error err = {0};
    assert_int_equal(parse(text, &config, &err), ERR_CONFIG);
    assert_null(config);
    assert_non_null(strstr(err.message, expected));
    assert_int_equal(err.line, line);
    assert_string_equal(err.file, "dir/r.yaml");
}

static void test_syntax_and_what_is_not_supported(void **state)
{
    (void)state;
    assert_refused("a: 1\nb: [1, 2\nc: 3\n", 3, "not valid YAML: did not find expected");
    assert_refused("a: 1\n\tb: 2\n", 2, "not valid YAML");
    assert_refused("a: &x 1\n", 1, "anchors are not supported");
    assert_refused("a: 1\nb: *x\n", 2, "aliases are not supported");
    assert_refused("a: !!int 1\n", 1, "tags are not supported");
    assert_refused("a: 1\n---\nb: 1\n", 2, "only one document");
    assert_refused("? [a]\n: 1\n", 1, "a key must be a text");
    AUTO_STR Str deep = {0};
    for (int i = 0; i < LIMIT_CONFIG_DEPTH + 1; i++)
        str_append(&deep, "[");
    assert_refused(str_text(&deep), 1, "nested too deeply");
}

static void test_bytes_that_are_not_text(void **state)
{
    (void)state;
    Config *config = NULL;
    Error err;
    assert_int_equal(config_parse(arena, "x", "a: 1\n\0b: 2\n", 11, &config, &err), ERR_CONFIG);
    assert_int_equal(config_parse(arena, "x", "a: \xFF\n", 5, &config, &err), ERR_CONFIG);
    assert_null(config);
}

/* A rollout's waves: items are scalars or mappings with one key. */
static void test_irregular_nodes(void **state)
{
    (void)state;
    Sample sample = {0};
    Config *config = read_sample("rollout: x\n"
                                 "waves:\n"
                                 "  - canary: {labls: {a: b}, bake: 30m}\n"
                                 "  - '5%'\n"
                                 "  - ~\n",
                                 &sample);
    const ConfigNode *waves = sample.waves;
    assert_int_equal(config_node_kind(waves), CONFIG_NODE_SEQUENCE);
    assert_int_equal(config_node_count(waves), 3);
    const ConfigNode *first = config_node_item(waves, 0);
    assert_int_equal(config_node_kind(first), CONFIG_NODE_MAPPING);
    assert_string_equal(config_node_key(first, 0), "canary");
    const ConfigNode *canary = config_node_get(first, "canary");
    assert_string_equal(config_node_path(canary), "waves[0].canary");
    assert_null(config_node_get(first, "other"));
    assert_null(config_node_get(waves, "canary"));
    const ConfigNode *second = config_node_item(waves, 1);
    assert_string_equal(config_node_text(second), "5%");
    assert_int_equal(config_node_line(second), 4);
    assert_int_equal(config_node_kind(config_node_item(waves, 2)), CONFIG_NODE_NULL);
    assert_null(config_node_item(waves, 3));

    static const char *const known[] = {"labels", "bake"};
    config_problem_unknown_key(config, canary, 0, known, 2);
    static const ConfigField bake = {.kind = CONFIG_DURATION, .max = 60000};
    uint64_t bake_ms = 9;
    assert_false(config_read_value(config, config_node_get(canary, "bake"), &bake, &bake_ms));
    assert_int_equal(bake_ms, 9);
    config_problem(config, config_node_item(waves, 2), "a wave is empty");
    assert_int_equal(config_problem_count(config), 3);
    assert_string_equal(
        config_problem_text(config, 0),
        "dir/r.yaml:3:14: unknown key 'waves[0].canary.labls' (did you mean 'labels'?)");
    assert_string_equal(config_problem_text(config, 1),
                        "dir/r.yaml:3:35: 'waves[0].canary.bake' must be from 0s to 1m, not 30m");
    assert_string_equal(config_problem_text(config, 2), "dir/r.yaml:5:5: a wave is empty");
}

static void test_a_file(void **state)
{
    (void)state;
    char path[] = "/tmp/pgtide-config-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    static const char text[] = "rollout: x\nkey-file: k\ntarget: [\n";
    assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
    Sample sample = {0};
    Config *config = NULL;
    Error err;
    assert_int_equal(config_open(arena, path, &config, &err), ERR_CONFIG);
    assert_int_equal(ftruncate(fd, 23), 0);
    assert_int_equal(config_open(arena, path, &config, &err), ERR_OK);
    assert_true(config_read(config, config_root(config), &sample_table, &sample));
    assert_string_equal(sample.key_file, "/tmp/k");
    close(fd);
    unlink(path);
    assert_int_equal(config_open(arena, path, &config, &err), ERR_NOT_FOUND);
}

static void test_describe(void **state)
{
    (void)state;
    AUTO_STR Str out = {0};
    config_describe(&sample_table, &out);
    assert_non_null(strstr(str_text(&out), "rollout  name, required\n"));
    assert_non_null(strstr(str_text(&out), "timeout  duration, 100ms to 1m\n"));
    assert_non_null(strstr(str_text(&out), "  method  one of none, dump, directory: how\n"));
}

static void test_markdown(void **state)
{
    (void)state;
    AUTO_STR Str out = {0};
    config_markdown(&sample_table, NULL, "x.", &out);
    assert_non_null(strstr(str_text(&out), "| `x.rollout` | name | required |  |  |  |\n"));
    assert_non_null(strstr(str_text(&out), "| duration |  | 100ms to 1m |"));
    assert_non_null(strstr(str_text(&out), ".method` | `none`, `dump`, `directory` |"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_kinds),
        cmocka_unit_test(test_absent_keys_keep_defaults),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_all_problems_in_one_run_in_order),
        cmocka_unit_test(test_many_problems_are_counted),
        cmocka_unit_test(test_messages_are_safe_to_print),
        cmocka_unit_test(test_syntax_and_what_is_not_supported),
        cmocka_unit_test(test_bytes_that_are_not_text),
        cmocka_unit_test(test_irregular_nodes),
        cmocka_unit_test(test_a_file),
        cmocka_unit_test(test_describe),
        cmocka_unit_test(test_markdown),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
