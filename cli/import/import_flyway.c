/*
 * Flyway: V1.2__what.sql, U1.2__what.sql, R__what.sql and B1.2__what.sql, in any subdirectory of
 * its locations. Versions are numbers with dots or underscores between, compared part by part. The
 * table keeps every run: what counts of a version is its last row. `flyway baseline` leaves a row
 * that stands for a version and all before it.
 *
 * Values of placeholders go into the SQL, as Flyway does it with text: anywhere.
 */
#include "flyway_config.h"

#include "file.h"
#include "named_limits.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { DIRECTORY_DEPTH_MAX = 16 };

typedef enum Kind { KIND_VERSIONED, KIND_UNDO, KIND_REPEATABLE, KIND_BASELINE } Kind;

typedef struct Migration {
    Kind kind;
    const char *file;
    const char *version; /* "1.2"; '' of a repeatable */
    const char *description;
} Migration;

typedef struct Reader {
    Import *import;
    FlywayConfig config;
    Migration *migrations;
    size_t count;
    size_t capacity;
} Reader;

static const char *const no_places[] = {NULL};
static const char *const java_places[] = {"src/main/java/db/migration",
                                          "src/main/kotlin/db/migration", NULL};
static const char *const usual_places[] = {
    "sql", "db/migration", "src/main/resources/db/migration", "migrations", "db/migrations", NULL};

/* --- names ------------------------------------------------------------------------------------ */

/* "1_2_03" -> "1.2.03"; NULL when it is no version. */
static const char *version_read(Arena *arena, const char *text, size_t length)
{
    char *version = arena_strndup(arena, text, length);
    bool digit = false;
    for (char *at = version; *at != '\0'; at++) {
        if (isdigit((unsigned char)*at)) {
            digit = true;
            continue;
        }
        if ((*at != '.' && *at != '_') || !digit || at[1] == '\0')
            return NULL;
        *at = '.';
        digit = false;
    }
    return length > 0 && digit ? version : NULL;
}

/* Part by part as numbers; missing parts are 0. */
static int version_compare(const char *a, const char *b)
{
    while (*a != '\0' || *b != '\0') {
        size_t a_length = strcspn(a, ".");
        size_t b_length = strcspn(b, ".");
        size_t a_zeros = strspn(a, "0");
        size_t b_zeros = strspn(b, "0");
        size_t a_digits = a_length > a_zeros ? a_length - a_zeros : 0;
        size_t b_digits = b_length > b_zeros ? b_length - b_zeros : 0;
        if (a_digits != b_digits)
            return a_digits < b_digits ? -1 : 1;
        int order = strncmp(a + a_zeros, b + b_zeros, a_digits);
        if (order != 0)
            return order;
        a += a_length + (a[a_length] == '.');
        b += b_length + (b[b_length] == '.');
    }
    return 0;
}

/* As the table's versions are made comparable by applied_sql: no zeros before a number, no parts of
 * 0 at the end. */
static const char *version_key(Arena *arena, const char *version)
{
    AUTO_STR Str out = {0};
    size_t significant = 0;
    while (*version != '\0') {
        size_t length = strcspn(version, ".");
        size_t zeros = strspn(version, "0");
        if (zeros >= length)
            zeros = length - 1;
        if (out.length > 0)
            str_append_char(&out, '.');
        str_append_bytes(&out, version + zeros, length - zeros);
        if (version[zeros] != '0' || significant == 0)
            significant = out.length;
        version += length + (version[length] == '.');
    }
    return arena_strndup(arena, str_text(&out), significant);
}

static bool is_callback(const char *name)
{
    static const char *const events[] = {"before", "after", "create", "beforeEach", "afterEach"};
    size_t length = 0;
    while (isalpha((unsigned char)name[length]))
        length++;
    if (name[length] != '.' && strncmp(name + length, "__", 2) != 0)
        return false;
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        size_t event = strlen(events[i]);
        if (strncmp(name, events[i], event) == 0 && isupper((unsigned char)name[event]))
            return true;
    }
    return false;
}

/* The length of the name without its suffix; 0 = another suffix. */
static size_t stem_length(const FlywayConfig *config, const char *name)
{
    for (size_t i = 0; i < config->suffixes.count; i++) {
        if (str_ends_with(name, config->suffixes.items[i]))
            return strlen(name) - strlen(config->suffixes.items[i]);
    }
    return 0;
}

/* The longest prefix that fits: "V" and "VU" may both be configured. */
static bool kind_of(const FlywayConfig *config, const char *name, Kind *ret_kind,
                    size_t *ret_length)
{
    const char *const prefixes[] = {
        [KIND_VERSIONED] = config->versioned_prefix,
        [KIND_UNDO] = config->undo_prefix,
        [KIND_REPEATABLE] = config->repeatable_prefix,
        [KIND_BASELINE] = config->baseline_prefix,
    };
    size_t longest = 0;
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        size_t length = strlen(prefixes[i]);
        if (length <= longest || !str_starts_with(name, prefixes[i]))
            continue;
        /* A repeatable has nothing between prefix and separator, the others have a number. */
        bool fits = i == KIND_REPEATABLE ? str_starts_with(name + length, config->separator)
                                         : isdigit((unsigned char)name[length]);
        if (!fits)
            continue;
        longest = length;
        *ret_kind = (Kind)i;
        *ret_length = length;
    }
    return longest > 0;
}

static bool name_read(Arena *arena, const FlywayConfig *config, const char *name, Migration *ret)
{
    size_t stem = stem_length(config, name);
    Kind kind;
    size_t prefix;
    if (stem == 0 || !kind_of(config, name, &kind, &prefix))
        return false;
    char *rest = arena_strndup(arena, name + prefix, stem - prefix);
    char *separator = strstr(rest, config->separator);
    const char *description = separator == NULL ? "" : separator + strlen(config->separator);
    size_t length = separator == NULL ? strlen(rest) : (size_t)(separator - rest);
    const char *version = kind == KIND_REPEATABLE ? "" : version_read(arena, rest, length);
    if (version == NULL)
        return false;
    *ret = (Migration){.kind = kind, .version = version, .description = description};
    return true;
}

/* --- places ----------------------------------------------------------------------------------- */

static void file_take(Reader *reader, const char *directory, const char *name)
{
    Import *import = reader->import;
    const char *file = path_join(import->arena, directory, name);
    Migration migration;
    if (name_read(import->arena, &reader->config, name, &migration)) {
        if (reader->count == reader->capacity) {
            size_t capacity = reader->capacity == 0 ? 64 : 2 * reader->capacity;
            reader->migrations = arena_grow(import->arena, reader->migrations, reader->count,
                                            capacity, sizeof *reader->migrations);
            reader->capacity = capacity;
        }
        migration.file = file;
        reader->migrations[reader->count++] = migration;
        return;
    }
    size_t stem = stem_length(&reader->config, name);
    if (stem > 0 && is_callback(name))
        import_note(import, file, 0, "a callback of Flyway's is not read");
    else if (stem > 0)
        import_note(import, file, 0, "is none of Flyway's names: not read");
}

/* Java migrations are code: they can't be read, and leaving one out in silence would be wrong. */
static void java_report(Reader *reader, const char *directory, const char *name)
{
    static const char *const suffixes[] = {".java", ".kt", ".class", ".groovy"};
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        Kind kind;
        size_t prefix;
        if (str_ends_with(name, suffixes[i]) && kind_of(&reader->config, name, &kind, &prefix))
            import_problem(reader->import, path_join(reader->import->arena, directory, name), 0,
                           "a migration in Java can't be read: write what it does as SQL");
    }
}

static ErrCode directory_scan(Reader *reader, const char *directory, int depth, Error *err)
{
    Arena *arena = reader->import->arena;
    StrList names;
    ErrCode code = import_list(arena, directory, &names, err);
    if (code == ERR_OK && depth > DIRECTORY_DEPTH_MAX)
        code = err_set(err, ERR_LIMIT, "directories more than %d deep: %.200s", DIRECTORY_DEPTH_MAX,
                       directory);
    for (size_t i = 0; i < names.count && code == ERR_OK; i++) {
        const char *name = names.items[i];
        const char *path = path_join(arena, directory, name);
        if (dir_exists(path)) {
            code = directory_scan(reader, path, depth + 1, err);
        } else {
            file_take(reader, directory, name);
            java_report(reader, directory, name);
        }
        if (reader->count > LIMIT_REVISIONS)
            code = err_set(err, ERR_LIMIT, "more than %d migrations", LIMIT_REVISIONS);
    }
    return code;
}

/* "filesystem:sql", "classpath:db/migration" or a path; NULL = it is not there. */
static const char *location_find(Reader *reader, const char *location)
{
    Arena *arena = reader->import->arena;
    const char *path = reader->import->path;
    if (str_starts_with(location, "filesystem:"))
        location += strlen("filesystem:");
    if (str_starts_with(location, "classpath:")) {
        location += strlen("classpath:");
        location += strspn(location, "/");
        const char *resources =
            path_join(arena, path_join(arena, path, "src/main/resources"), location);
        if (dir_exists(resources))
            return resources;
    }
    const char *directory = path_join(arena, path, location);
    return dir_exists(directory) ? directory : NULL;
}

static bool is_versioned(Arena *arena, const char *directory, const char *name)
{
    static const char *suffix = ".sql";
    static const FlywayConfig plain = {
        .versioned_prefix = "V",
        .undo_prefix = "U",
        .repeatable_prefix = "R",
        .baseline_prefix = "B",
        .separator = "__",
        .suffixes = {.items = &suffix, .count = 1},
    };
    Migration migration;
    (void)directory;
    return name_read(arena, &plain, name, &migration) && migration.kind == KIND_VERSIONED &&
           strstr(name, "__") != NULL;
}

static bool recognise(Arena *arena, const char *path)
{
    return file_exists(path_join(arena, path, "flyway.conf")) ||
           file_exists(path_join(arena, path, "flyway.toml")) ||
           import_find(arena, path, usual_places, is_versioned) != NULL;
}

/* The project itself when it holds migrations directly, else where they usually are. */
static const char *usual_place(Import *import)
{
    if (import_find(import->arena, import->path, no_places, is_versioned) != NULL)
        return import->path;
    for (size_t i = 0; usual_places[i] != NULL; i++) {
        const char *place = path_join(import->arena, import->path, usual_places[i]);
        if (dir_exists(place))
            return place;
    }
    return import->path;
}

static ErrCode locations_scan(Reader *reader, Error *err)
{
    Import *import = reader->import;
    const StrList *locations = &reader->config.locations;
    ErrCode code = ERR_OK;
    for (size_t i = 0; i < locations->count && code == ERR_OK; i++) {
        const char *directory = location_find(reader, locations->items[i]);
        if (directory == NULL)
            import_problem(import, import->path, 0, "the location '%s' is not there",
                           locations->items[i]);
        else
            code = directory_scan(reader, directory, 0, err);
    }
    if (locations->count > 0)
        return code;
    for (size_t i = 0; code == ERR_OK && java_places[i] != NULL; i++) {
        const char *java = path_join(import->arena, import->path, java_places[i]);
        if (dir_exists(java))
            code = directory_scan(reader, java, 0, err);
    }
    if (locations->count > 0 || code != ERR_OK)
        return code;
    return directory_scan(reader, usual_place(import), 0, err);
}

/* --- texts ------------------------------------------------------------------------------------ */

/* `-- flyway:key=value` lines, as in a script's .conf file. */
static void remarks_read(Arena *arena, const char *text, bool *ret_transaction,
                         bool *ret_placeholders)
{
    static const char mark[] = "flyway:";
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        size_t at = 2 + strspn(text + (length < 2 ? length : 2), " \t");
        if (str_starts_with(text, "--") && strncmp(text + at, mark, strlen(mark)) == 0)
            flyway_script_config(
                arena, arena_strndup(arena, text + at + strlen(mark), length - at - strlen(mark)),
                ret_transaction, ret_placeholders);
        text += length + (text[length] == '\n');
    }
}

/* With the values of placeholders. False: one has none; noted as a problem. */
static bool placeholders_replace(Reader *reader, const char *file, const char **text)
{
    const FlywayConfig *config = &reader->config;
    const char *prefix = config->placeholder_prefix;
    const char *suffix = config->placeholder_suffix;
    AUTO_STR Str out = {0};
    bool known = true;
    int line = 1;
    const char *at = *text;
    while (*at != '\0') {
        const char *name = at + strlen(prefix);
        const char *end = str_starts_with(at, prefix) ? strstr(name, suffix) : NULL;
        if (end == NULL) {
            line += *at == '\n';
            str_append_char(&out, *at++);
            continue;
        }
        const char *value = flyway_placeholder(config, name, (size_t)(end - name));
        if (value == NULL) {
            import_problem(
                reader->import, file, line,
                "the placeholder '%.*s' has no value: say --option placeholder=%.*s=VALUE",
                (int)(end - name), name, (int)(end - name), name);
            known = false;
        } else {
            str_append(&out, value);
        }
        at = end + strlen(suffix);
    }
    *text = arena_strndup(reader->import->arena, str_text(&out), out.length);
    return known;
}

static bool script_read(Reader *reader, const char *file, const char **ret_text,
                        bool *ret_transaction)
{
    Import *import = reader->import;
    Arena *arena = import->arena;
    const char *text;
    const char *settings;
    const char *settings_file = arena_printf(arena, "%s.conf", file);
    bool transaction = true;
    bool placeholders = reader->config.replace_placeholders;
    if (!import_read(import, file, &text))
        return false;
    if (file_exists(settings_file)) {
        if (!import_read(import, settings_file, &settings))
            return false;
        flyway_script_config(arena, settings, &transaction, &placeholders);
        if (strstr(settings, "shouldExecute") != NULL)
            import_problem(import, settings_file, 0,
                           "shouldExecute decides whether it runs: here it always does");
    }
    remarks_read(arena, text, &transaction, &placeholders);
    if (placeholders && !placeholders_replace(reader, file, &text))
        return false;
    *ret_text = text;
    *ret_transaction = transaction;
    return true;
}

/* --- revisions -------------------------------------------------------------------------------- */

static int compare_migrations(const void *a, const void *b)
{
    const Migration *one = a;
    const Migration *other = b;
    if (one->kind != other->kind)
        return one->kind < other->kind ? -1 : 1;
    int order = version_compare(one->version, other->version);
    return order != 0 ? order : strcmp(one->file, other->file);
}

static const Migration *undo_of(const Reader *reader, const char *version)
{
    for (size_t i = 0; i < reader->count; i++) {
        const Migration *migration = &reader->migrations[i];
        if (migration->kind == KIND_UNDO && version_compare(migration->version, version) == 0)
            return migration;
    }
    return NULL;
}

/* The last versioned one that is not above `version`. */
static const Migration *last_below(const Reader *reader, const char *version)
{
    const Migration *found = NULL;
    for (size_t i = 0; i < reader->count; i++) {
        const Migration *migration = &reader->migrations[i];
        if (migration->kind == KIND_VERSIONED && version_compare(migration->version, version) <= 0)
            found = migration;
    }
    return found;
}

static ImportedRevision *item_add(Reader *reader, const Migration *migration)
{
    Import *import = reader->import;
    const char *text;
    bool transaction;
    if (!script_read(reader, migration->file, &text, &transaction))
        return NULL;
    ImportedRevision *item = import_add(import);
    item->id = migration->version;
    item->origin_key = version_key(import->arena, migration->version);
    item->file = migration->file;
    item->message = import_message(import->arena, migration->description);
    item->created = import_created(import->arena, migration->version);
    item->up = text;
    item->no_transaction = !transaction;
    return item;
}

static void versioned_add(Reader *reader, const Migration *migration)
{
    ImportedRevision *item = item_add(reader, migration);
    const Migration *undo = undo_of(reader, migration->version);
    if (item == NULL)
        return;
    if (undo == NULL) {
        item->irreversible = "Flyway has no undo migration for it";
        return;
    }
    bool transaction;
    const char *text;
    if (!script_read(reader, undo->file, &text, &transaction)) {
        item->irreversible = "its undo migration could not be read";
        return;
    }
    item->down = text;
    item->down_file = undo->file;
    item->down_no_transaction = !transaction;
}

static void repeatable_add(Reader *reader, const Migration *migration)
{
    ImportedRevision *item = item_add(reader, migration);
    if (item == NULL)
        return;
    item->kind = SCRIPT_REPEATABLE;
    item->id = import_id(reader->import->arena, migration->description);
    item->origin_key = arena_printf(reader->import->arena, "R %s", migration->description);
}

/* Stands for its version and all before it; with none of them left it is the first revision. */
static void baseline_add(Reader *reader, const Migration *migration)
{
    const Migration *last = last_below(reader, migration->version);
    ImportedRevision *item = item_add(reader, migration);
    if (item == NULL)
        return;
    if (last == NULL) {
        item->irreversible = "it is Flyway's baseline migration";
        import_note(reader->import, migration->file, 0,
                    "no version up to %s is left: the baseline is the first revision",
                    migration->version);
        return;
    }
    item->kind = SCRIPT_BASELINE;
    item->id = last->version;
    item->origin_key = arena_printf(reader->import->arena, "B %s", item->origin_key);
    if (version_compare(last->version, migration->version) != 0)
        import_note(reader->import, migration->file, 0,
                    "there is no version %s: the baseline stands for all up to %s",
                    migration->version, last->version);
}

static bool is_twice(Reader *reader, size_t index)
{
    const Migration *migration = &reader->migrations[index];
    const Migration *before = index > 0 ? migration - 1 : NULL;
    if (migration->kind == KIND_REPEATABLE || before == NULL || before->kind != migration->kind ||
        version_compare(before->version, migration->version) != 0)
        return false;
    import_problem(reader->import, migration->file, 0,
                   "another file has version %s too, which Flyway refuses: rename one",
                   migration->version);
    return true;
}

/* A baseline that is the first revision comes before all versions. */
static void items_add(Reader *reader)
{
    for (size_t i = 0; i < reader->count; i++) {
        const Migration *migration = &reader->migrations[i];
        if (migration->kind == KIND_BASELINE && last_below(reader, migration->version) == NULL &&
            !is_twice(reader, i))
            baseline_add(reader, migration);
    }
    for (size_t i = 0; i < reader->count; i++) {
        const Migration *migration = &reader->migrations[i];
        if (is_twice(reader, i))
            continue;
        if (migration->kind == KIND_VERSIONED)
            versioned_add(reader, migration);
        else if (migration->kind == KIND_REPEATABLE)
            repeatable_add(reader, migration);
        else if (migration->kind == KIND_BASELINE && last_below(reader, migration->version) != NULL)
            baseline_add(reader, migration);
    }
}

static void lone_undos_report(Reader *reader)
{
    for (size_t i = 0; i < reader->count; i++) {
        const Migration *undo = &reader->migrations[i];
        const Migration *last = last_below(reader, undo->version);
        if (undo->kind == KIND_UNDO &&
            (last == NULL || version_compare(last->version, undo->version) != 0))
            import_note(reader->import, undo->file, 0, "undoes version %s, which is not there",
                        undo->version);
    }
}

static ErrCode read(Import *import, Error *err)
{
    Reader reader = {.import = import};
    ErrCode code = flyway_config_read(import, &reader.config, err);
    if (code == ERR_OK)
        code = locations_scan(&reader, err);
    if (code != ERR_OK)
        return code;
    if (reader.count == 0) {
        err_set(err, ERR_NOT_FOUND, "no Flyway migrations in %.200s", import->path);
        err_hint(err, "They are named V1__what.sql; say --option locations=DIRECTORY (relative to "
                      "PATH) and, if they differ, prefixes and separator.");
        return ERR_NOT_FOUND;
    }
    qsort(reader.migrations, reader.count, sizeof *reader.migrations, compare_migrations);
    items_add(&reader);
    lone_undos_report(&reader);
    return ERR_OK;
}

/* A version as version_key() writes it. */
#define KEY                                                                                        \
    "pg_catalog.regexp_replace(pg_catalog.regexp_replace(version, '(^|\\.)0+(?=[0-9])', "          \
    "'\\1', 'g'), '(\\.0)+$', '')"
#define LAST_ROWS                                                                                  \
    " FROM (SELECT DISTINCT ON (1) " KEY " AS key, type, success FROM flyway_schema_history"       \
    " WHERE version IS NOT NULL AND type <> 'SCHEMA' ORDER BY 1, installed_rank DESC) AS last"

const ImportTool import_tool_flyway = {
    .name = "flyway",
    .summary = "V1.2__what.sql, U1.2__what.sql, R__what.sql, B1.2__what.sql",
    .options = flyway_options,
    .recognise = recognise,
    .read = read,
    .table = "flyway_schema_history",
    .table_exists_sql =
        "SELECT count(*) = 4 FROM pg_catalog.pg_attribute"
        " WHERE attrelid = pg_catalog.to_regclass('flyway_schema_history') AND NOT attisdropped"
        " AND attname IN ('installed_rank', 'version', 'type', 'success')",
    .applied_sql = "SELECT CASE WHEN type IN ('BASELINE', 'SQL_BASELINE') THEN '<=' || key ELSE key"
                   " END" LAST_ROWS " WHERE success AND type NOT LIKE 'UNDO%' AND type <> 'DELETE'",
    .half_done_sql = "SELECT key" LAST_ROWS " WHERE NOT success",
    .key_compare = version_compare,
};
