#include "settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static ErrCode load_text(Arena *arena, const char *text, AgentSettings *out, Error *err)
{
    char path[] = "/tmp/pgtide-agent-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    ErrCode code = agent_settings_load(arena, path, out, err);
    unlink(path);
    return code;
}

#define HEAD                                                                                       \
    "name: db1\nkey: k.key\ntrust: trust\nstate: state\n"                                          \
    "coordinator: {endpoint: 'tcp://c:7433'}\n"
#define CLUSTER HEAD "clusters:\n  - {name: main, discover: x, "

static void the_example_is_a_configuration(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    AgentSettings settings;
    Error err;
    assert_int_equal(
        agent_settings_load(arena, PGTIDE_SOURCE_DIR "/deploy/agent.example.yaml", &settings, &err),
        ERR_OK);
    assert_string_equal(settings.name, "db1");
    assert_int_equal(settings.concurrency, 8);
    assert_int_equal(agent_settings_cluster_count(&settings), 2);
    const ClusterSettings *shared = agent_settings_find_cluster(&settings, "shared");
    assert_non_null(shared);
    assert_int_equal(shared->shards.count, 2);
    assert_int_equal(shared->shared_schemas.count, 1);
    assert_null(shared->discover);
    assert_null(agent_settings_find_cluster(&settings, "none"));
}

static void what_is_absent_has_a_default(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    AgentSettings settings;
    Error err;
    assert_int_equal(load_text(arena,
                               HEAD "clusters:\n"
                                    "  - {name: main, host: /run, user: u, discover: SELECT 1}\n",
                               &settings, &err),
                     ERR_OK);
    assert_string_equal(settings.host, "db1");
    assert_int_equal(settings.silence_deadline_ms, 0);
    assert_int_equal(settings.inventory_ms, 60000);
    const ClusterSettings *cluster = agent_settings_cluster(&settings, 0);
    assert_int_equal(cluster->port, 5432);
    assert_string_equal(cluster->maintenance_database, "postgres");
    assert_int_equal(cluster->conninfo_count, 3);
    assert_string_equal(cluster->conninfo[1].name, "port");
    assert_string_equal(cluster->conninfo[1].value, "5432");
}

static const char *keyword(const ClusterSettings *cluster, const char *name)
{
    for (size_t i = 0; i < cluster->conninfo_count; i++)
        if (strcmp(cluster->conninfo[i].name, name) == 0)
            return cluster->conninfo[i].value;
    return NULL;
}

static void credentials_become_keywords(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    AgentSettings settings;
    Error err;
    static const char text[] =
        HEAD "service-file: services\n"
             "clusters:\n"
             "  - {name: tls, host: db.example.net, port: 5433, user: u, discover: x,"
             " sslmode: verify-full, sslrootcert: /ca, sslcert: /mine, sslkey: /mine.key}\n"
             "  - {name: vault, host: h, user: u, discover: x, password-command: [vault, read]}\n"
             "  - {name: service, service: tenants, discover: x}\n";
    assert_int_equal(load_text(arena, text, &settings, &err), ERR_OK);
    assert_true(settings.service_file[0] == '/');
    const ClusterSettings *tls = agent_settings_cluster(&settings, 0);
    assert_string_equal(keyword(tls, "sslmode"), "verify-full");
    assert_string_equal(keyword(tls, "sslrootcert"), "/ca");
    assert_string_equal(keyword(tls, "sslcert"), "/mine");
    assert_string_equal(keyword(tls, "sslkey"), "/mine.key");
    assert_null(tls->passwords);
    const ClusterSettings *vault = agent_settings_cluster(&settings, 1);
    assert_non_null(vault->passwords);
    assert_null(keyword(vault, "sslmode"));
    const ClusterSettings *service = agent_settings_cluster(&settings, 2);
    assert_int_equal(service->conninfo_count, 1); /* it says all of the rest */
    assert_string_equal(keyword(service, "service"), "tenants");
}

static void refuses(const char *text, const char *part)
{
    AUTO_ARENA Arena *arena = arena_new();
    AgentSettings settings;
    Error err;
    assert_int_equal(load_text(arena, text, &settings, &err), ERR_CONFIG);
    char all[2048];
    snprintf(all, sizeof all, "%s\n%s", err.message, err.detail);
    if (strstr(all, part) == NULL)
        fail_msg("'%s' is not in: %s", part, all);
}

static void what_is_wrong_is_told(void **state)
{
    (void)state;
    refuses(HEAD "clusters:\n  - {name: main, host: /run, user: u}\n", "discover");
    refuses(HEAD "clusters:\n  - {name: main, host: /run, user: u, discover: x,"
                 " discover-command: [list]}\n",
            "both 'discover' and 'discover-command'");
    refuses(HEAD "clusters:\n  - {name: main, host: /run, user: u, discover-command: []}\n",
            "discover-command");
    refuses(HEAD "clusters: []\n", "clusters");
    refuses(HEAD, "clusters");
    refuses(HEAD "clusters:\n  - {name: a, host: h, user: u, discover: x}\n"
                 "  - {name: a, host: i, user: u, discover: x}\n",
            "again");
    refuses(HEAD "clusters:\n  - {name: a, host: h, user: u, discover: x, prot: 1}\n", "prot");
    refuses(HEAD "clusters:\n  - {name: A, host: h, user: u, discover: x}\n", "name");
    refuses(HEAD "concurrency: 0\nclusters:\n  - {name: a, host: h, user: u, discover: x}\n",
            "concurrency");
    refuses(HEAD "clusters:\n  - {name: a, host: h, user: u, password: x, discover: x}\n",
            "password"); /* secrets live in a passfile */
    refuses(CLUSTER "host: h}\n", "'clusters[0]' needs 'user', or 'service'");
    refuses(CLUSTER "user: u}\n", "'clusters[0]' needs 'host', or 'service'");
    refuses(CLUSTER "service: s, host: h}\n", "'clusters[0]' has both 'service' and 'host'");
    refuses(CLUSTER "service: s, port: 5432}\n", "'clusters[0]' has both 'service' and 'port'");
    refuses(CLUSTER "service: s, sslmode: require}\n", "both 'service' and 'sslmode'");
    refuses(CLUSTER "host: h, user: u, passfile: p, password-command: [x]}\n",
            "'clusters[0]' has both 'passfile' and 'password-command'");
    refuses(CLUSTER "host: h, user: u, password-command: []}\n", "password-command");
    refuses(CLUSTER "host: h, user: u, sslmode: maybe}\n", "sslmode");
    refuses(CLUSTER "host: h, user: u, sslcert: c}\n", "needs both 'sslcert' and 'sslkey'");
    refuses(CLUSTER "host: h, user: u, sslkey: k}\n", "needs both 'sslcert' and 'sslkey'");
    refuses(CLUSTER "host: /run, user: u, sslmode: verify-ca}\n", "'host' is a unix socket");
}

static void nearer_labels_win(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Label host[] = {{"tier", "free"}, {"region", "eu"}};
    Label shard[] = {{"canary", "true"}, {"tier", "pro"}};
    LabelList lists[] = {{host, 2}, {shard, 2}};
    LabelList merged = labels_merge(arena, lists, 2);
    assert_int_equal(merged.count, 3);
    assert_string_equal(merged.items[0].key, "canary");
    assert_string_equal(merged.items[1].value, "eu");
    assert_string_equal(merged.items[2].value, "pro");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_is_a_configuration),
        cmocka_unit_test(what_is_absent_has_a_default),
        cmocka_unit_test(credentials_become_keywords),
        cmocka_unit_test(what_is_wrong_is_told),
        cmocka_unit_test(nearer_labels_win),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
