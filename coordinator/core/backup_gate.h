/*
 * Whether a cluster's agent can make the backups that a policy asks for, as far as is known when a
 * plan is made. The agent checks it all again.
 */
#pragma once

#include "message.h"

/* ERR_BACKUP: what is missing, and on which cluster. */
ErrCode backup_gate_check(const BackupPolicy *policy, const ClusterInfo *cluster,
                          Error *err) MUST_CHECK;
