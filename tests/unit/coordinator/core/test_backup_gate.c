#include "backup_gate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static BackupCommandInfo commands[] = {{.name = "snap", .can_verify = true}, {.name = "blind"}};

static ClusterInfo sound(void)
{
    return (ClusterInfo){.name = "main",
                         .server_version = 150010,
                         .pg_dump_version = 150004,
                         .pg_restore_version = 160001,
                         .backup_commands = commands,
                         .backup_command_count = 2,
                         .can_encrypt = true};
}

static void refuses(const BackupPolicy *policy, const ClusterInfo *cluster, const char *part)
{
    Error err;
    assert_int_equal(backup_gate_check(policy, cluster, &err), ERR_BACKUP);
    if (strstr(err.message, part) == NULL || strstr(err.message, "cluster main") == NULL)
        fail_msg("'%s' is not in: %s", part, err.message);
}

static void what_can_be_made_is_planned(void **state)
{
    (void)state;
    ClusterInfo cluster = sound(), bare = {.name = "main", .server_version = 150010};
    Error err;
    BackupPolicy none = {.method = BACKUP_METHOD_NONE, .verify = true};
    BackupPolicy dump = {.method = BACKUP_METHOD_DUMP, .verify = true, .encrypt = true};
    BackupPolicy command = {.method = BACKUP_METHOD_COMMAND, .verify = true, .command = "snap"};
    assert_int_equal(backup_gate_check(&none, &bare, &err), ERR_OK);
    assert_int_equal(backup_gate_check(&dump, &cluster, &err), ERR_OK);
    assert_int_equal(backup_gate_check(&command, &cluster, &err), ERR_OK);
}

static void what_is_missing_is_named(void **state)
{
    (void)state;
    ClusterInfo cluster = sound();
    BackupPolicy policy = {.method = BACKUP_METHOD_DIRECTORY, .verify = true, .command = ""};
    cluster.pg_dump_version = 0;
    refuses(&policy, &cluster, "there is no pg_dump");
    cluster.pg_dump_version = 140012;
    refuses(&policy, &cluster, "pg_dump 14 is older than the server, 15");
    cluster = sound();
    cluster.pg_restore_version = 0;
    refuses(&policy, &cluster, "there is no pg_restore");
    cluster.pg_restore_version = 170002;
    refuses(&policy, &cluster, "pg_restore 17 can't restore into PostgreSQL 15");
    cluster.pg_restore_version = 0;
    policy.verify = false; /* then nothing is read */
    Error err;
    assert_int_equal(backup_gate_check(&policy, &cluster, &err), ERR_OK);
    policy.restore_test = true;
    refuses(&policy, &cluster, "there is no pg_restore");
    cluster = sound();
    cluster.can_encrypt = false;
    policy = (BackupPolicy){.method = BACKUP_METHOD_DUMP, .encrypt = true};
    refuses(&policy, &cluster, "no age or no recipients");
}

static void commands_are_the_agents(void **state)
{
    (void)state;
    ClusterInfo cluster = sound();
    BackupPolicy policy = {.method = BACKUP_METHOD_COMMAND, .command = "other"};
    refuses(&policy, &cluster, "no backup command other");
    policy.command = "blind";
    Error err;
    assert_int_equal(backup_gate_check(&policy, &cluster, &err), ERR_OK);
    policy.verify = true;
    refuses(&policy, &cluster, "blind can't verify");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_can_be_made_is_planned),
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(commands_are_the_agents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
