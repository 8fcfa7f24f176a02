#include "server_tools.h"

#include "file.h"
#include "scratch_cluster.h"
#include "spawn.h"
#include "tool_version.h"

#include <glob.h>
#include <string.h>

enum { VERSION_OUTPUT_BYTES = 4096, PLACES_MAX = 64 };

const char *server_tools_program(Arena *arena, const char *directory, const char *name)
{
    return directory == NULL ? name : path_join(arena, directory, name);
}

/* Of the pg_dump there (NULL: in PATH); 0 = there is none. */
static ErrCode read_version(Arena *arena, Wait *wait, const char *directory, uint32_t *ret_version,
                            Error *err)
{
    AUTO_STR Str output = {0};
    const char *const argv[] = {"pg_dump", "--version", NULL};
    SpawnArgs args = {.program = server_tools_program(arena, directory, "pg_dump"),
                      .argv = argv,
                      .output_limit = VERSION_OUTPUT_BYTES};
    ErrCode code = spawn_run(wait, &args, &output, err);
    *ret_version = code == ERR_OK ? tool_version_parse(str_text(&output)) : 0;
    return code == ERR_INTERRUPTED ? code : ERR_OK;
}

static size_t list_places(Arena *arena, const Scratch *scratch, const char **places)
{
    size_t count = 0;
    const char *bin = scratch_bin(scratch);
    if (bin == NULL)
        bin = scratch_cluster_bin(arena, scratch_wait(scratch));
    if (bin != NULL)
        places[count++] = bin;
    places[count++] = NULL;
    static const char *const patterns[] = {"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin"};
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        glob_t found;
        if (glob(patterns[i], 0, NULL, &found) != 0)
            continue;
        for (size_t j = 0; j < found.gl_pathc && count < PLACES_MAX; j++)
            places[count++] = arena_strdup(arena, found.gl_pathv[j]);
        globfree(&found);
    }
    return count;
}

ErrCode server_tools_find(Arena *arena, const Scratch *scratch, uint32_t server_version,
                          const char **ret_directory, Error *err)
{
    const char *places[PLACES_MAX];
    size_t count = list_places(arena, scratch, places);
    size_t dumps = count; /* the first that can dump and not restore there */
    uint32_t newest = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t version;
        ErrCode code = read_version(arena, scratch_wait(scratch), places[i], &version, err);
        if (code != ERR_OK)
            return code;
        newest = version > newest ? version : newest;
        if (tool_version_check_restore(version, server_version, ERR_STATE, NULL) == ERR_OK) {
            *ret_directory = places[i];
            return ERR_OK;
        }
        if (dumps == count &&
            tool_version_check("pg_dump", version, server_version, ERR_STATE, NULL) == ERR_OK)
            dumps = i;
    }
    if (dumps == count)
        return tool_version_check("pg_dump", newest, server_version, ERR_STATE, err);
    *ret_directory = places[dumps];
    return ERR_OK;
}
