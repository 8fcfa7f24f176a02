#include "sqitch_config.h"

#include "file.h"
#include "named_limits.h"

#include <ctype.h>
#include <string.h>

const char *const sqitch_options[] = {"top_dir",    "plan_file", "deploy_dir", "revert_dir",
                                      "verify_dir", "extension", "variable",   NULL};

typedef struct Setting {
    const char *section; /* "core", "engine pg", "deploy variables" */
    const char *key;
    const char *value;
} Setting;

typedef struct Settings {
    Setting *items;
    size_t count;
    size_t capacity;
} Settings;

static void setting_add(Arena *arena, Settings *settings, Setting setting)
{
    if (settings->count == settings->capacity) {
        size_t capacity = settings->capacity == 0 ? 16 : 2 * settings->capacity;
        settings->items =
            arena_grow(arena, settings->items, settings->count, capacity, sizeof *settings->items);
        settings->capacity = capacity;
    }
    settings->items[settings->count++] = setting;
}

static char *trimmed(Arena *arena, const char *text, size_t length)
{
    while (length > 0 && isspace((unsigned char)*text)) {
        text++;
        length--;
    }
    while (length > 0 && isspace((unsigned char)text[length - 1]))
        length--;
    return arena_strndup(arena, text, length);
}

/* `[engine "pg"]` -> "engine pg"; NULL: it does not end. */
static const char *section_read(Arena *arena, const char *text, size_t length)
{
    AUTO_STR Str out = {0};
    for (size_t i = 1; i < length; i++) {
        if (text[i] == ']')
            return arena_strdup(arena, str_text(&out));
        if (text[i] != '"')
            str_append_char(&out, (char)tolower((unsigned char)text[i]));
    }
    return NULL;
}

/* A value: quotes off, escapes read, a remark behind it dropped. */
static const char *value_read(Arena *arena, const char *text, size_t length)
{
    AUTO_STR Str out = {0};
    bool quoted = false;
    size_t kept = 0;
    const char *from = trimmed(arena, text, length);
    for (const char *at = from; *at != '\0'; at++) {
        if (*at == '"') {
            quoted = !quoted;
            continue;
        }
        if (!quoted && (*at == '#' || *at == ';'))
            break;
        if (*at == '\\' && at[1] != '\0') {
            at++;
            str_append_char(&out, *at == 'n' ? '\n' : *at == 't' ? '\t' : *at);
        } else {
            str_append_char(&out, *at);
        }
        if (quoted || !isspace((unsigned char)*at))
            kept = out.length;
    }
    return arena_strndup(arena, str_text(&out), kept);
}

static ErrCode settings_read(Arena *arena, const char *file, const char *text, Settings *settings,
                             Error *err)
{
    ImportLine line = {.next = text};
    const char *section = "";
    while (import_line(&line)) {
        const char *row = trimmed(arena, line.text, line.length);
        const char *equals = strchr(row, '=');
        if (row[0] == '[') {
            section = section_read(arena, row, strlen(row));
        } else if (row[0] != '\0' && row[0] != '#' && row[0] != ';' && equals != NULL) {
            Setting setting = {
                .section = section,
                .key = trimmed(arena, row, (size_t)(equals - row)),
                .value = value_read(arena, equals + 1, strlen(equals + 1)),
            };
            setting_add(arena, settings, setting);
        }
        if (section == NULL) {
            err_set(err, ERR_CONFIG, "a section's name has no end");
            err_at(err, file, line.number);
            return ERR_CONFIG;
        }
    }
    return ERR_OK;
}

static const char *setting_find(const Settings *settings, const char *section, const char *key)
{
    const char *found = NULL;
    for (size_t i = 0; i < settings->count; i++) {
        if (strcmp(settings->items[i].section, section) == 0 &&
            strcmp(settings->items[i].key, key) == 0)
            found = settings->items[i].value;
    }
    return found;
}

/* --option, then the engine's, then core's. */
static const char *chosen(const Import *import, const Settings *settings, const char *key,
                          const char *fallback)
{
    const char *value = import_option(import, key);
    if (value == NULL)
        value = setting_find(settings, "engine pg", key);
    if (value == NULL)
        value = setting_find(settings, "core", key);
    return value == NULL ? fallback : value;
}

static void variables_read(Import *import, const Settings *settings, SqitchConfig *config)
{
    for (size_t i = 0; i < settings->count; i++) {
        const Setting *setting = &settings->items[i];
        if (str_ends_with(setting->section, "variables"))
            strlist_add(import->arena, &config->variables,
                        arena_printf(import->arena, "%s=%s", setting->key, setting->value));
    }
    for (size_t i = 0; i < import->options.count; i++) {
        const char *option = import->options.items[i];
        if (str_starts_with(option, "variable="))
            strlist_add(import->arena, &config->variables, option + strlen("variable="));
    }
}

ErrCode sqitch_config_read(Import *import, SqitchConfig *ret_config, Error *err)
{
    Arena *arena = import->arena;
    const char *file = path_join(arena, import->path, "sqitch.conf");
    Settings settings = {0};
    if (file_exists(file)) {
        char *text;
        size_t length;
        ErrCode code = file_read_text(arena, file, LIMIT_CONFIG_FILE_BYTES, &text, &length, err);
        if (code == ERR_OK)
            code = settings_read(arena, file, text, &settings, err);
        if (code != ERR_OK)
            return code;
    }
    const char *top = chosen(import, &settings, "top_dir", ".");
    while (str_starts_with(top, "./"))
        top += 2;
    top = strcmp(top, ".") == 0 || top[0] == '\0' ? import->path
                                                  : path_join(arena, import->path, top);
    const char *plan = chosen(import, &settings, "plan_file", NULL);
    const char *deploy = chosen(import, &settings, "deploy_dir", NULL);
    const char *revert = chosen(import, &settings, "revert_dir", NULL);
    const char *verify = chosen(import, &settings, "verify_dir", NULL);
    const char *project = import->path;
    SqitchConfig config = {
        .engine = chosen(import, &settings, "engine", ""),
        .plan_file =
            plan == NULL ? path_join(arena, top, "sqitch.plan") : path_join(arena, project, plan),
        .deploy_dir =
            path_join(arena, deploy == NULL ? top : project, deploy == NULL ? "deploy" : deploy),
        .revert_dir =
            path_join(arena, revert == NULL ? top : project, revert == NULL ? "revert" : revert),
        .verify_dir =
            path_join(arena, verify == NULL ? top : project, verify == NULL ? "verify" : verify),
        .extension = chosen(import, &settings, "extension", "sql"),
    };
    variables_read(import, &settings, &config);
    *ret_config = config;
    return ERR_OK;
}
