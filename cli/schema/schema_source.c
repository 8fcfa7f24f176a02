#include "schema_source.h"

#include "file.h"
#include "named_limits.h"
#include "schema_json.h"

#include <dirent.h>
#include <stdlib.h>
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

ErrCode schema_source_url(CommandContext *context, const PgKeyword **ret_conninfo,
                          size_t *ret_count, Error *err)
{
    const char *url = context_option(context, "url");
    if (url != NULL && *url == '\0') { /* a shell's unset variable must not mean another database */
        err_set(err, ERR_USAGE, "--url is empty");
        err_hint(err, "Leave it out to have PGTIDE_URL or libpq's environment say the database.");
        return ERR_USAGE;
    }
    if (url == NULL)
        url = getenv("PGTIDE_URL");
    *ret_conninfo = NULL;
    *ret_count = 0;
    return url == NULL || *url == '\0'
               ? ERR_OK
               : pg_parse_conninfo(context->arena, url, ret_conninfo, ret_count, err);
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

ErrCode schema_source_session(CommandContext *context, Session *session, const SchemaReadArgs *args,
                              SchemaModel *ret_model, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    ModelRead read = {.arena = context->arena, .args = args};
    PgBatch batch = pg_batch(arena);
    schema_read_queries(&batch, args);
    ErrCode code = session_batch(session, &batch, on_answer, &read, err);
    if (code == ERR_OK && read.code != ERR_OK) {
        code = read.code;
        if (err != NULL)
            *err = read.error;
    }
    if (code == ERR_OK)
        *ret_model = read.model;
    return code;
}

ErrCode schema_source_database(CommandContext *context, Wait *wait, const PgKeyword *conninfo,
                               size_t conninfo_count, const char *database,
                               const SchemaReadArgs *args, SchemaModel *ret_model, Error *err)
{
    Session *session;
    ErrCode code = session_open(wait, conninfo, conninfo_count, database, &session, err);
    if (code != ERR_OK)
        return code;
    code = schema_source_session(context, session, args, ret_model, err);
    session_close(session);
    return code;
}

/* --- the schema that is compared -------------------------------------------------------------- */

/* Of a scratch database for a model. */
typedef struct ModelRun {
    Session *session;
    const char *schema; /* NULL: the whole database */
    bool made_again;    /* by the model */
} ModelRun;

/* `format` has %I for its name. */
static ErrCode schema_do(const ModelRun *run, const char *format, bool enter, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    PgBatch batch = pg_batch(arena);
    const char *params[] = {run->schema, format};
    pg_batch_add_params(&batch,
                        "SELECT pg_catalog.set_config('pgtide.sql', pg_catalog.format("
                        "$2::pg_catalog.text, $1::pg_catalog.text), true)",
                        2, params);
    pg_batch_add(&batch, "DO $$BEGIN EXECUTE pg_catalog.current_setting('pgtide.sql'); END$$");
    if (enter)
        pg_batch_add_params(&batch,
                            "SELECT pg_catalog.set_config('search_path',"
                            " pg_catalog.quote_ident($1) || ', public', false)",
                            1, params);
    return session_batch(run->session, &batch, NULL, NULL, err);
}

/* Names that are not qualified are to mean it. */
static ErrCode enter_schema(const ModelRun *run, Error *err)
{
    return schema_do(run, "CREATE SCHEMA IF NOT EXISTS %I", true, err);
}

/* What pg_dump -n writes makes the schema itself. Ours, still empty, gives way to it, once; were
 * it another one that is there, it fails again. */
static bool gives_way(ModelRun *run, const Error *err)
{
    Error ignored;
    if (run->schema == NULL || run->made_again || strcmp(err->sqlstate, "42P06") != 0)
        return false;
    run->made_again = true;
    return schema_do(run, "DROP SCHEMA %I", false, &ignored) == ERR_OK;
}

/* --- files of SQL ----------------------------------------------------------------------------- */

/* What pg_dump says to psql alone. The lines stay, so that places of errors are right. */
static void blank_psql_lines(char *text)
{
    for (char *at = text; at != NULL && *at != '\0';) {
        char *end = strchr(at, '\n');
        if (str_starts_with(at, "\\restrict ") || str_starts_with(at, "\\unrestrict "))
            memset(at, ' ', end == NULL ? strlen(at) : (size_t)(end - at));
        at = end == NULL ? NULL : end + 1;
    }
}

/* Of a source: a file, or a text that has a name. */
typedef struct SqlText {
    const char *name;
    char *text; /* NULL: is in the file of that name */
} SqlText;

static ErrCode run_statement(ModelRun *run, const char *file, const Statement *statement,
                             Error *err)
{
    ErrCode code = session_statement(run->session, file, statement, err);
    if (code == ERR_OK || !gives_way(run, err))
        return code;
    err_clear(err);
    return session_statement(run->session, file, statement, err);
}

static ErrCode run_text(CommandContext *context, ModelRun *run, const SqlText *sql, Error *err)
{
    char *text = sql->text;
    size_t length = text == NULL ? 0 : strlen(text);
    StatementList list;
    ErrCode code = text != NULL ? ERR_OK
                                : file_read_text(context->arena, sql->name, LIMIT_SCHEMA_FILE_BYTES,
                                                 &text, &length, err);
    if (code != ERR_OK)
        return code;
    blank_psql_lines(text);
    code = sql_split(context->arena, sql->name, text, length, 1, &list, err);
    for (size_t i = 0; code == ERR_OK && i < list.count; i++) {
        if (list.items[i].copy_data == NULL) /* rows are no part of a schema */
            code = run_statement(run, sql->name, &list.items[i], err);
    }
    if (code != ERR_OK && strcmp(err->sqlstate, "42704") == 0)
        err_hint(err, "If it is a role: name a server that has it with --scratch-url.");
    return code;
}

static ErrCode list_folder(CommandContext *context, const char *path, StrList *ret_files,
                           Error *err)
{
    DIR *directory = opendir(path);
    if (directory == NULL)
        return err_set(err, ERR_IO, "can't read directory %.200s", path);
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        if (str_ends_with(entry->d_name, ".sql"))
            strlist_add(context->arena, ret_files, path_join(context->arena, path, entry->d_name));
    }
    closedir(directory);
    strlist_sort(ret_files);
    if (ret_files->count == 0)
        return err_set(err, ERR_NOT_FOUND, "no *.sql in %.200s", path);
    if (ret_files->count > LIMIT_SCHEMA_FILES)
        return err_set(err, ERR_LIMIT, "more than %d files in %.200s", LIMIT_SCHEMA_FILES, path);
    return ERR_OK;
}

static ErrCode run_all(CommandContext *context, Wait *wait, const ShardTarget *target,
                       const SqlText *texts, size_t count, const SchemaReadArgs *args, Error *err)
{
    ModelRun run = {.schema = args->schema};
    ErrCode code = session_open(wait, target->conninfo, target->conninfo_count, target->database,
                                &run.session, err);
    if (code != ERR_OK)
        return code;
    if (run.schema != NULL)
        code = enter_schema(&run, err);
    for (size_t i = 0; code == ERR_OK && i < count; i++)
        code = run_text(context, &run, &texts[i], err);
    session_close(run.session);
    return code;
}

static ErrCode read_texts(CommandContext *context, Wait *wait, const SqlText *texts, size_t count,
                          const SchemaReadArgs *args, Scratch **scratch, SchemaModel *ret_model,
                          Error *err)
{
    ShardTarget target;
    ErrCode code = *scratch == NULL ? scratch_open(context, wait, scratch, err) : ERR_OK;
    if (code == ERR_OK)
        code = scratch_make(*scratch, &target, err);
    if (code == ERR_OK)
        code = run_all(context, wait, &target, texts, count, args, err);
    if (code == ERR_OK)
        code = schema_source_database(context, wait, target.conninfo, target.conninfo_count,
                                      target.database, args, ret_model, err);
    return code;
}

ErrCode schema_source_text(CommandContext *context, Wait *wait, const char *name, char *text,
                           const SchemaReadArgs *args, Scratch **scratch, SchemaModel *ret_model,
                           Error *err)
{
    const SqlText sql = {.name = name, .text = text};
    return read_texts(context, wait, &sql, 1, args, scratch, ret_model, err);
}

/* --- sources in words ------------------------------------------------------------------------- */

static bool is_url(const char *source)
{
    return str_starts_with(source, "postgresql://") || str_starts_with(source, "postgres://") ||
           (strchr(source, '=') != NULL && !file_exists(source));
}

static ErrCode read_dump(CommandContext *context, const char *source, const char *text,
                         size_t length, const SchemaReadArgs *args, SchemaModel *ret_model,
                         Error *err)
{
    SchemaModel model;
    ErrCode code = schema_json_read(context->arena, text, length, &model, err);
    if (code != ERR_OK) {
        err_at(err, source, 0);
        return code;
    }
    bool whole = args->schema == NULL;
    if (whole != (*model.schema == '\0') || model.owners != args->owners) {
        err_set(err, ERR_USAGE, "the dump %.150s was made with other options", source);
        err_hint(err, "Say --schema and --owners here as they were said to `pgtide schema dump`.");
        return ERR_USAGE;
    }
    *ret_model = model;
    return ERR_OK;
}

static ErrCode read_url(CommandContext *context, Wait *wait, const char *url,
                        const SchemaReadArgs *args, SchemaModel *ret_model, Error *err)
{
    const PgKeyword *conninfo;
    size_t count;
    ErrCode code = pg_parse_conninfo(context->arena, url, &conninfo, &count, err);
    return code == ERR_OK
               ? schema_source_database(context, wait, conninfo, count, NULL, args, ret_model, err)
               : code;
}

ErrCode schema_source_read(CommandContext *context, Wait *wait, const char *source,
                           const SchemaReadArgs *args, Scratch **scratch, SchemaModel *ret_model,
                           Error *err)
{
    StrList files = {0};
    ErrCode code = ERR_OK;
    if (is_url(source))
        return read_url(context, wait, source, args, ret_model, err);
    if (dir_exists(source)) {
        code = list_folder(context, source, &files, err);
    } else {
        char *text;
        size_t length;
        code = file_read_text(context->arena, source, LIMIT_SCHEMA_FILE_BYTES, &text, &length, err);
        if (code == ERR_OK && text[strspn(text, " \t\r\n")] == '{')
            return read_dump(context, source, text, length, args, ret_model, err);
        strlist_add(context->arena, &files, source);
    }
    SqlText *texts = ARENA_ARRAY(context->arena, SqlText, files.count + 1);
    for (size_t i = 0; i < files.count; i++)
        texts[i].name = files.items[i];
    return code == ERR_OK
               ? read_texts(context, wait, texts, files.count, args, scratch, ret_model, err)
               : code;
}
