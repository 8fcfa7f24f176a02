/*
 * Diesel: a directory per migration, VERSION_NAME/up.sql and down.sql, and perhaps metadata.toml
 * with run_in_transaction. A version is what is before the first '_' without its dashes; that is
 * what the table holds, and the order.
 */
#include "import.h"

#include "file.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const char *const subdirectories[] = {"migrations", "diesel/migrations", NULL};

typedef struct Folder {
    const char *name;
    const char *version;
} Folder;

static bool is_one(Arena *arena, const char *directory, const char *name)
{
    const char *folder = path_join(arena, directory, name);
    return dir_exists(folder) && file_exists(path_join(arena, folder, "up.sql"));
}

/* With a metadata.yaml beside it, it is another tool's. */
static bool is_likely(Arena *arena, const char *directory, const char *name)
{
    const char *folder = path_join(arena, directory, name);
    return is_one(arena, directory, name) &&
           !file_exists(path_join(arena, folder, "metadata.yaml"));
}

static bool recognise(Arena *arena, const char *path)
{
    return import_find(arena, path, subdirectories, is_likely) != NULL;
}

static const char *version_of(Arena *arena, const char *name)
{
    char *version = arena_alloc(arena, strlen(name) + 1);
    size_t length = 0;
    for (const char *at = name; *at != '\0' && *at != '_'; at++) {
        if (*at != '-')
            version[length++] = *at;
    }
    return version;
}

/* `run_in_transaction = false` in metadata.toml. */
static bool no_transaction(Import *import, const char *folder)
{
    const char *file = path_join(import->arena, folder, "metadata.toml");
    const char *text;
    static const char key[] = "run_in_transaction";
    if (!file_exists(file) || !import_read(import, file, &text))
        return false;
    for (ImportLine line = {.next = text}; import_line(&line);) {
        const char *at = line.text + strspn(line.text, " \t");
        if (strncmp(at, key, sizeof key - 1) != 0)
            continue;
        at += sizeof key - 1;
        at += strspn(at, " \t");
        if (*at != '=')
            continue;
        at++;
        return strncmp(at + strspn(at, " \t"), "false", 5) == 0;
    }
    return false;
}

static void folder_add(Import *import, const char *directory, const Folder *folder)
{
    Arena *arena = import->arena;
    const char *path = path_join(arena, directory, folder->name);
    const char *down_file = path_join(arena, path, "down.sql");
    const char *up;
    const char *down = NULL;
    if (!import_read(import, path_join(arena, path, "up.sql"), &up) ||
        (file_exists(down_file) && !import_read(import, down_file, &down)))
        return;
    const char *title = strchr(folder->name, '_');
    ImportedRevision *item = import_add(import);
    item->id = import_id(arena, folder->version);
    item->origin_key = folder->version;
    item->file = path_join(arena, path, "up.sql");
    item->message = import_message(arena, title == NULL ? "" : title + 1);
    item->created = import_created(arena, folder->version);
    item->up = up;
    item->down = down;
    item->down_file = down_file;
    item->no_transaction = item->down_no_transaction = no_transaction(import, path);
}

static int compare_folders(const void *a, const void *b)
{
    const Folder *one = a;
    const Folder *other = b;
    int order = strcmp(one->version, other->version);
    return order != 0 ? order : strcmp(one->name, other->name);
}

static ErrCode read(Import *import, Error *err)
{
    Arena *arena = import->arena;
    const char *directory = import_find(arena, import->path, subdirectories, is_one);
    if (directory == NULL) {
        err_set(err, ERR_NOT_FOUND, "no Diesel migrations in %.200s", import->path);
        err_hint(err, "They are directories VERSION_NAME with an up.sql; name the one that holds "
                      "them.");
        return ERR_NOT_FOUND;
    }
    StrList names;
    ErrCode code = import_list(arena, directory, &names, err);
    if (code != ERR_OK)
        return code;
    Folder *folders = ARENA_ARRAY(arena, Folder, names.count);
    size_t count = 0;
    for (size_t i = 0; i < names.count; i++) {
        const char *name = names.items[i];
        if (is_one(arena, directory, name))
            folders[count++] = (Folder){.name = name, .version = version_of(arena, name)};
        else if (dir_exists(path_join(arena, directory, name)))
            import_problem(import, path_join(arena, directory, name), 0, "has no up.sql");
    }
    if (count > 1)
        qsort(folders, count, sizeof *folders, compare_folders);
    for (size_t i = 0; i < count; i++)
        folder_add(import, directory, &folders[i]);
    return ERR_OK;
}

const ImportTool import_tool_diesel = {
    .name = "diesel",
    .summary = "VERSION_NAME/up.sql and down.sql",
    .recognise = recognise,
    .read = read,
    .table = "__diesel_schema_migrations",
    .table_exists_sql = "SELECT pg_catalog.to_regclass('__diesel_schema_migrations') IS NOT NULL",
    .applied_sql = "SELECT version::text FROM __diesel_schema_migrations",
};
