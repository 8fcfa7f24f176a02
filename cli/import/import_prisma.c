/*
 * Prisma Migrate: a directory per migration with a migration.sql, in the order of their names, and
 * migration_lock.toml, which names the database they were made for. There is no way down. The table
 * names the directories and has a row for each attempt.
 */
#include "import.h"

#include "file.h"

#include <string.h>

static const char *const subdirectories[] = {"prisma/migrations", "migrations", NULL};

static bool is_one(Arena *arena, const char *directory, const char *name)
{
    const char *folder = path_join(arena, directory, name);
    return dir_exists(folder) && file_exists(path_join(arena, folder, "migration.sql"));
}

static bool recognise(Arena *arena, const char *path)
{
    return import_find(arena, path, subdirectories, is_one) != NULL;
}

/* `provider = "postgresql"`; "postgres" and "cockroachdb" were and are written too. */
static ErrCode provider_check(Import *import, const char *directory, Error *err)
{
    const char *file = path_join(import->arena, directory, "migration_lock.toml");
    const char *text;
    if (!file_exists(file) || !import_read(import, file, &text))
        return ERR_OK;
    for (ImportLine line = {.next = text}; import_line(&line);) {
        const char *at = line.text + strspn(line.text, " \t");
        if (strncmp(at, "provider", 8) != 0)
            continue;
        const char *value =
            arena_strndup(import->arena, at, line.length - (size_t)(at - line.text));
        if (strstr(value, "postgres") != NULL)
            return ERR_OK;
        err_set(err, ERR_CONFIG, "these migrations were made for another database: %.100s", value);
        err_at(err, file, line.number);
        err_hint(err, "pgtide migrates PostgreSQL.");
        return ERR_CONFIG;
    }
    return ERR_OK;
}

static void folder_add(Import *import, const char *directory, const char *name)
{
    Arena *arena = import->arena;
    const char *file = path_join(arena, path_join(arena, directory, name), "migration.sql");
    size_t digits = strspn(name, "0123456789");
    const char *up;
    if (!import_read(import, file, &up))
        return;
    ImportedRevision *item = import_add(import);
    item->id = import_id(arena, name);
    item->origin_key = name;
    item->file = file;
    item->message = import_message(arena, name + digits);
    item->message += strspn(item->message, " ");
    item->created = import_created(arena, arena_strndup(arena, name, digits));
    item->up = up;
    item->irreversible = "Prisma has no way down";
}

static ErrCode read(Import *import, Error *err)
{
    Arena *arena = import->arena;
    const char *directory = import_find(arena, import->path, subdirectories, is_one);
    if (directory == NULL) {
        err_set(err, ERR_NOT_FOUND, "no Prisma migrations in %.200s", import->path);
        err_hint(err, "They are directories with a migration.sql; name the one that holds them.");
        return ERR_NOT_FOUND;
    }
    StrList names;
    ErrCode code = provider_check(import, directory, err);
    if (code == ERR_OK)
        code = import_list(arena, directory, &names, err);
    if (code != ERR_OK)
        return code;
    for (size_t i = 0; i < names.count; i++) {
        if (is_one(arena, directory, names.items[i]))
            folder_add(import, directory, names.items[i]);
        else if (dir_exists(path_join(arena, directory, names.items[i])))
            import_problem(import, path_join(arena, directory, names.items[i]), 0,
                           "has no migration.sql");
    }
    return ERR_OK;
}

const ImportTool import_tool_prisma = {
    .name = "prisma",
    .summary = "DIRECTORY/migration.sql; no way down",
    .recognise = recognise,
    .read = read,
    .table = "_prisma_migrations",
    .table_exists_sql = "SELECT pg_catalog.to_regclass('_prisma_migrations') IS NOT NULL",
    .applied_sql = "SELECT DISTINCT migration_name::text FROM _prisma_migrations"
                   " WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL",
    .half_done_sql = "SELECT DISTINCT migration_name::text FROM _prisma_migrations"
                     " WHERE finished_at IS NULL AND rolled_back_at IS NULL",
};
