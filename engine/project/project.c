#include "project.h"

#include "backfill_config.h"
#include "config.h"
#include "file.h"
#include "named_limits.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { HOOK_TIMEOUT_DEFAULT_MS = 60 * 60 * 1000 }; /* one may make a backup */

typedef struct ProjectFile {
    const ConfigNode *versions;
    const char *safe;
    const char *model;
    StrList model_command;
    const char *version_table;
    int naming;
    const ConfigNode *hooks;
    uint32_t hook_timeout_ms;
    BackfillPart backfill;
    LintPart lint;
} ProjectFile;

static const ConfigWord naming_words[] = {{"sequential", 0}, {"hash", 1}, {NULL, 0}};

static const ConfigField fields[] = {
    {.key = "versions",
     .kind = CONFIG_NODE,
     .offset = offsetof(ProjectFile, versions),
     .help = "a directory of revision files, or a list of them; new ones go to the last"},
    {.key = "safe",
     .kind = CONFIG_PATH,
     .offset = offsetof(ProjectFile, safe),
     .help = "directory of idempotent statements"},
    {.key = "model",
     .kind = CONFIG_STRING,
     .offset = offsetof(ProjectFile, model),
     .min = 1,
     .help = "what the revisions are to lead to: a file or folder of SQL, or a url"},
    {.key = "model-command",
     .kind = CONFIG_STRINGS,
     .offset = offsetof(ProjectFile, model_command),
     .min = 1,
     .max = LIMIT_HOOK_ARGUMENTS,
     .help = "instead of it: program and arguments, without a shell, that print the SQL"},
    {.key = "version_table",
     .kind = CONFIG_STRING,
     .offset = offsetof(ProjectFile, version_table),
     .max = 63,
     .help = "default alembic_version"},
    {.key = "naming",
     .kind = CONFIG_ENUM,
     .offset = offsetof(ProjectFile, naming),
     .words = naming_words,
     .help = "of new revisions: sequential (NNN_slug) or hash"},
    {.key = "hooks",
     .kind = CONFIG_NODE,
     .offset = offsetof(ProjectFile, hooks),
     .help = "what else runs when a database is migrated"},
    {.key = "hook-timeout",
     .kind = CONFIG_DURATION,
     .offset = offsetof(ProjectFile, hook_timeout_ms),
     .min = 100,
     .max = LIMIT_HOOK_MS,
     .help = "after which a hook is ended and has failed; default 1h"},
    {.key = "backfill",
     .kind = CONFIG_TABLE,
     .offset = offsetof(ProjectFile, backfill),
     .table = &backfill_table,
     .help = "how gently `-- +batch` goes about a server"},
    {.key = "lint",
     .kind = CONFIG_TABLE,
     .offset = offsetof(ProjectFile, lint),
     .table = &lint_table,
     .help = "what `pgtide lint` minds"},
};
static const ConfigTable table = CONFIG_TABLE_OF(ProjectFile, fields);

static void versions_read(Arena *arena, Config *config, const ConfigNode *node, StrList *out)
{
    static const ConfigField path = {.kind = CONFIG_PATH};
    bool sequence = config_node_kind(node) == CONFIG_NODE_SEQUENCE;
    size_t count = sequence ? config_node_count(node) : 1;
    if (count == 0)
        config_problem(config, node, "'versions' must name at least one directory");
    for (size_t i = 0; i < count; i++) {
        const char *directory = NULL;
        if (config_read_value(config, sequence ? config_node_item(node, i) : node, &path,
                              &directory))
            strlist_add(arena, out, directory);
    }
}

ErrCode project_load(Arena *arena, const char *path, Project *ret_project, Error *err)
{
    if (path == NULL)
        path = getenv("PGTIDE_CONFIG");
    if (path == NULL)
        path = "pgtide.yaml";
    Config *config;
    ErrCode code = config_open(arena, path, &config, err);
    if (code == ERR_NOT_FOUND)
        err_hint(err,
                 "Make a project with `pgtide init DIRECTORY`, or name its file with --config.");
    if (code != ERR_OK)
        return code;
    ProjectFile file = {.version_table = "alembic_version",
                        .hook_timeout_ms = HOOK_TIMEOUT_DEFAULT_MS,
                        .backfill = BACKFILL_PART_DEFAULT,
                        .lint = LINT_PART_DEFAULT};
    Project project = {.config_file = arena_strdup(arena, path),
                       .directory = path_dirname(arena, path)};
    if (config_read(config, config_root(config), &table, &file)) {
        if (file.versions != NULL)
            versions_read(arena, config, file.versions, &project.versions);
        else
            strlist_add(arena, &project.versions, path_join(arena, project.directory, "versions"));
        if (strcmp(file.version_table, "alembic_version") != 0)
            config_problem(config, config_node_get(config_root(config), "version_table"),
                           "'version_table' can only be alembic_version in this version");
        project.backfill = backfill_policy_read(
            config, config_node_get(config_root(config), "backfill"), &file.backfill);
        project.lint = lint_config_read(config, &file.lint);
        if (file.model != NULL && file.model_command.count > 0)
            config_problem(config, config_node_get(config_root(config), "model-command"),
                           "both 'model' and 'model-command' are given");
        if (file.hooks != NULL)
            project_hooks_read(arena, config, project.config_file, file.hooks, &project.hooks);
    }
    code = config_finish(config, err);
    if (code != ERR_OK)
        return code;
    project.hooks.timeout_ms = file.hook_timeout_ms;
    project.safe = file.safe;
    bool model_is_url = file.model != NULL && strstr(file.model, "://") != NULL;
    project.model = file.model == NULL || model_is_url
                        ? file.model
                        : path_join(arena, project.directory, file.model);
    project.model_command = file.model_command;
    project.version_table = file.version_table;
    project.hash_names = file.naming == 1;
    *ret_project = project;
    return ERR_OK;
}

static ErrCode directory_list(Arena *arena, const char *directory, StrList *files, Error *err)
{
    DIR *dir = opendir(directory);
    if (dir == NULL) {
        err_set(err, ERR_NOT_FOUND, "can't read the directory %.200s: %s", directory,
                strerror(errno));
        err_hint(err, "It is named by `versions` in pgtide.yaml.");
        return ERR_NOT_FOUND;
    }
    StrList names = {0};
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL && names.count <= LIMIT_REVISIONS) {
        if (entry->d_name[0] != '.' && str_ends_with(entry->d_name, ".sql"))
            strlist_add(arena, &names, entry->d_name);
    }
    closedir(dir);
    strlist_sort(&names);
    for (size_t i = 0; i < names.count; i++)
        strlist_add(arena, files, path_join(arena, directory, names.items[i]));
    if (files->count > LIMIT_REVISIONS)
        return err_set(err, ERR_LIMIT, "more than %d revision files", LIMIT_REVISIONS);
    return ERR_OK;
}

ErrCode project_files(Arena *arena, const Project *project, StrList *ret_files, Error *err)
{
    StrList files = {0};
    for (size_t i = 0; i < project->versions.count; i++) {
        ErrCode code = directory_list(arena, project->versions.items[i], &files, err);
        if (code != ERR_OK)
            return code;
    }
    *ret_files = files;
    return ERR_OK;
}

ErrCode project_scripts(Arena *arena, const Project *project, Script ***ret_scripts,
                        size_t *ret_count, Error *err)
{
    StrList files;
    ErrCode listed = project_files(arena, project, &files, err);
    if (listed != ERR_OK)
        return listed;
    Script **scripts = ARENA_ARRAY(arena, Script *, files.count);
    for (size_t i = 0; i < files.count; i++) {
        ErrCode code = script_load(arena, files.items[i], &scripts[i], err);
        if (code != ERR_OK)
            return code;
    }
    *ret_scripts = scripts;
    *ret_count = files.count;
    return ERR_OK;
}

ErrCode project_open(Arena *arena, const char *path, Project *ret_project, RevisionMap **ret_map,
                     Error *err)
{
    Project project;
    Script **scripts;
    size_t count;
    ErrCode code = project_load(arena, path, &project, err);
    if (code == ERR_OK)
        code = project_scripts(arena, &project, &scripts, &count, err);
    if (code == ERR_OK)
        code = graph_build(arena, scripts, count, ret_map, err);
    if (code == ERR_OK)
        *ret_project = project;
    return code;
}
