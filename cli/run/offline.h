/*
 * upgrade, downgrade, stamp and ensure-version with --sql: the script that
 * engine/shard/offline_script.h makes, on stdout. A target may be a range there, FROM:TO; without
 * FROM a script begins at base. FROM may be several rows, separated by commas.
 */
#pragma once

#include "command.h"

#define OFFLINE_OPTION                                                                             \
    {                                                                                              \
        "sql", 0, NULL, "print the SQL instead of running it; the target may be FROM:TO"           \
    }

ErrCode offline_upgrade(CommandContext *context, Error *err) MUST_CHECK;
ErrCode offline_downgrade(CommandContext *context, Error *err) MUST_CHECK;
ErrCode offline_stamp(CommandContext *context, Error *err) MUST_CHECK;
ErrCode offline_ensure_version(CommandContext *context, Error *err) MUST_CHECK;
/* Without --sql: refuses a range among the arguments. */
ErrCode offline_refuse_range(const CommandContext *context, Error *err) MUST_CHECK;
