/*
 * The mapping `backfill:` of a rollout's file or of pgtide.yaml as a BackfillPolicy.
 */
#pragma once

#include "backfill.h"
#include "config.h"

/* What a mapping holds, to be read by the caller's own table. */
typedef struct BackfillPart {
    const ConfigNode *target;
    const ConfigNode *replica_lag;
    const ConfigNode *wal_rate;
    const ConfigNode *archive_backlog;
    const ConfigNode *sessions;
    int vacuum;
    const char *query;
} BackfillPart;

extern const ConfigTable backfill_table; /* of a BackfillPart */
#define BACKFILL_PART_DEFAULT                                                                      \
    {                                                                                              \
        .query = ""                                                                                \
    }

/* What is not said is as BACKFILL_POLICY_DEFAULT has it. Problems go to `config`. */
BackfillPolicy backfill_policy_read(Config *config, const ConfigNode *node,
                                    const BackfillPart *part);
