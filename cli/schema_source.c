#include "schema_source.h"

#include "named_limits.h"
#include "session.h"

#include <string.h>

ErrCode schema_source_args(const CommandContext *context, SchemaReadArgs *ret_args, Error *err)
{
    const char *schema = context_option(context, "schema");
    if (schema != NULL && (*schema == '\0' || strlen(schema) > LIMIT_NAME_BYTES ||
                           !str_is_utf8(schema, strlen(schema))))
        return err_set(err, ERR_USAGE, "--schema: a UTF-8 name of at most %d bytes",
                       LIMIT_NAME_BYTES);
    *ret_args = (SchemaReadArgs){.schema = schema, .owners = context_has(context, "owners")};
    return ERR_OK;
}

/* Of one reading. */
typedef struct ModelRead {
    Arena *arena;
    const SchemaReadArgs *args;
    SchemaModel model;
    ErrCode code;
    Error error;
} ModelRead;

static void on_answer(const PgReply *reply, void *data)
{
    ModelRead *read = data;
    read->code = schema_read_answer(read->arena, reply, read->args, &read->model, &read->error);
}

ErrCode schema_source_database(CommandContext *context, Wait *wait, const PgKeyword *conninfo,
                               size_t conninfo_count, const char *database,
                               const SchemaReadArgs *args, SchemaModel *ret_model, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    ModelRead read = {.arena = context->arena, .args = args};
    PgBatch batch = pg_batch(arena);
    schema_read_queries(&batch, args);
    Session *session;
    ErrCode code = session_open(wait, conninfo, conninfo_count, database, &session, err);
    if (code != ERR_OK)
        return code;
    code = session_batch(session, &batch, on_answer, &read, err);
    session_close(session);
    if (code == ERR_OK && read.code != ERR_OK) {
        code = read.code;
        if (err != NULL)
            *err = read.error;
    }
    if (code == ERR_OK)
        *ret_model = read.model;
    return code;
}
