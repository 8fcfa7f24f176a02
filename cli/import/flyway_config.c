#include "flyway_config.h"

#include "file.h"
#include "named_limits.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

const char *const flyway_options[] = {
    "config",
    "locations",
    "sqlMigrationPrefix",
    "undoSqlMigrationPrefix",
    "repeatableSqlMigrationPrefix",
    "baselineMigrationPrefix",
    "sqlMigrationSeparator",
    "sqlMigrationSuffixes",
    "placeholderReplacement",
    "placeholderPrefix",
    "placeholderSuffix",
    "placeholder",
    NULL,
};

static const char *trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t length = strlen(text);
    while (length > 0 && isspace((unsigned char)text[length - 1]))
        length--;
    text[length] = '\0';
    return text;
}

static StrList split(Arena *arena, const char *value)
{
    StrList list = {0};
    char *rest = arena_strdup(arena, value);
    char *part;
    while ((part = strsep(&rest, ",")) != NULL) {
        const char *item = trim(part);
        if (item[0] != '\0')
            strlist_add(arena, &list, item);
    }
    return list;
}

static void placeholder_set(Arena *arena, FlywayConfig *config, const char *name, const char *value)
{
    for (size_t i = 0; i < config->placeholder_names.count; i++) {
        if (strcasecmp(config->placeholder_names.items[i], name) == 0) {
            config->placeholder_values.items[i] = arena_strdup(arena, value);
            return;
        }
    }
    strlist_add(arena, &config->placeholder_names, name);
    strlist_add(arena, &config->placeholder_values, value);
}

/* False: not one of the keys that matter here. */
static bool set(Arena *arena, FlywayConfig *config, const char *key, const char *value)
{
    const struct {
        const char *key;
        const char **text;
    } texts[] = {
        {"sqlMigrationPrefix", &config->versioned_prefix},
        {"undoSqlMigrationPrefix", &config->undo_prefix},
        {"repeatableSqlMigrationPrefix", &config->repeatable_prefix},
        {"baselineMigrationPrefix", &config->baseline_prefix},
        {"sqlMigrationSeparator", &config->separator},
        {"placeholderPrefix", &config->placeholder_prefix},
        {"placeholderSuffix", &config->placeholder_suffix},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (strcmp(key, texts[i].key) == 0) {
            *texts[i].text = arena_strdup(arena, value);
            return true;
        }
    }
    if (strcmp(key, "locations") == 0)
        config->locations = split(arena, value);
    else if (strcmp(key, "sqlMigrationSuffixes") == 0)
        config->suffixes = split(arena, value);
    else if (strcmp(key, "placeholderReplacement") == 0)
        config->replace_placeholders = strcasecmp(value, "false") != 0;
    else if (str_starts_with(key, "placeholders."))
        placeholder_set(arena, config, key + strlen("placeholders."), value);
    else
        return false;
    return true;
}

/* --- flyway.conf ------------------------------------------------------------------------------ */

/* A property: `key=value` or `key: value`; a line that ends with a backslash goes on. Returns where
 * the next one begins. */
static char *property_read(char *text, const char **ret_key, const char **ret_value)
{
    char *end = text;
    for (;; end++) {
        if (*end == '\\' && (end[1] == '\n' || (end[1] == '\r' && end[2] == '\n'))) {
            end[0] = end[1] = ' ';
            end += end[1] == '\r';
        } else if (*end == '\n' || *end == '\0') {
            break;
        }
    }
    char *next = *end == '\0' ? end : end + 1;
    *end = '\0';
    *ret_key = NULL;
    while (isspace((unsigned char)*text))
        text++;
    size_t length = strcspn(text, "=:");
    if (*text == '#' || *text == '!' || text[length] == '\0')
        return next;
    text[length] = '\0';
    *ret_value = trim(text + length + 1);
    *ret_key = trim(text);
    return next;
}

static void properties_read(Arena *arena, FlywayConfig *config, char *text)
{
    while (*text != '\0') {
        const char *key;
        const char *value;
        text = property_read(text, &key, &value);
        if (key != NULL && str_starts_with(key, "flyway."))
            set(arena, config, key + strlen("flyway."), value);
    }
}

/* --- flyway.toml ------------------------------------------------------------------------------ */

/* A value's text: quotes off, an array as "a,b". NULL: none of the forms that Flyway writes. */
static const char *toml_value(Arena *arena, const char *text)
{
    AUTO_STR Str out = {0};
    bool array = *text == '[';
    const char *at = text + array;
    for (;;) {
        at += strspn(at, array ? " \t\r\n," : " \t");
        if (array && *at == ']')
            break;
        if (array && out.length > 0)
            str_append_char(&out, ',');
        size_t length;
        if (*at == '"' || *at == '\'') {
            const char *end = at + 1;
            for (; *end != *at && *end != '\0' && *end != '\n'; end++) {
                if (*at == '"' && *end == '\\' && (end[1] == '"' || end[1] == '\\'))
                    end++;
                str_append_char(&out, *end);
            }
            if (*end != *at)
                return NULL;
            at = end + 1;
        } else {
            length = strcspn(at, array ? ",] \t\r\n" : "# \t\r\n");
            if (length == 0)
                return NULL;
            str_append_bytes(&out, at, length);
            at += length;
        }
        if (!array)
            break;
    }
    return arena_strdup(arena, str_text(&out));
}

static ErrCode toml_read(Arena *arena, FlywayConfig *config, const char *file, char *text,
                         Error *err)
{
    const char *section = "";
    int line = 1;
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        char *row = arena_strndup(arena, text, length);
        const char *begin = trim(row);
        char *equals = strchr(row, '=');
        if (*begin == '[') {
            section = arena_strndup(arena, begin + 1, strcspn(begin + 1, "]"));
        } else if (*begin != '#' && equals != NULL) {
            const char *value = toml_value(arena, text + (equals - row) + 1 +
                                                      strspn(text + (equals - row) + 1, " \t"));
            *equals = '\0';
            const char *key = trim(row);
            if (section[0] != '\0')
                key = arena_printf(arena, "%s.%s", section, key);
            if (value != NULL && str_starts_with(key, "flyway.")) {
                set(arena, config, key + strlen("flyway."), value);
            } else if (str_starts_with(key, "flyway.")) {
                err_set(err, ERR_CONFIG, "the value of '%.80s' can't be read", key);
                err_at(err, file, line);
                return ERR_CONFIG;
            }
        }
        text += length + (text[length] == '\n');
        line++;
    }
    return ERR_OK;
}

/* --- all of it -------------------------------------------------------------------------------- */

static ErrCode file_apply(Import *import, FlywayConfig *config, const char *file, Error *err)
{
    char *text;
    size_t length;
    ErrCode code =
        file_read_text(import->arena, file, LIMIT_CONFIG_FILE_BYTES, &text, &length, err);
    if (code != ERR_OK)
        return code;
    if (str_ends_with(file, ".toml"))
        return toml_read(import->arena, config, file, text, err);
    properties_read(import->arena, config, text);
    return ERR_OK;
}

static void options_apply(Import *import, FlywayConfig *config)
{
    for (size_t i = 0; i < import->options.count; i++) {
        const char *option = import->options.items[i];
        const char *equals = strchr(option, '=');
        char *key = arena_strndup(import->arena, option, (size_t)(equals - option));
        const char *value = equals + 1;
        if (strcmp(key, "placeholder") == 0) {
            size_t name = strcspn(value, "=");
            placeholder_set(import->arena, config, arena_strndup(import->arena, value, name),
                            value[name] == '=' ? value + name + 1 : "");
        } else {
            set(import->arena, config, key, value);
        }
    }
}

ErrCode flyway_config_read(Import *import, FlywayConfig *ret_config, Error *err)
{
    static const char *const names[] = {"flyway.toml", "flyway.conf", "conf/flyway.toml",
                                        "conf/flyway.conf"};
    FlywayConfig config = {
        .versioned_prefix = "V",
        .undo_prefix = "U",
        .repeatable_prefix = "R",
        .baseline_prefix = "B",
        .separator = "__",
        .replace_placeholders = true,
        .placeholder_prefix = "${",
        .placeholder_suffix = "}",
    };
    const char *file = import_option(import, "config");
    if (file != NULL)
        file = path_join(import->arena, import->path, file);
    for (size_t i = 0; i < sizeof names / sizeof names[0] && file == NULL; i++) {
        const char *path = path_join(import->arena, import->path, names[i]);
        if (file_exists(path))
            file = path;
    }
    if (file != NULL) {
        ErrCode code = file_apply(import, &config, file, err);
        if (code != ERR_OK)
            return code;
    }
    options_apply(import, &config);
    if (config.suffixes.count == 0)
        strlist_add(import->arena, &config.suffixes, ".sql");
    if (config.separator[0] == '\0' || config.versioned_prefix[0] == '\0' ||
        config.placeholder_prefix[0] == '\0' || config.placeholder_suffix[0] == '\0')
        return err_set(err, ERR_CONFIG,
                       "sqlMigrationPrefix, sqlMigrationSeparator and the placeholders' prefix and "
                       "suffix can't be empty");
    *ret_config = config;
    return ERR_OK;
}

void flyway_script_config(Arena *arena, const char *text, bool *ret_transaction,
                          bool *ret_placeholders)
{
    char *rest = arena_strdup(arena, text);
    while (*rest != '\0') {
        const char *key;
        const char *value;
        rest = property_read(rest, &key, &value);
        if (key == NULL)
            continue;
        if (strcmp(key, "executeInTransaction") == 0)
            *ret_transaction = strcasecmp(value, "false") != 0;
        else if (strcmp(key, "placeholderReplacement") == 0)
            *ret_placeholders = strcasecmp(value, "false") != 0;
    }
}

const char *flyway_placeholder(const FlywayConfig *config, const char *name, size_t length)
{
    for (size_t i = 0; i < config->placeholder_names.count; i++) {
        const char *known = config->placeholder_names.items[i];
        if (strlen(known) == length && strncasecmp(known, name, length) == 0)
            return config->placeholder_values.items[i];
    }
    return NULL;
}
