#include "scratch.h"

#include "digest.h"
#include "ids.h"
#include "scratch_cluster.h"
#include "session.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SCRATCH_DATABASES_MAX = 8 };

struct Scratch {
    CommandContext *context;
    Wait *wait;
    Arena *arena;
    const PgKeyword *conninfo;
    size_t conninfo_count;
    ScratchCluster cluster; /* running: the server is ours */
    bool keep;
    const char *names[SCRATCH_DATABASES_MAX]; /* made, not dropped */
    size_t count;
    const char *create; /* what follows the name in CREATE DATABASE */
};

/* --- the server ------------------------------------------------------------------------------- */

static const char *given_url(CommandContext *context)
{
    const char *url = context_option(context, "scratch-url");
    if (url == NULL)
        url = context_option(context, "url");
    if (url == NULL)
        url = getenv("PGTIDE_URL");
    return url == NULL || *url == '\0' ? NULL : url;
}

static const char *keyword_value(const PgKeyword *conninfo, size_t count, const char *name)
{
    const char *value = NULL;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(conninfo[i].name, name) == 0)
            value = conninfo[i].value;
    }
    return value;
}

/* To a database that is there: the one of the url, else postgres. */
static ErrCode connect_server(Scratch *scratch, Session **ret_session, Error *err)
{
    Error first = {0};
    ErrCode code = session_open(scratch->wait, scratch->conninfo, scratch->conninfo_count, NULL,
                                ret_session, &first);
    if (code == ERR_OK || strcmp(first.sqlstate, "3D000") != 0) {
        *err = first;
        return code;
    }
    return session_open(scratch->wait, scratch->conninfo, scratch->conninfo_count, "postgres",
                        ret_session, err);
}

static void on_server(const PgReply *reply, void *data)
{
    Scratch *scratch = data;
    const PgResult *result = &reply->results[0];
    if (pg_rows(result) == 1 && !pg_bool(result, 0, 1))
        scratch->create = arena_strdup(scratch->arena, pg_text(result, 0, 0));
}

/* New databases are of the encoding and locale of the one that the url names. Copying files takes
 * two checkpoints, which only a server that does not sync has cheaply. */
static ErrCode learn_server(Scratch *scratch, Error *err)
{
    static const char query[] =
        "SELECT pg_catalog.format('TEMPLATE template0 ENCODING %L LC_COLLATE %L LC_CTYPE %L%s',"
        " pg_catalog.pg_encoding_to_char(encoding), datcollate, datctype,"
        " CASE WHEN pg_catalog.current_setting('fsync') = 'off'"
        " AND pg_catalog.current_setting('server_version_num')::int4 >= 150000"
        " THEN ' STRATEGY file_copy' END),"
        " pg_catalog.pg_is_in_recovery() FROM pg_catalog.pg_database"
        " WHERE datname = pg_catalog.current_database()";
    AUTO_ARENA Arena *arena = arena_new();
    PgBatch batch = pg_batch(arena);
    pg_batch_add(&batch, query);
    Session *session;
    ErrCode code = connect_server(scratch, &session, err);
    if (code != ERR_OK)
        return code;
    code = session_batch(session, &batch, on_server, scratch, err);
    session_close(session);
    if (code == ERR_OK && scratch->create == NULL) {
        code = err_set(err, ERR_STATE, "the server is a standby: no scratch database can be made");
        err_hint(err, "Name another server with --scratch-url.");
    }
    return code;
}

ErrCode scratch_open(CommandContext *context, Wait *wait, Scratch **ret_scratch, Error *err)
{
    return scratch_open_on(context, wait, given_url(context), ret_scratch, err);
}

ErrCode scratch_open_on(CommandContext *context, Wait *wait, const char *url, Scratch **ret_scratch,
                        Error *err)
{
    Scratch *scratch = xcalloc(1, sizeof *scratch);
    scratch->context = context;
    scratch->wait = wait;
    scratch->arena = arena_new();
    scratch->keep = context_has(context, "keep");
    ErrCode code = ERR_OK;
    if (url != NULL) {
        code = pg_parse_conninfo(scratch->arena, url, &scratch->conninfo, &scratch->conninfo_count,
                                 err);
    } else if (scratch->keep) {
        code = err_set(err, ERR_USAGE, "--keep needs a server that stays: --scratch-url URL");
    } else {
        code = scratch_cluster_start(scratch->arena, wait, &scratch->cluster, err);
        PgKeyword *conninfo = ARENA_ARRAY(scratch->arena, PgKeyword, 3);
        conninfo[0] = (PgKeyword){"host", scratch->cluster.directory};
        conninfo[1] = (PgKeyword){"user", scratch->cluster.user};
        conninfo[2] = (PgKeyword){"dbname", "postgres"};
        scratch->conninfo = conninfo;
        scratch->conninfo_count = 3;
    }
    if (code == ERR_OK)
        code = learn_server(scratch, err);
    if (code != ERR_OK) {
        scratch_close(scratch);
        return code;
    }
    *ret_scratch = scratch;
    return ERR_OK;
}

/* --- databases -------------------------------------------------------------------------------- */

static ErrCode run_on_server(Scratch *scratch, const char *const *sql, size_t count, Error *err)
{
    Session *session;
    ErrCode code = connect_server(scratch, &session, err);
    if (code != ERR_OK)
        return code;
    for (size_t i = 0; i < count && code == ERR_OK; i++)
        code = session_run(session, sql[i], err);
    session_close(session);
    return code;
}

ErrCode scratch_make(Scratch *scratch, ShardTarget *ret_target, Error *err)
{
    return scratch_make_copy(scratch, scratch->create, ret_target, err);
}

ErrCode scratch_make_copy(Scratch *scratch, const char *clause, ShardTarget *ret_target, Error *err)
{
    if (scratch->count == SCRATCH_DATABASES_MAX)
        return err_set(err, ERR_INTERNAL, "too many scratch databases at once");
    ErrCode code = wait_check(scratch->wait, err);
    if (code != ERR_OK)
        return code;
    Uuid random = uuid_random();
    char digits[2 * 4 + 1];
    hex_encode(random.bytes, 4, digits);
    const char *name =
        arena_printf(scratch->arena, "pgtide_scratch_%ld_%s", (long)getpid(), digits);
    /* Nothing here has to survive a crash, and compiling queries costs more than running them. */
    const char *const sql[] = {
        arena_printf(scratch->arena, "CREATE DATABASE %s %s", name, clause),
        arena_printf(scratch->arena, "ALTER DATABASE %s SET synchronous_commit = off", name),
        arena_printf(scratch->arena, "ALTER DATABASE %s SET jit = off", name),
    };
    scratch->names[scratch->count++] = name; /* before: it may be made although we lose touch */
    code = run_on_server(scratch, sql, sizeof sql / sizeof sql[0], err);
    if (code != ERR_OK) {
        if (strcmp(err->sqlstate, "42501") == 0)
            err_hint(err, "The role needs CREATEDB; or name another server with --scratch-url.");
        return err_wrap(err, "scratch database");
    }
    *ret_target = (ShardTarget){
        .conninfo = scratch->conninfo,
        .conninfo_count = scratch->conninfo_count,
        .database = name,
        .application_name = "pgtide scratch",
    };
    return ERR_OK;
}

static void forget(Scratch *scratch, const char *database)
{
    for (size_t i = 0; i < scratch->count; i++) {
        if (strcmp(scratch->names[i], database) == 0) {
            scratch->names[i] = scratch->names[--scratch->count];
            return;
        }
    }
}

void scratch_drop(Scratch *scratch, const char *database)
{
    AUTO_ARENA Arena *arena = arena_new();
    Error err = {0};
    const char *sql = arena_printf(arena, "DROP DATABASE IF EXISTS %s WITH (FORCE)", database);
    bool shielded = scratch->wait->shielded;
    wait_shield(scratch->wait);
    if (run_on_server(scratch, &sql, 1, &err) != ERR_OK)
        note(scratch->context, "scratch database %s was not dropped: %s; run: psql -c '%s'",
             database, err.message, sql);
    scratch->wait->shielded = shielded;
    forget(scratch, database);
}

void scratch_close(Scratch *scratch)
{
    if (scratch == NULL)
        return;
    wait_shield(scratch->wait);
    if (scratch->keep && scratch->count > 0) {
        note(scratch->context,
             "scratch database %s is kept; drop it with: psql -c 'DROP DATABASE "
             "%s'",
             scratch->names[0], scratch->names[0]);
        forget(scratch, scratch->names[0]);
    }
    while (scratch->count > 0 && !scratch->cluster.running)
        scratch_drop(scratch, scratch->names[0]);
    Error err;
    if (scratch_cluster_stop(scratch->wait, &scratch->cluster, &err) != ERR_OK)
        note(scratch->context, "the temporary server in %s was not stopped: %s",
             scratch->cluster.directory, err.message);
    arena_free(scratch->arena);
    free(scratch);
}

/* --- for pg_dump ------------------------------------------------------------------------------ */

static const char *const variables[][2] = {
    {"host", "PGHOST"},
    {"hostaddr", "PGHOSTADDR"},
    {"port", "PGPORT"},
    {"user", "PGUSER"},
    {"password", "PGPASSWORD"},
    {"passfile", "PGPASSFILE"},
    {"service", "PGSERVICE"},
    {"options", "PGOPTIONS"},
    {"sslmode", "PGSSLMODE"},
    {"sslcert", "PGSSLCERT"},
    {"sslkey", "PGSSLKEY"},
    {"sslrootcert", "PGSSLROOTCERT"},
    {"sslcrl", "PGSSLCRL"},
    {"channel_binding", "PGCHANNELBINDING"},
    {"gssencmode", "PGGSSENCMODE"},
    {"krbsrvname", "PGKRBSRVNAME"},
    {"connect_timeout", "PGCONNECT_TIMEOUT"},
    {"target_session_attrs", "PGTARGETSESSIONATTRS"},
};
enum { VARIABLE_COUNT = sizeof variables / sizeof variables[0] };

const char *const *scratch_environment(Scratch *scratch, Arena *arena, const char *database)
{
    return scratch_environment_of(arena, scratch->conninfo, scratch->conninfo_count, database);
}

const char *const *scratch_environment_of(Arena *arena, const PgKeyword *conninfo,
                                          size_t conninfo_count, const char *database)
{
    const char **env = ARENA_ARRAY(arena, const char *, VARIABLE_COUNT + 3);
    size_t count = 0;
    for (size_t i = 0; i < VARIABLE_COUNT; i++) {
        const char *value = keyword_value(conninfo, conninfo_count, variables[i][0]);
        if (value != NULL)
            env[count++] = arena_printf(arena, "%s=%s", variables[i][1], value);
    }
    env[count++] = arena_printf(arena, "PGDATABASE=%s", database);
    env[count++] = "PGAPPNAME=pgtide scratch";
    return env;
}

const char *scratch_bin(const Scratch *scratch)
{
    return scratch->cluster.bin;
}

Wait *scratch_wait(const Scratch *scratch)
{
    return scratch->wait;
}
