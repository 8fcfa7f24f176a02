#include "backup_gate.h"

#include <string.h>

static ErrCode check_program(const ClusterInfo *cluster, const char *program, uint32_t version,
                             Error *err)
{
    if (version == 0) {
        err_set(err, ERR_BACKUP, "cluster %s: its agent has no %s", cluster->name, program);
        err_hint(err, "Install postgresql-client there, or set the cluster's 'pg-bin'.");
        return ERR_BACKUP;
    }
    if (version / 10000 < cluster->server_version / 10000) {
        err_set(err, ERR_BACKUP, "cluster %s: %s %u is older than the server, %u", cluster->name,
                program, version / 10000, cluster->server_version / 10000);
        err_hint(err, "Install the client of the server's version there, or set 'pg-bin'.");
        return ERR_BACKUP;
    }
    return ERR_OK;
}

static ErrCode check_command(const BackupPolicy *policy, const ClusterInfo *cluster, Error *err)
{
    for (size_t i = 0; i < cluster->backup_command_count; i++) {
        const BackupCommandInfo *command = &cluster->backup_commands[i];
        if (strcmp(command->name, policy->command) != 0)
            continue;
        if (!policy->verify || command->can_verify)
            return ERR_OK;
        err_set(err, ERR_BACKUP, "cluster %s: backup command %s can't verify", cluster->name,
                command->name);
        err_hint(err, "Give it a 'verify' in agent.yaml, or say `verify: false`.");
        return ERR_BACKUP;
    }
    err_set(err, ERR_BACKUP, "cluster %s: its agent has no backup command %s", cluster->name,
            policy->command);
    err_hint(err, "Add it to 'backup-commands' in the agent's agent.yaml.");
    return ERR_BACKUP;
}

ErrCode backup_gate_check(const BackupPolicy *policy, const ClusterInfo *cluster, Error *err)
{
    if (policy->method == BACKUP_METHOD_NONE)
        return ERR_OK;
    if (policy->method == BACKUP_METHOD_COMMAND)
        return check_command(policy, cluster, err);
    ErrCode code = check_program(cluster, "pg_dump", cluster->pg_dump_version, err);
    if (code == ERR_OK && (policy->verify || policy->restore_test))
        code = check_program(cluster, "pg_restore", cluster->pg_restore_version, err);
    if (code == ERR_OK && policy->encrypt && !cluster->can_encrypt) {
        err_set(err, ERR_BACKUP, "cluster %s: its agent has no age or no recipients",
                cluster->name);
        err_hint(err, "Install age there and set 'backup.age-recipients' in agent.yaml.");
        code = ERR_BACKUP;
    }
    return code;
}
