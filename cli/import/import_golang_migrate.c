/*
 * golang-migrate: VERSION_TITLE.up.sql and VERSION_TITLE.down.sql in one directory, versions being
 * unsigned 64-bit numbers. Other names are not its business. A version with a down file only does
 * nothing on the way up. The table holds one row: the version that was begun last, and whether it
 * broke off (dirty).
 */
#include "import.h"

#include "file.h"

#include <stdlib.h>
#include <string.h>

typedef struct Version {
    const char *digits; /* as in the file's name */
    const char *title;
    const char *up; /* file; NULL = none */
    const char *down;
    const char *twice; /* a second file for one direction; NULL = none */
} Version;

typedef struct Name {
    const char *digits;
    const char *title;
    bool up;
} Name;

static const char *const subdirectories[] = {"migrations",          "db/migrations", "db/migration",
                                             "database/migrations", "sql",           NULL};

/* The last `.up.` or `.down.` parts title and extension. */
static bool name_read(Arena *arena, const char *name, Name *ret)
{
    size_t digits = strspn(name, "0123456789");
    if (digits == 0 || name[digits] != '_' || !str_ends_with(name, ".sql"))
        return false;
    const char *title = name + digits + 1;
    const char *mark = NULL;
    bool up = false;
    for (const char *dot = title; (dot = strchr(dot, '.')) != NULL; dot++) {
        bool is_up = str_starts_with(dot, ".up.");
        if (!is_up && !str_starts_with(dot, ".down."))
            continue;
        mark = dot;
        up = is_up;
    }
    if (mark == NULL)
        return false;
    ret->digits = arena_strndup(arena, name, digits);
    ret->title = arena_strndup(arena, title, (size_t)(mark - title));
    ret->up = up;
    return true;
}

static bool is_one(Arena *arena, const char *directory, const char *name)
{
    (void)directory;
    Name parts;
    return name_read(arena, name, &parts) && parts.up;
}

static bool recognise(Arena *arena, const char *path)
{
    return import_find(arena, path, subdirectories, is_one) != NULL;
}

static int compare_versions(const void *a, const void *b)
{
    return import_number_compare(((const Version *)a)->digits, ((const Version *)b)->digits);
}

/* Files of one version become one row. Returns the count. */
static size_t versions_join(Version *files, size_t count)
{
    size_t joined = 0;
    if (count > 1)
        qsort(files, count, sizeof *files, compare_versions);
    for (size_t i = 0; i < count; i++) {
        Version *last = joined > 0 ? &files[joined - 1] : NULL;
        if (last == NULL || compare_versions(last, &files[i]) != 0) {
            files[joined++] = files[i];
            continue;
        }
        if ((files[i].up != NULL && last->up != NULL) ||
            (files[i].down != NULL && last->down != NULL))
            last->twice = files[i].up != NULL ? files[i].up : files[i].down;
        else if (files[i].up != NULL) {
            last->up = files[i].up;
            last->title = files[i].title;
            last->digits = files[i].digits;
        } else {
            last->down = files[i].down;
        }
    }
    return joined;
}

static void version_add(Import *import, const Version *version)
{
    Arena *arena = import->arena;
    if (version->twice != NULL) {
        import_problem(import, version->twice, 0,
                       "a second file for version %s, which golang-migrate refuses: rename one",
                       version->digits);
        return;
    }
    if (import_number_compare(version->digits, "18446744073709551615") > 0) {
        import_problem(import, version->up != NULL ? version->up : version->down, 0,
                       "version %s is larger than golang-migrate allows", version->digits);
        return;
    }
    const char *up = "";
    const char *down = NULL;
    if ((version->up != NULL && !import_read(import, version->up, &up)) ||
        (version->down != NULL && !import_read(import, version->down, &down)))
        return;
    if (version->up == NULL)
        import_note(import, version->down, 0, "has no up file: the upgrade does nothing");
    ImportedRevision *item = import_add(import);
    item->id = version->digits;
    item->origin_key = import_number(arena, version->digits);
    item->file = version->up != NULL ? version->up : version->down;
    item->message = import_message(arena, version->title);
    item->created = import_created(arena, version->digits);
    item->up = up;
    item->down = down;
    item->no_transaction = import_says_no_transaction(up);
    item->down_no_transaction = down != NULL && import_says_no_transaction(down);
    item->down_file = version->down;
}

static ErrCode read(Import *import, Error *err)
{
    Arena *arena = import->arena;
    const char *directory = import_find(arena, import->path, subdirectories, is_one);
    if (directory == NULL) {
        err_set(err, ERR_NOT_FOUND, "no golang-migrate files in %.200s", import->path);
        err_hint(err, "They are named VERSION_TITLE.up.sql and VERSION_TITLE.down.sql; name their "
                      "directory.");
        return ERR_NOT_FOUND;
    }
    StrList names;
    ErrCode code = import_list(arena, directory, &names, err);
    if (code != ERR_OK)
        return code;
    Version *versions = ARENA_ARRAY(arena, Version, names.count);
    size_t count = 0;
    for (size_t i = 0; i < names.count; i++) {
        Name name;
        if (!name_read(arena, names.items[i], &name))
            continue;
        const char *file = path_join(arena, directory, names.items[i]);
        versions[count++] = (Version){
            .digits = name.digits,
            .title = name.title,
            .up = name.up ? file : NULL,
            .down = name.up ? NULL : file,
        };
    }
    count = versions_join(versions, count);
    for (size_t i = 0; i < count; i++)
        version_add(import, &versions[i]);
    return ERR_OK;
}

const ImportTool import_tool_golang_migrate = {
    .name = "golang-migrate",
    .summary = "VERSION_TITLE.up.sql and .down.sql",
    .recognise = recognise,
    .read = read,
    .table = "schema_migrations",
    .table_exists_sql =
        "SELECT count(*) = 2 FROM pg_catalog.pg_attribute"
        " WHERE attrelid = pg_catalog.to_regclass('schema_migrations') AND NOT attisdropped"
        " AND attname IN ('version', 'dirty')",
    .applied_sql = "SELECT version::text FROM schema_migrations WHERE version >= 0",
    .half_done_sql = "SELECT version::text FROM schema_migrations WHERE dirty",
    .applied_newest_only = true,
};
