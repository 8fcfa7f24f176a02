/*
 * The part `log` of a daemon's configuration file.
 */
#pragma once

#include "config.h"
#include "log.h"

typedef struct LogSettings {
    LogFormat format;
    LogLevel level;
} LogSettings;

extern const ConfigTable log_settings_table;
extern const LogSettings log_settings_default; /* logfmt, info */
