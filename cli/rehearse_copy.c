#include "rehearse_copy.h"

#include "digest.h"
#include "file.h"
#include "named_limits.h"
#include "scratch_cluster.h"
#include "spawn.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct CopySizes {
    StrList tables; /* sorted */
    uint64_t *bytes;
};

/* --- the database that is meant --------------------------------------------------------------- */

typedef struct SourceRead {
    Arena *arena;
    CopySource *source;
} SourceRead;

enum { INFO_PATH, INFO_ZONE, INFO_TEMPLATE, INFO_ROLES };

static void on_info(const PgReply *reply, void *data)
{
    SourceRead *read = data;
    const PgResult *info = &reply->results[0];
    CopySource *source = read->source;
    source->path = arena_strdup(read->arena, pg_text(info, 0, INFO_PATH));
    source->time_zone = arena_strdup(read->arena, pg_text(info, 0, INFO_ZONE));
    source->template_clause = arena_strdup(read->arena, pg_text(info, 0, INFO_TEMPLATE));
    if (!pg_array_parse(read->arena, pg_text(info, 0, INFO_ROLES), &source->make_roles))
        source->make_roles = (StrList){0};
}

/* A tenant's schema is searched first, the shared ones behind it, pg_temp last. */
static ErrCode read_info(Arena *arena, Wait *wait, const StrList *shared, CopySource *source,
                         Error *err)
{
    static const char query[] =
        "SELECT CASE WHEN $1 = '' THEN pg_catalog.current_setting('search_path') ELSE"
        "  pg_catalog.concat_ws(', ', pg_catalog.quote_ident($1), (SELECT"
        "   pg_catalog.string_agg(pg_catalog.quote_ident(s), ', ' ORDER BY n)"
        "   FROM pg_catalog.unnest($2::pg_catalog.text[]) WITH ORDINALITY u (s, n)), 'pg_temp')"
        " END, pg_catalog.current_setting('TimeZone'),"
        " pg_catalog.format('TEMPLATE %I', pg_catalog.current_database()),"
        " ARRAY(SELECT pg_catalog.format('CREATE ROLE %I', rolname) FROM pg_catalog.pg_roles"
        "  WHERE rolname !~ '^pg_')";
    SourceRead read = {.arena = arena, .source = source};
    PgBatch batch = pg_batch(arena);
    const char *params[] = {source->schema, pg_array_format(arena, shared)};
    pg_batch_add_params(&batch, query, 2, params);
    Session *session;
    ErrCode code =
        session_open(wait, source->conninfo, source->conninfo_count, NULL, &session, err);
    if (code != ERR_OK)
        return code;
    code = session_batch(session, &batch, on_info, &read, err);
    session_close(session);
    return code;
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
    if (err == NULL) {
        CopySource *source = read->source;
        source->rows = strlist_copy(read->arena, &reading->shards[0].rows);
        source->database = arena_strdup(read->arena, reading->database);
        source->size_bytes = reading->size_bytes;
        source->server_version = reading->server_version;
    }
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
    ReadArgs args = {.with_size = true};
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
        code = read_info(arena, wait, shared, &source, err);
    if (code == ERR_OK)
        *ret_source = source;
    return code;
}

/* --- sizes ------------------------------------------------------------------------------------ */

typedef struct SizesRead {
    Arena *arena;
    CopySizes *sizes;
} SizesRead;

static void on_sizes(const PgReply *reply, void *data)
{
    SizesRead *read = data;
    const PgResult *result = &reply->results[0];
    size_t count = pg_rows(result);
    read->sizes->bytes = ARENA_ARRAY(read->arena, uint64_t, count + 1);
    for (size_t row = 0; row < count; row++) {
        strlist_add(read->arena, &read->sizes->tables, pg_text(result, row, 0));
        read->sizes->bytes[row] = pg_u64(result, row, 1);
    }
}

ErrCode copy_sizes_read(Arena *arena, Wait *wait, const CopySource *source, CopySizes **ret_sizes,
                        Error *err)
{
    static const char query[] =
        "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) COLLATE \"C\","
        " pg_catalog.pg_relation_size(c.oid) FROM pg_catalog.pg_class c"
        " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^pg_'"
        " AND n.nspname <> 'information_schema' ORDER BY 1";
    SizesRead read = {.arena = arena, .sizes = ARENA_NEW(arena, CopySizes)};
    PgBatch batch = pg_batch(arena);
    pg_batch_add(&batch, query);
    Session *session;
    ErrCode code =
        session_open(wait, source->conninfo, source->conninfo_count, NULL, &session, err);
    if (code != ERR_OK)
        return code;
    code = session_batch(session, &batch, on_sizes, &read, err);
    session_close(session);
    if (code == ERR_OK)
        *ret_sizes = read.sizes;
    return code;
}

static int compare_name(const void *key, const void *item)
{
    return strcmp(key, *(const char *const *)item);
}

uint64_t copy_size(const char *table, void *data)
{
    const CopySizes *sizes = data;
    const StrList *tables = &sizes->tables;
    const char *const *found = tables->count == 0 ? NULL
                                                  : bsearch(table, tables->items, tables->count,
                                                            sizeof *tables->items, compare_name);
    return found == NULL ? 0 : sizes->bytes[found - tables->items];
}

/* --- the copy --------------------------------------------------------------------------------- */

/* The newest there is: it must be at least as new as the server. */
static const char *program(Arena *arena, const Scratch *scratch, const char *name)
{
    const char *bin = scratch_bin(scratch);
    if (bin == NULL)
        bin = scratch_cluster_bin(arena, scratch_wait(scratch));
    return bin == NULL ? name : path_join(arena, bin, name);
}

static ErrCode dump(Arena *arena, const Scratch *scratch, const CopySource *source,
                    CopyMethod method, const char *file, Error *err)
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
        .program = program(arena, scratch, "pg_dump"),
        .argv = argv,
        .env = scratch_environment_of(arena, source->conninfo, source->conninfo_count,
                                      source->database),
    };
    return spawn_run(scratch_wait(scratch), &args, NULL, err);
}

/* Owners and grants come along where whoever restores may set them. */
static ErrCode restore(Arena *arena, Scratch *scratch, const char *database, bool as_owners,
                       const char *file, Error *err)
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
        .program = program(arena, scratch, "pg_restore"),
        .argv = argv,
        .env = scratch_environment(scratch, arena, database),
    };
    return spawn_run(scratch_wait(scratch), &args, NULL, err);
}

static void on_superuser(const PgReply *reply, void *data)
{
    *(bool *)data = pg_bool(&reply->results[0], 0, 0);
}

/* Whether we are a superuser there. On a server of our own the roles are made first: grants and
 * SET ROLE mean something then. */
static ErrCode prepare_server(Wait *wait, const ShardTarget *target, const CopySource *source,
                              bool fresh, bool *ret_superuser, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    Session *session;
    PgBatch batch = pg_batch(arena);
    pg_batch_add(&batch, "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user");
    ErrCode code = session_open(wait, target->conninfo, target->conninfo_count, target->database,
                                &session, err);
    if (code != ERR_OK)
        return code;
    code = session_batch(session, &batch, on_superuser, ret_superuser, err);
    for (size_t i = 0; fresh && code == ERR_OK && i < source->make_roles.count; i++) {
        code = session_run(session, source->make_roles.items[i], err);
        if (code != ERR_OK && strcmp(err->sqlstate, "42710") == 0)
            code = ERR_OK; /* the one we are */
    }
    session_close(session);
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
    ErrCode code = dump(arena, scratch, source, method, file, err);
    if (code != ERR_OK)
        err_wrap(err, "copying %s", source->database);
    if (code == ERR_OK)
        code = scratch_make(scratch, target, err);
    if (code == ERR_OK)
        code = prepare_server(scratch_wait(scratch), target, source, fresh, &superuser, err);
    if (code == ERR_OK) {
        code = restore(arena, scratch, target->database, superuser, file, err);
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
