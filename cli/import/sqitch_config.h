/*
 * sqitch.conf, a file in git's own form: where the plan and the scripts are, and which psql
 * variables Sqitch sets for them. What an engine's section says wins over core's.
 */
#pragma once

#include "import.h"

typedef struct SqitchConfig {
    const char *engine; /* '' = not said */
    const char *plan_file;
    const char *deploy_dir;
    const char *revert_dir;
    const char *verify_dir;
    const char *extension;
    StrList variables; /* "name=value" */
} SqitchConfig;

extern const char *const sqitch_options[]; /* ended by NULL */

/* Paths are joined to the project's directory. ERR_CONFIG with file and line. */
ErrCode sqitch_config_read(Import *import, SqitchConfig *ret_config, Error *err) MUST_CHECK;
