#include "backup_gate.h"

#include "tool_version.h"

#include <string.h>

static ErrCode of_cluster(const ClusterInfo *cluster, ErrCode code, Error *err)
{
    if (code == ERR_OK)
        return ERR_OK;
    err_hint(err, "Install postgresql-client-%u there; the cluster's 'pg-bin' says where it is.",
             cluster->server_version / 10000);
    return err_wrap(err, "cluster %s", cluster->name);
}

static ErrCode check_dump(const ClusterInfo *cluster, Error *err)
{
    ErrCode code = tool_version_check("pg_dump", cluster->pg_dump_version, cluster->server_version,
                                      ERR_BACKUP, err);
    return of_cluster(cluster, code, err);
}

static ErrCode check_restore(const ClusterInfo *cluster, Error *err)
{
    ErrCode code = tool_version_check_restore(cluster->pg_restore_version, cluster->server_version,
                                              ERR_BACKUP, err);
    return of_cluster(cluster, code, err);
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
    ErrCode code = check_dump(cluster, err);
    if (code == ERR_OK && (policy->verify || policy->restore_test))
        code = check_restore(cluster, err);
    if (code == ERR_OK && policy->encrypt && !cluster->can_encrypt) {
        err_set(err, ERR_BACKUP, "cluster %s: its agent has no age or no recipients",
                cluster->name);
        err_hint(err, "Install age there and set 'backup.age-recipients' in agent.yaml.");
        code = ERR_BACKUP;
    }
    return code;
}
