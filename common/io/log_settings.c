#include "log_settings.h"

static const ConfigWord formats[] = {{"logfmt", LOG_LOGFMT}, {"json", LOG_JSON}, {NULL, 0}};
static const ConfigWord levels[] = {
    {"debug", LOG_DEBUG}, {"info", LOG_INFO}, {"warn", LOG_WARN}, {"error", LOG_ERROR}, {NULL, 0}};

static const ConfigField fields[] = {
    {.key = "format",
     .kind = CONFIG_ENUM,
     .offset = offsetof(LogSettings, format),
     .words = formats,
     .help = "logfmt (default) or json"},
    {.key = "level",
     .kind = CONFIG_ENUM,
     .offset = offsetof(LogSettings, level),
     .words = levels,
     .help = "debug, info (default), warn or error"},
};
const ConfigTable log_settings_table = CONFIG_TABLE_OF(LogSettings, fields);
const LogSettings log_settings_default = {LOG_LOGFMT, LOG_INFO};
