/*
 * What Flyway was told: flyway.conf (a properties file), flyway.toml, and over them --option with
 * the same names. Only what decides which files are migrations, and what stands in them, is read.
 */
#pragma once

#include "import.h"

typedef struct FlywayConfig {
    const char *versioned_prefix;  /* sqlMigrationPrefix, "V" */
    const char *undo_prefix;       /* undoSqlMigrationPrefix, "U" */
    const char *repeatable_prefix; /* repeatableSqlMigrationPrefix, "R" */
    const char *baseline_prefix;   /* baselineMigrationPrefix, "B" */
    const char *separator;         /* sqlMigrationSeparator, "__" */
    StrList suffixes;              /* sqlMigrationSuffixes, ".sql" */
    StrList locations;             /* as given: "filesystem:sql"; none = the usual places */
    bool replace_placeholders;
    const char *placeholder_prefix; /* "${" */
    const char *placeholder_suffix; /* "}" */
    StrList placeholder_names;
    StrList placeholder_values; /* of the name at the same index */
} FlywayConfig;

extern const char *const flyway_options[]; /* ended by NULL */

/* Reads the file that --option config names, or the one in the project. ERR_NOT_FOUND, ERR_CONFIG
 * with the line. */
ErrCode flyway_config_read(Import *import, FlywayConfig *ret_config, Error *err) MUST_CHECK;
/* The same from a text that is one script's own settings ("executeInTransaction=false"). */
void flyway_script_config(Arena *arena, const char *text, bool *ret_transaction,
                          bool *ret_placeholders);
/* NULL = not given. Names are the same in upper and lower case. */
const char *flyway_placeholder(const FlywayConfig *config, const char *name, size_t length);
