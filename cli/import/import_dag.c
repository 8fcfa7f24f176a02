/*
 * A graph of directories, as Sourcegraph has it: ID_NAME/ with up.sql, down.sql and metadata.yaml,
 * which names the parents. The graph stays as it is. The table logs each run of each of several
 * graphs: what counts is the last one. Keys are "GRAPH:ID", the graph being the directory's name.
 */
#include "import.h"

#include "config.h"
#include "file.h"
#include "named_limits.h"

#include <stdlib.h>
#include <string.h>

static const char *const subdirectories[] = {"migrations", "db/migrations", NULL};

typedef struct Metadata {
    const char *name;
    StrList parents;
    const char *parent;
    bool concurrently;
    bool privileged;
    bool non_idempotent;
} Metadata;

static bool is_one(Arena *arena, const char *directory, const char *name)
{
    const char *path = path_join(arena, directory, name);
    return file_exists(path_join(arena, path, "metadata.yaml")) &&
           file_exists(path_join(arena, path, "up.sql"));
}

static bool recognise(Arena *arena, const char *path)
{
    return import_find(arena, path, subdirectories, is_one) != NULL;
}

/* "1646761143_squashed" -> "1646761143"; a name without a number stays whole. */
static const char *id_of(Arena *arena, const char *name)
{
    size_t digits = strspn(name, "0123456789");
    bool number = digits > 0 && (name[digits] == '_' || name[digits] == '\0');
    return import_id(arena, number ? arena_strndup(arena, name, digits) : name);
}

static const char *rest_of(const char *name)
{
    size_t digits = strspn(name, "0123456789");
    return digits > 0 && name[digits] == '_' ? name + digits + 1 : name;
}

/* --- metadata --------------------------------------------------------------------------------- */

static const ConfigField metadata_fields[] = {
    {.key = "name", .kind = CONFIG_STRING, .offset = offsetof(Metadata, name)},
    {.key = "parents", .kind = CONFIG_STRINGS, .offset = offsetof(Metadata, parents)},
    {.key = "parent", .kind = CONFIG_STRING, .offset = offsetof(Metadata, parent)},
    {.key = "createIndexConcurrently",
     .kind = CONFIG_BOOL,
     .offset = offsetof(Metadata, concurrently)},
    {.key = "privileged", .kind = CONFIG_BOOL, .offset = offsetof(Metadata, privileged)},
    {.key = "nonIdempotent", .kind = CONFIG_BOOL, .offset = offsetof(Metadata, non_idempotent)},
};
static const ConfigTable metadata_table = CONFIG_TABLE_OF(Metadata, metadata_fields);

/* False: noted as a problem. */
static bool metadata_read(Import *import, const char *file, Metadata *ret)
{
    Metadata metadata = {.name = "", .parent = ""};
    Config *config;
    Error err = {0};
    ErrCode code = config_open(import->arena, file, &config, &err);
    if (code == ERR_OK) {
        const ConfigNode *root = config_root(config);
        if (config_node_kind(root) == CONFIG_NODE_MAPPING)
            config_read(config, root, &metadata_table, &metadata);
        else
            config_problem_type(config, root, "a mapping");
        code = config_finish(config, &err);
    }
    if (code != ERR_OK) {
        import_problem(import, file, err.line, "%s", err.message);
        return false;
    }
    if (metadata.parent[0] != '\0')
        strlist_add(import->arena, &metadata.parents, metadata.parent);
    *ret = metadata;
    return true;
}

/* --- revisions -------------------------------------------------------------------------------- */

/* Which of several graphs: its directory's name. */
static const char *scope_of(Arena *arena, const char *directory)
{
    char *real = realpath(directory, NULL);
    const char *scope = arena_strdup(arena, path_basename(real == NULL ? directory : real));
    free(real);
    return scope;
}

static void directory_read(Import *import, const char *directory, const char *name)
{
    Arena *arena = import->arena;
    const char *path = path_join(arena, directory, name);
    const char *up_file = path_join(arena, path, "up.sql");
    const char *down_file = path_join(arena, path, "down.sql");
    const char *metadata_file = path_join(arena, path, "metadata.yaml");
    Metadata metadata;
    const char *up;
    const char *down = NULL;
    if (!metadata_read(import, metadata_file, &metadata) || !import_read(import, up_file, &up) ||
        (file_exists(down_file) && !import_read(import, down_file, &down)))
        return;
    ImportedRevision *item = import_add(import);
    item->id = id_of(arena, name);
    item->origin_key = arena_printf(arena, "%s:%s", scope_of(arena, directory), item->id);
    item->file = up_file;
    item->parents = metadata.parents;
    item->message = metadata.name[0] != '\0' ? metadata.name : import_message(arena, rest_of(name));
    item->up = up;
    item->down = down;
    item->down_file = down == NULL ? NULL : down_file;
    item->no_transaction = metadata.concurrently;
    if (metadata.privileged)
        import_note(import, metadata_file, 0,
                    "is privileged: whoever runs it must be allowed to create extensions");
}

static const ImportedRevision *item_find(const Import *import, const char *id)
{
    for (size_t i = 0; i < import->count; i++) {
        if (strcmp(import->items[i].id, id) == 0)
            return &import->items[i];
    }
    return NULL;
}

/* Parents may be named by number or by directory. After a squash the oldest one's may be gone. */
static void parents_resolve(Import *import)
{
    for (size_t i = 0; i < import->count; i++) {
        ImportedRevision *item = &import->items[i];
        StrList parents = {0};
        for (size_t n = 0; n < item->parents.count; n++) {
            const char *parent = id_of(import->arena, item->parents.items[n]);
            if (item_find(import, parent) != NULL)
                strlist_add(import->arena, &parents, parent);
            else
                import_problem(import, item->file, 0,
                               "its parent %s is not there: taken off, so look whether the rest of "
                               "its parents says enough",
                               item->parents.items[n]);
        }
        item->parents = parents;
    }
}

static ErrCode read(Import *import, Error *err)
{
    Arena *arena = import->arena;
    const char *directory = import_find(arena, import->path, subdirectories, is_one);
    if (directory == NULL) {
        err_set(err, ERR_NOT_FOUND, "no migrations with metadata.yaml in %.200s", import->path);
        err_hint(err, "Each is a directory with up.sql, down.sql and metadata.yaml; name the one "
                      "that holds them.");
        return ERR_NOT_FOUND;
    }
    StrList names;
    ErrCode code = import_list(arena, directory, &names, err);
    for (size_t i = 0; i < names.count && code == ERR_OK; i++) {
        const char *path = path_join(arena, directory, names.items[i]);
        if (is_one(arena, directory, names.items[i]))
            directory_read(import, directory, names.items[i]);
        else if (dir_exists(path))
            import_note(import, path, 0, "has no up.sql and metadata.yaml: not read");
        if (import->count > LIMIT_REVISIONS)
            code = err_set(err, ERR_LIMIT, "more than %d migrations", LIMIT_REVISIONS);
    }
    if (code == ERR_OK)
        parents_resolve(import);
    return code;
}

#define LAST_RUNS                                                                                  \
    " FROM (SELECT DISTINCT ON (schema, version) version, up, success,"                            \
    " CASE schema WHEN 'schema_migrations' THEN 'frontend'"                                        \
    " ELSE pg_catalog.regexp_replace(schema, '_schema_migrations$', '') END AS scope"              \
    " FROM migration_logs ORDER BY schema, version, id DESC) AS last"

const ImportTool import_tool_dag = {
    .name = "dag",
    .summary = "directories with up.sql, down.sql and metadata.yaml (Sourcegraph)",
    .graph = true,
    .recognise = recognise,
    .read = read,
    .table = "migration_logs",
    .table_exists_sql =
        "SELECT count(*) = 5 FROM pg_catalog.pg_attribute"
        " WHERE attrelid = pg_catalog.to_regclass('migration_logs') AND NOT attisdropped"
        " AND attname IN ('id', 'schema', 'version', 'up', 'success')",
    .applied_sql = "SELECT scope || ':' || version" LAST_RUNS " WHERE up AND success",
    .half_done_sql = "SELECT scope || ':' || version" LAST_RUNS " WHERE success IS NOT TRUE",
    .keys_have_scope = true,
};
