#include "shard_script.h"

#include "units.h"

#include <string.h>

static ErrCode check_copy(const char *file, const Statement *statement, Error *err)
{
    bool to_client = strcmp(statement->first_keyword, "COPY") == 0 &&
                     statement->copy_data == NULL && strcasestr(statement->text, "stdout") != NULL;
    if (!to_client)
        return ERR_OK;
    err_set(err, ERR_SCRIPT, "COPY to the client is not supported");
    statement_place_error(err, file, statement, 0);
    return ERR_SCRIPT;
}

static ErrCode check_statement(const char *file, const Statement *statement, Error *err)
{
    const char *second = statement->second_keyword;
    ErrCode code = ERR_OK;
    if (statement_is_transaction_control(statement)) {
        code = err_set(err, ERR_SCRIPT, "%s: transaction control is pgtide's business",
                       statement->first_keyword);
        err_hint(err, "Remove the statement: a revision runs in one transaction.");
    } else if (statement_needs_no_transaction(statement)) {
        code = err_set(err, ERR_SCRIPT, "%s %s can't run inside a transaction",
                       statement->first_keyword, second);
        err_hint(err, "Say `transaction: none` in the revision's header.");
    } else {
        return check_copy(file, statement, err);
    }
    statement_place_error(err, file, statement, 0);
    return code;
}

ErrCode shard_statements_check(const char *file, const StatementList *statements, Error *err)
{
    for (size_t i = 0; i < statements->count; i++) {
        ErrCode code = check_statement(file, &statements->items[i], err);
        if (code != ERR_OK)
            return code;
    }
    return ERR_OK;
}

static ErrCode check_units(const char *file, const StatementList *statements, Error *err)
{
    AUTO_ARENA Arena *scratch = arena_new();
    UnitList ignored;
    ErrCode code = units_make(scratch, file, statements, &ignored, err);
    for (size_t i = 0; i < statements->count && code == ERR_OK; i++)
        code = check_copy(file, &statements->items[i], err);
    return code;
}

ErrCode shard_script_choose(const Script *script, Direction direction, bool run_verify,
                            StepScript *ret, Error *err)
{
    bool up = direction == DIRECTION_UPGRADE;
    const ScriptSection *section = up ? &script->upgrade : &script->downgrade;
    if (!up && script->irreversible != NULL) {
        err_set(err, ERR_SCRIPT, "revision %s is irreversible: %s", script->id,
                script->irreversible);
        err_at(err, script->file, 0);
        return ERR_SCRIPT;
    }
    StepScript chosen = {.script = script, .author = &section->statements};
    if (up && run_verify && script->verify.present && script->verify.statements.count > 0)
        chosen.verify = &script->verify.statements;
    ErrCode code = script->transactional ? shard_statements_check(script->file, chosen.author, err)
                                         : check_units(script->file, chosen.author, err);
    if (code == ERR_OK && chosen.verify != NULL)
        code = shard_statements_check(script->file, chosen.verify, err);
    if (code != ERR_OK)
        return code;
    *ret = chosen;
    return ERR_OK;
}

ErrCode shard_step_check(const Script *script, Direction direction, bool run_verify, Error *err)
{
    StepScript ignored;
    return shard_script_choose(script, direction, run_verify, &ignored, err);
}

static bool mentions(const StatementList *statements, const char *word)
{
    for (size_t i = 0; statements != NULL && i < statements->count; i++) {
        if (strcasestr(statements->items[i].text, word) != NULL)
            return true;
    }
    return false;
}

bool shard_script_deallocates(const StepScript *script)
{
    return mentions(script->author, "deallocate") || mentions(script->author, "discard") ||
           mentions(script->verify, "deallocate") || mentions(script->verify, "discard");
}

bool shard_script_prepares(const StepScript *script)
{
    return mentions(script->author, "prepare") || mentions(script->verify, "prepare");
}

void shard_statement_add(PgBatch *batch, const Statement *statement)
{
    if (statement->copy_data == NULL)
        pg_batch_add_foreign(batch, statement->text);
    else
        pg_batch_add_copy(batch, statement->text, statement->copy_data, statement->copy_length);
}

void shard_statement_place(Error *err, const char *file, const Statement *statement,
                           const PgReply *reply)
{
    if (statement->copy_data != NULL && reply->copy_line > 0)
        statement_place_row(err, file, statement, reply->copy_line);
    else
        statement_place_error(err, file, statement, reply->position);
}

static void add_identifier(Str *path, const PgConn *conn, Arena *arena, const char *name)
{
    const char *quoted = pg_identifier(conn, arena, name);
    if (quoted != NULL)
        str_printf(path, "%s, ", quoted);
}

const char *shard_script_path(Arena *arena, const PgConn *conn, const ShardTarget *target,
                              const char *session_path)
{
    AUTO_STR Str path = {0};
    if (target->schema[0] != '\0') {
        add_identifier(&path, conn, arena, target->schema);
        for (size_t i = 0; i < target->shared_schemas.count; i++)
            add_identifier(&path, conn, arena, target->shared_schemas.items[i]);
    } else if (strstr(session_path, "pg_temp") != NULL) {
        return session_path;
    } else if (session_path[strspn(session_path, " ")] != '\0') {
        str_printf(&path, "%s, ", session_path);
    }
    str_append(&path, "pg_temp");
    return arena_strdup(arena, str_text(&path));
}
