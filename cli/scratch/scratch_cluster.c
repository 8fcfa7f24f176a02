#include "scratch_cluster.h"

#include "file.h"
#include "spawn.h"

#include <ftw.h>
#include <glob.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CLUSTER_OUTPUT_BYTES = 4096 };

/* --- finding PostgreSQL ----------------------------------------------------------------------- */

static bool has_programs(Arena *arena, const char *bin)
{
    return access(path_join(arena, bin, "initdb"), X_OK) == 0 &&
           access(path_join(arena, bin, "pg_ctl"), X_OK) == 0 &&
           access(path_join(arena, bin, "postgres"), X_OK) == 0;
}

/* The version in a path such as /usr/lib/postgresql/15/bin. */
static long path_version(const char *path)
{
    const char *digit = strpbrk(path, "0123456789");
    return digit == NULL ? 0 : strtol(digit, NULL, 10);
}

const char *scratch_cluster_bin(Arena *arena, Wait *wait)
{
    AUTO_STR Str output = {0};
    const char *const argv[] = {"pg_config", "--bindir", NULL};
    SpawnArgs args = {.program = "pg_config", .argv = argv, .output_limit = CLUSTER_OUTPUT_BYTES};
    if (spawn_run(wait, &args, &output, NULL) == ERR_OK && output.length > 0) {
        output.data[strcspn(output.data, "\n")] = '\0';
        if (has_programs(arena, output.data))
            return arena_strdup(arena, output.data);
    }
    static const char *const patterns[] = {"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin",
                                           "/usr/local/pgsql/bin"};
    const char *best = NULL;
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        glob_t found;
        if (glob(patterns[i], 0, NULL, &found) != 0)
            continue;
        for (size_t j = 0; j < found.gl_pathc; j++) {
            const char *path = found.gl_pathv[j];
            if (has_programs(arena, path) &&
                (best == NULL || path_version(path) > path_version(best)))
                best = arena_strdup(arena, path);
        }
        globfree(&found);
    }
    return best;
}

/* --- start and stop --------------------------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *status, int flag, struct FTW *walk)
{
    (void)status;
    (void)flag;
    (void)walk;
    return remove(path);
}

static ErrCode refuse(Error *err, const char *message)
{
    err_set(err, ERR_USAGE, "%s", message);
    err_hint(err, "Say with --scratch-url on which server a scratch database may be made.");
    return ERR_USAGE;
}

static ErrCode write_settings(Arena *arena, const ScratchCluster *cluster, Error *err)
{
    /* A quote in a path is doubled, as in any value there. */
    AUTO_STR Str socket = {0};
    for (const char *at = cluster->directory; *at != '\0'; at++) {
        if (*at == '\'')
            str_append_char(&socket, *at);
        str_append_char(&socket, *at);
    }
    const char *text = arena_printf(arena,
                                    "listen_addresses = ''\nunix_socket_directories = '%s'\n"
                                    "unix_socket_permissions = 0700\nfsync = off\n"
                                    "synchronous_commit = off\nfull_page_writes = off\n"
                                    "autovacuum = off\njit = off\nshared_buffers = 32MB\n"
                                    "max_connections = 20\ncluster_name = 'pgtide scratch'\n",
                                    str_text(&socket));
    const char *path = path_join(arena, cluster->directory, "data/postgresql.auto.conf");
    return file_write_atomic(path, text, strlen(text), 0600, err);
}

static ErrCode run_initdb(Arena *arena, Wait *wait, const ScratchCluster *cluster, Error *err)
{
    const char *const argv[] = {
        "initdb",
        "-D",
        path_join(arena, cluster->directory, "data"),
        "-U",
        cluster->user,
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C",
        "--no-sync",
        NULL,
    };
    SpawnArgs args = {.program = path_join(arena, cluster->bin, "initdb"), .argv = argv};
    return spawn_run(wait, &args, NULL, err);
}

static ErrCode run_pg_ctl(Wait *wait, const ScratchCluster *cluster, bool start, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    const char *const argv[] = {
        "pg_ctl",
        "-D",
        path_join(arena, cluster->directory, "data"),
        "-l",
        path_join(arena, cluster->directory, "log"),
        "-m",
        "immediate",
        "-w",
        start ? "start" : "stop",
        NULL,
    };
    SpawnArgs args = {.program = path_join(arena, cluster->bin, "pg_ctl"), .argv = argv};
    ErrCode code = spawn_run(wait, &args, NULL, err);
    if (code != ERR_IO || !start)
        return code;
    uint8_t *log;
    size_t length;
    if (file_read_all(arena, path_join(arena, cluster->directory, "log"), 1024 * 1024, &log,
                      &length, NULL) == ERR_OK &&
        length > 0)
        err_detail(err, "%s", (const char *)log + (length > 400 ? length - 400 : 0));
    return code;
}

static void remove_directory(const ScratchCluster *cluster)
{
    nftw(cluster->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

ErrCode scratch_cluster_start(Arena *arena, Wait *wait, ScratchCluster *cluster, Error *err)
{
    if (geteuid() == 0)
        return refuse(err, "no url given, and PostgreSQL does not run as root");
    const struct passwd *user = getpwuid(geteuid());
    ScratchCluster made = {.user = arena_strdup(arena, user == NULL ? "pgtide" : user->pw_name),
                           .bin = scratch_cluster_bin(arena, wait)};
    ErrCode code = wait_check(wait, err);
    if (code != ERR_OK)
        return code;
    if (made.bin == NULL)
        return refuse(err, "no url given, and no PostgreSQL server is installed here");
    const char *base = getenv("TMPDIR");
    char *directory = arena_printf(arena, "%s/pgtide-scratch-XXXXXX",
                                   base == NULL || *base == '\0' ? "/tmp" : base);
    if (mkdtemp(directory) == NULL)
        return err_set(err, ERR_IO, "can't make a temporary directory %.150s", directory);
    made.directory = directory;
    code = run_initdb(arena, wait, &made, err);
    if (code == ERR_OK)
        code = write_settings(arena, &made, err);
    if (code == ERR_OK)
        code = run_pg_ctl(wait, &made, true, err);
    if (code != ERR_OK) {
        wait_shield(wait);
        (void)run_pg_ctl(wait, &made, false, NULL);
        remove_directory(&made);
        return err_wrap(err, "temporary server");
    }
    made.running = true;
    *cluster = made;
    return ERR_OK;
}

ErrCode scratch_cluster_stop(Wait *wait, ScratchCluster *cluster, Error *err)
{
    if (!cluster->running)
        return ERR_OK;
    ErrCode code = run_pg_ctl(wait, cluster, false, err);
    if (code != ERR_OK)
        return code;
    cluster->running = false;
    remove_directory(cluster);
    return ERR_OK;
}
