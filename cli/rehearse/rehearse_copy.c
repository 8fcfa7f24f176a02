#include "rehearse_copy.h"

#include "digest.h"
#include "file.h"
#include "server_tools.h"
#include "spawn.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- the database that is meant --------------------------------------------------------------- */

typedef struct SourceRead {
    Arena *arena;
    CopySource *source;
    ErrCode code;
    Error *err;
} SourceRead;

static void on_facts(const PgReply *reply, void *data)
{
    SourceRead *read = data;
    read->code = copy_facts_answer(read->arena, reply, &read->source->facts, read->err);
    read->source->template_clause =
        arena_strdup(read->arena, pg_text(&reply->results[reply->count - 1], 0, 0));
}

static ErrCode read_facts(Arena *arena, Wait *wait, const StrList *shared, CopySource *source,
                          Error *err)
{
    SourceRead read = {.arena = arena, .source = source, .code = ERR_OK, .err = err};
    PgBatch batch = pg_batch(arena);
    copy_facts_queries(&batch, source->schema, shared);
    pg_batch_add(&batch, "SELECT pg_catalog.format('TEMPLATE %I', pg_catalog.current_database())");
    Session *session;
    ErrCode code =
        session_open(wait, source->conninfo, source->conninfo_count, NULL, &session, err);
    if (code != ERR_OK)
        return code;
    code = session_batch(session, &batch, on_facts, &read, err);
    session_close(session);
    return code == ERR_OK ? read.code : code;
}

typedef struct ShardRead {
    Wait *wait;
    Arena *arena;
    CopySource *source;
    ShardSession *session;
} ShardRead;

static void on_open(ShardSession *session, const Error *err, void *data)
{
    (void)session;
    wait_settle(((ShardRead *)data)->wait, err);
}

static void on_read(ShardSession *session, const DatabaseReading *reading, const Error *err,
                    void *data)
{
    (void)session;
    ShardRead *read = data;
    if (err == NULL)
        copy_facts_reading(read->arena, reading, &read->source->facts);
    wait_settle(read->wait, err);
}

static void cancel(void *data)
{
    ShardRead *read = data;
    if (shard_is_alive(read->session))
        shard_cancel(read->session);
}

static ErrCode read_shard(Arena *arena, Wait *wait, CopySource *source, Error *err)
{
    ShardTarget target = {.conninfo = source->conninfo,
                          .conninfo_count = source->conninfo_count,
                          .schema = source->schema};
    ShardRead read = {.wait = wait, .arena = arena, .source = source};
    ReadArgs args = copy_facts_args();
    wait_begin(wait, NULL, NULL);
    read.session = shard_open(&wait->loop, &target, on_open, &read);
    ErrCode code = wait_end(wait, err);
    if (code == ERR_OK)
        code = wait_check(wait, err);
    if (code == ERR_OK) {
        wait_begin(wait, cancel, &read);
        shard_read(read.session, &args, on_read, &read);
        code = wait_end(wait, err);
    }
    shard_close(read.session);
    wait_drain(wait);
    return code;
}

ErrCode copy_source_read(Arena *arena, Wait *wait, const char *url, const char *schema,
                         const StrList *shared, CopySource *ret_source, Error *err)
{
    CopySource source = {.schema = schema == NULL ? "" : schema};
    ErrCode code = pg_parse_conninfo(arena, url == NULL ? "" : url, &source.conninfo,
                                     &source.conninfo_count, err);
    if (code == ERR_OK)
        code = read_shard(arena, wait, &source, err);
    if (code == ERR_OK)
        code = read_facts(arena, wait, shared, &source, err);
    if (code == ERR_OK)
        *ret_source = source;
    return code;
}

static int compare_name(const void *key, const void *item)
{
    return strcmp(key, *(const char *const *)item);
}

uint64_t copy_size(const char *table, void *data)
{
    const CopyFacts *facts = data;
    const StrList *tables = &facts->tables;
    const char *const *found = tables->count == 0 ? NULL
                                                  : bsearch(table, tables->items, tables->count,
                                                            sizeof *tables->items, compare_name);
    return found == NULL ? 0 : facts->bytes[found - tables->items];
}

/* --- the copy --------------------------------------------------------------------------------- */

static ErrCode dump(Arena *arena, const Scratch *scratch, const CopySource *source,
                    CopyMethod method, const char *tools, const char *file, Error *err)
{
    const char *const argv[] = {"pg_dump",
                                "--format=custom",
                                "--compress=1",
                                "--file",
                                file,
                                "--exclude-schema=pgtide",
                                "--no-publications",
                                "--no-subscriptions",
                                "--lock-wait-timeout=10s",
                                method == COPY_SCHEMA ? "--schema-only" : NULL,
                                NULL};
    SpawnArgs args = {
        .program = server_tools_program(arena, tools, "pg_dump"),
        .argv = argv,
        .env = scratch_environment_of(arena, source->conninfo, source->conninfo_count,
                                      source->facts.database),
    };
    return spawn_run(scratch_wait(scratch), &args, NULL, err);
}

/* Owners and grants come along where whoever restores may set them. */
static ErrCode restore(Arena *arena, Scratch *scratch, const char *database, bool as_owners,
                       const char *tools, const char *file, Error *err)
{
    const char *argv[] = {"pg_restore", "--exit-on-error", "--dbname", database, NULL, NULL, NULL,
                          NULL};
    size_t count = 4;
    if (!as_owners) {
        argv[count++] = "--no-owner";
        argv[count++] = "--no-privileges";
    }
    argv[count] = file;
    SpawnArgs args = {
        .program = server_tools_program(arena, tools, "pg_restore"),
        .argv = argv,
        .env = scratch_environment(scratch, arena, database),
    };
    return spawn_run(scratch_wait(scratch), &args, NULL, err);
}

typedef struct ServerRead {
    Arena *arena;
    bool superuser;
    StrList make_roles;
} ServerRead;

static void on_server(const PgReply *reply, void *data)
{
    ServerRead *read = data;
    read->superuser = pg_bool(&reply->results[0], 0, 0);
    for (size_t row = 0; row < pg_rows(&reply->results[1]); row++)
        strlist_add(read->arena, &read->make_roles, pg_text(&reply->results[1], row, 0));
}

/* Whether we are a superuser there. On a server of our own the roles are made first: grants and
 * SET ROLE mean something then. */
static ErrCode prepare_server(Wait *wait, const ShardTarget *target, const CopySource *source,
                              bool fresh, bool *ret_superuser, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    Session *session;
    ServerRead read = {.arena = arena};
    PgBatch batch = pg_batch(arena);
    const char *roles = pg_array_format(arena, &source->facts.roles);
    pg_batch_add(&batch, "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user");
    pg_batch_add_params(&batch,
                        "SELECT pg_catalog.format('CREATE ROLE %I', name)"
                        " FROM pg_catalog.unnest($1::pg_catalog.text[]) AS wanted (name)"
                        " WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = name)",
                        1, &roles);
    ErrCode code = session_open(wait, target->conninfo, target->conninfo_count, target->database,
                                &session, err);
    if (code != ERR_OK)
        return code;
    code = session_batch(session, &batch, on_server, &read, err);
    for (size_t i = 0; fresh && code == ERR_OK && i < read.make_roles.count; i++)
        code = session_run(session, read.make_roles.items[i], err);
    session_close(session);
    *ret_superuser = read.superuser;
    return code;
}

static ErrCode copy_by_dump(Scratch *scratch, const CopySource *source, CopyMethod method,
                            bool fresh, ShardTarget *target, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    const char *base = getenv("TMPDIR");
    char *file = arena_printf(arena, "%s/pgtide-rehearsal-XXXXXX",
                              base == NULL || *base == '\0' ? "/tmp" : base);
    int fd = mkstemp(file); /* nobody else may read it */
    if (fd < 0)
        return err_set(err, ERR_IO, "can't make a temporary file %.150s", file);
    close(fd);
    bool superuser = false;
    const char *tools;
    ErrCode code = server_tools_find(arena, scratch, source->facts.server_version, &tools, err);
    if (code == ERR_OK)
        code = source->dump != NULL
                   ? file_write_atomic(file, source->dump, source->dump_length, 0600, err)
                   : dump(arena, scratch, source, method, tools, file, err);
    if (code != ERR_OK)
        err_wrap(err, "copying %s", source->facts.database);
    if (code == ERR_OK)
        code = scratch_make(scratch, target, err);
    if (code == ERR_OK)
        code = prepare_server(scratch_wait(scratch), target, source, fresh, &superuser, err);
    if (code == ERR_OK) {
        code = restore(arena, scratch, target->database, superuser, tools, file, err);
        if (code != ERR_OK)
            err_wrap(err, "making the copy");
    }
    unlink(file);
    return code;
}

ErrCode copy_make(Scratch *scratch, const CopySource *source, CopyMethod method, bool fresh,
                  ShardTarget *ret_target, Error *err)
{

    if (method != COPY_TEMPLATE)
        return copy_by_dump(scratch, source, method, fresh, ret_target, err);
    ErrCode code = scratch_make_copy(scratch, source->template_clause, ret_target, err);
    if (code != ERR_OK && strcmp(err->sqlstate, "55006") == 0)
        err_hint(err, "--clone needs a database that nobody is connected to; --dump does not.");
    return code;
}
