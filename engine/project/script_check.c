#include "script_reader.h"

#include "batch.h"
#include "file.h"
#include "named_limits.h"

#include <string.h>

/* --- names ------------------------------------------------------------------------------------ */

/* The beginning of the file's name, by what the file is. */
static const char *file_prefix(ScriptKind kind)
{
    static const char *const prefixes[] = {
        [SCRIPT_REVISION] = "",
        [SCRIPT_REPEATABLE] = "R_",
        [SCRIPT_BASELINE] = "baseline_",
    };
    return prefixes[kind];
}

static ErrCode file_name_check(const Reader *reader, Error *err)
{
    const Script *script = reader->script;
    const char *base = path_basename(reader->file);
    const char *prefix = file_prefix(script->kind);
    const char *rest = base + strlen(prefix) + strlen(script->id);
    bool named = str_starts_with(base, prefix) &&
                 str_starts_with(base + strlen(prefix), script->id) && str_ends_with(base, ".sql");
    if (named && (strcmp(rest, ".sql") == 0 || (script->kind == SCRIPT_REVISION && *rest == '_')))
        return ERR_OK;
    if (script->kind == SCRIPT_REVISION)
        err_set(err, ERR_SCRIPT,
                "the file of revision '%.80s' must be named %.80s.sql or %.80s_SLUG.sql",
                script->id, script->id, script->id);
    else
        err_set(err, ERR_SCRIPT, "the file of this %s must be named %s%.120s.sql",
                script->kind == SCRIPT_BASELINE ? "baseline" : "repeatable", prefix, script->id);
    return reader_fail(reader, reader->headers[HEADER_REVISION + (int)script->kind], err);
}

static ErrCode name_check(Reader *reader, Error *err)
{
    Script *script = reader->script;
    const char *place = reader->headers[HEADER_REVISION + (int)script->kind];
    size_t prefix = script->kind == SCRIPT_REPEATABLE ? strlen("R:") : 0;
    if (script->id[0] == '\0') {
        err_set(err, ERR_SCRIPT, "no `-- revision: ID` line");
        err_hint(err, "A file is a revision, or a `-- repeatable: NAME`, or a `-- baseline: ID`.");
        return reader_fail(reader, place == NULL ? reader->text : place, err);
    }
    if (!revision_id_is_valid(script->id) ||
        strlen(script->id) + prefix > LIMIT_REVISION_ID_BYTES) {
        err_set(err, ERR_SCRIPT, "'%.80s' can't be a revision id", script->id);
        err_hint(err, "Ids have letters, digits, '_' and '.', at most %d.",
                 LIMIT_REVISION_ID_BYTES - (int)prefix);
        return reader_fail(reader, place, err);
    }
    ErrCode code = file_name_check(reader, err);
    if (prefix > 0)
        script->id = arena_printf(reader->arena, "R:%s", script->id);
    return code;
}

/* What is not part of the graph, and is never taken back, says nothing about either. */
static ErrCode kind_check(const Reader *reader, Error *err)
{
    static const Header never[] = {HEADER_REVISES, HEADER_DEPENDS_ON, HEADER_LABELS,
                                   HEADER_IRREVERSIBLE, HEADER_PHASE};
    const Script *script = reader->script;
    if (script->kind == SCRIPT_REVISION)
        return ERR_OK;
    const char *what = script->kind == SCRIPT_BASELINE ? "a baseline" : "a repeatable revision";
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++) {
        if (reader->headers[never[i]] != NULL) {
            err_set(err, ERR_SCRIPT, "%s has no '%s:'", what, script_header_name(never[i]));
            return reader_fail(reader, reader->headers[never[i]], err);
        }
    }
    if (script->downgrade.present) {
        err_set(err, ERR_SCRIPT, "%s has no `-- +downgrade` section", what);
        err_at(err, reader->file, script->downgrade.first_line - 1);
        return ERR_SCRIPT;
    }
    return ERR_OK;
}

/* --- annotations ------------------------------------------------------------------------------ */

static ErrCode probe_check(const Reader *reader, const Annotation *annotation, const char **ret_sql,
                           Error *err)
{
    StatementList list = {0};
    const char *sql = annotation->text;
    ErrCode code =
        sql_split(reader->arena, reader->file, sql, strlen(sql), annotation->line, &list, err);
    if (code == ERR_OK && (list.count != 1 || list.items[0].copy_data != NULL ||
                           strcmp(list.items[0].first_keyword, "SELECT") != 0)) {
        code = err_set(err, ERR_SCRIPT, "'-- +probe' must be one SELECT");
        err_hint(err, "It is asked whether the statement's effect is there: true or false.");
    }
    if (code != ERR_OK)
        return reader_fail(reader, annotation->place, err);
    *ret_sql = list.items[0].text;
    return ERR_OK;
}

static ErrCode batch_check(const Reader *reader, const Annotation *annotation, Statement *statement,
                           Error *err)
{
    const Batch *ignored;
    if (batch_options_parse(reader->arena, annotation->text, &statement->batch, err) != ERR_OK)
        return reader_fail(reader, annotation->place, err);
    /* What it says of the statement can be checked when that is complete. */
    return reader->script->placeholder_count > 0
               ? ERR_OK
               : batch_make(reader->arena, reader->file, statement, &ignored, err);
}

static bool is_annotated(const Statement *statement, AnnotationKind kind)
{
    return kind == ANNOTATION_PROBE   ? statement->probe != NULL
           : kind == ANNOTATION_BATCH ? statement->batch != NULL
                                      : kind == ANNOTATION_RERUNNABLE && statement->rerunnable;
}

static ErrCode annotation_apply(const Reader *reader, const Annotation *annotation,
                                Statement *statement, Error *err)
{
    const char *name = annotation_word(annotation->kind);
    if (statement == NULL) {
        err_set(err, ERR_SCRIPT, "no statement follows '-- +%s'", name);
        return reader_fail(reader, annotation->place, err);
    }
    if (is_annotated(statement, annotation->kind)) {
        err_set(err, ERR_SCRIPT, "'-- +%s' stands twice before one statement", name);
        return reader_fail(reader, annotation->place, err);
    }
    if (annotation->kind == ANNOTATION_PROBE)
        return probe_check(reader, annotation, &statement->probe, err);
    if (annotation->kind == ANNOTATION_BATCH)
        return batch_check(reader, annotation, statement, err);
    statement->rerunnable = true;
    return ERR_OK;
}

/* Annotations and statements are both in the file's order, and no annotation stands inside of a
 * statement. */
static ErrCode annotations_apply(const Reader *reader, Place place, Error *err)
{
    const StatementList *statements = &reader_section(reader->script, place)->statements;
    size_t next = 0;
    for (size_t i = 0; i < reader->annotation_count; i++) {
        const Annotation *annotation = &reader->annotations[i];
        if (annotation->section != place || annotation->kind == ANNOTATION_IGNORE)
            continue;
        if (reader->script->transactional) {
            err_set(err, ERR_SCRIPT, "'-- +%s' counts only with `-- transaction: none`",
                    annotation_word(annotation->kind));
            err_hint(err, "A revision that is one transaction happens as a whole or not at all.");
            return reader_fail(reader, annotation->place, err);
        }
        while (next < statements->count && statements->items[next].line < annotation->line)
            next++;
        ErrCode code = annotation_apply(
            reader, annotation, next < statements->count ? &statements->items[next] : NULL, err);
        if (code != ERR_OK)
            return code;
    }
    return ERR_OK;
}

/* `RULE: reason`. */
static ErrCode ignore_read(const Reader *reader, const Annotation *annotation, ScriptIgnore *ignore,
                           Error *err)
{
    const char *text = reader_trimmed(reader->arena, annotation->text, strlen(annotation->text));
    size_t length = strcspn(text, ": \t");
    const char *reason = text + length + (text[length] == ':');
    ignore->rule = arena_strndup(reader->arena, text, length);
    ignore->reason = reader_trimmed(reader->arena, reason, strlen(reason));
    ignore->line = annotation->line;
    if (length > 0 && text[length] == ':' && ignore->reason[0] != '\0')
        return ERR_OK;
    err_set(err, ERR_SCRIPT, "'-- +ignore' must be a rule and a reason");
    err_hint(err, "Write `-- +ignore RULE: why it is harmless here`.");
    return reader_fail(reader, annotation->place, err);
}

static ErrCode ignores_apply(const Reader *reader, Error *err)
{
    Script *script = reader->script;
    ScriptIgnore *ignores = ARENA_ARRAY(reader->arena, ScriptIgnore, reader->annotation_count);
    for (size_t i = 0; i < reader->annotation_count; i++) {
        const Annotation *annotation = &reader->annotations[i];
        ScriptIgnore *ignore = &ignores[script->ignore_count];
        if (annotation->kind != ANNOTATION_IGNORE)
            continue;
        ErrCode code = ignore_read(reader, annotation, ignore, err);
        if (code != ERR_OK)
            return code;
        script->ignore_count++;
        if (annotation->section == PLACE_HEADER)
            continue;
        const StatementList *list = &reader_section(script, annotation->section)->statements;
        size_t next = 0;
        while (next < list->count && list->items[next].line < annotation->line)
            next++;
        if (next == list->count)
            return annotation_apply(reader, annotation, NULL, err);
        ignore->statement_line = list->items[next].line;
        ignore->statement_column = list->items[next].column;
    }
    script->ignores = ignores;
    return ERR_OK;
}

/* --- statements ------------------------------------------------------------------------------- */

static ErrCode refuse(const char *file, const Statement *statement, Error *err)
{
    statement_place_error(err, file, statement, 0);
    return ERR_SCRIPT;
}

static ErrCode control_refuse(const char *file, const Statement *statement, Error *err)
{
    err_set(err, ERR_SCRIPT,
            "%s can't be used in a revision: pgtide opens and ends the transaction",
            statement->first_keyword);
    err_hint(err, "Take it out; a revision runs in one transaction.");
    return refuse(file, statement, err);
}

static ErrCode outside_refuse(const char *file, const Statement *statement, const char *hint,
                              Error *err)
{
    err_set(err, ERR_SCRIPT, "this %s statement can't run inside a transaction",
            statement->first_keyword);
    err_hint(err, "%s", hint);
    return refuse(file, statement, err);
}

/* A section that runs in one transaction. */
static ErrCode transaction_check(const char *file, const StatementList *statements, Error *err)
{
    for (size_t i = 0; i < statements->count; i++) {
        const Statement *statement = &statements->items[i];
        if (statement_is_transaction_control(statement))
            return control_refuse(file, statement, err);
        if (statement_needs_no_transaction(statement))
            return outside_refuse(
                file, statement,
                "Give it a revision of its own with the header `-- transaction: none`.", err);
    }
    return ERR_OK;
}

static ErrCode block_control_check(const char *file, const Statement *statement,
                                   const Statement **open, Error *err)
{
    if (statement_begins_block(statement) && *open == NULL) {
        *open = statement;
        return ERR_OK;
    }
    if (statement_ends_block(statement) && *open != NULL) {
        *open = NULL;
        return ERR_OK;
    }
    if (statement_begins_block(statement))
        err_set(err, ERR_SCRIPT, "%s inside of the block that begins in line %d",
                statement->first_keyword, (*open)->line);
    else if (statement_ends_block(statement))
        err_set(err, ERR_SCRIPT, "%s without a BEGIN before it", statement->first_keyword);
    else
        err_set(err, ERR_SCRIPT, "this %s can't be used in a revision", statement->first_keyword);
    err_hint(err,
             "A block is BEGIN; ... COMMIT; without modes, savepoints or another block in it.");
    return refuse(file, statement, err);
}

/* The one it has, or the first of several; ANNOTATION_KIND_COUNT = none. */
static AnnotationKind annotation_of(const Statement *statement)
{
    AnnotationKind kind = ANNOTATION_RERUNNABLE;
    while (kind < ANNOTATION_KIND_COUNT && !is_annotated(statement, kind))
        kind++;
    return kind;
}

/* `transaction: none`: lone statements, and BEGIN ... COMMIT around what belongs together. */
static ErrCode blocks_check(const char *file, const StatementList *statements, Error *err)
{
    const Statement *open = NULL; /* the BEGIN of the block we are in */
    for (size_t i = 0; i < statements->count; i++) {
        const Statement *statement = &statements->items[i];
        AnnotationKind annotation = annotation_of(statement);
        if (open != NULL && annotation != ANNOTATION_KIND_COUNT) {
            err_set(err, ERR_SCRIPT, "'-- +%s' before a statement of a block",
                    annotation_word(annotation));
            err_hint(err, "A block happens as a whole or not at all: it takes no annotations.");
            return refuse(file, statement, err);
        }
        ErrCode code = ERR_OK;
        if (statement_is_transaction_control(statement))
            code = block_control_check(file, statement, &open, err);
        else if (open != NULL && statement_needs_no_transaction(statement))
            code = outside_refuse(file, statement,
                                  "Put it before the block's BEGIN or behind its COMMIT.", err);
        if (code != ERR_OK)
            return code;
    }
    if (open == NULL)
        return ERR_OK;
    err_set(err, ERR_SCRIPT, "the block that begins here has no COMMIT");
    return refuse(file, open, err);
}

ErrCode script_statements_check(const Script *script, const StatementList *statements, bool verify,
                                Error *err)
{
    return script->transactional || verify ? transaction_check(script->file, statements, err)
                                           : blocks_check(script->file, statements, err);
}

/* --- the whole -------------------------------------------------------------------------------- */

static ErrCode downgrade_check(const Reader *reader, Error *err)
{
    const Script *script = reader->script;
    if (script->kind != SCRIPT_REVISION)
        return ERR_OK;
    if (!script->downgrade.present && script->irreversible == NULL) {
        err_set(err, ERR_SCRIPT, "no `-- +downgrade` section");
        err_hint(err, "Write one, or say `-- irreversible: REASON` in the header.");
        return reader_fail(reader, reader->line_begin, err);
    }
    if (script->downgrade.present && script->irreversible != NULL) {
        err_set(err, ERR_SCRIPT, "both `irreversible:` and a `-- +downgrade` section");
        err_at(err, reader->file, script->downgrade.first_line - 1);
        return ERR_SCRIPT;
    }
    return ERR_OK;
}

static ErrCode section_finish(Reader *reader, Place place, Error *err)
{
    Script *script = reader->script;
    ScriptSection *section = reader_section(script, place);
    if (!section->present)
        section->sql = "";
    ErrCode code = script_aside_check(reader, section, err);
    if (code != ERR_OK)
        return code;
    section->sql = arena_strndup(reader->arena, section->sql, section->length);
    code = sql_split(reader->arena, reader->file, section->sql, section->length,
                     section->first_line, &section->statements, err);
    if (code == ERR_OK)
        code = annotations_apply(reader, place, err);
    return code == ERR_OK
               ? script_statements_check(script, &section->statements, place == PLACE_VERIFY, err)
               : code;
}

/* A revision that may not have run has nothing to take back, and it is looked at once, before it.
 */
static ErrCode condition_check(const Reader *reader, Error *err)
{
    const Script *script = reader->script;
    if (script->when_fingerprint == NULL)
        return ERR_OK;
    if (script->kind != SCRIPT_REVISION)
        err_set(err, ERR_SCRIPT, "'when-fingerprint:' counts only in a revision");
    else if (!script->transactional)
        err_set(err, ERR_SCRIPT, "'when-fingerprint:' can't stand beside 'transaction: none'");
    else if (script->downgrade.statements.count > 0)
        err_set(err, ERR_SCRIPT, "'when-fingerprint:' and statements behind `-- +downgrade`");
    else
        return ERR_OK;
    err_hint(err, "It is for one transaction that only some shards need: leave `-- +downgrade` "
                  "without statements.");
    return reader_fail(reader, reader->headers[HEADER_WHEN_FINGERPRINT], err);
}

ErrCode script_finish(Reader *reader, Error *err)
{
    Script *script = reader->script;
    ErrCode code = name_check(reader, err);
    if (code == ERR_OK)
        code = kind_check(reader, err);
    if (code == ERR_OK && !script->upgrade.present) {
        err_set(err, ERR_SCRIPT, "no `-- +upgrade` section");
        code = reader_fail(reader, reader->line_begin, err);
    }
    for (int place = PLACE_UPGRADE; place < PLACE_COUNT && code == ERR_OK; place++)
        code = section_finish(reader, (Place)place, err);
    if (code == ERR_OK)
        code = ignores_apply(reader, err);
    if (code == ERR_OK)
        code = condition_check(reader, err);
    if (code != ERR_OK)
        return code;
    const TokenSection sections[] = {
        {script->upgrade.sql, &script->upgrade.statements},
        {script->downgrade.sql, &script->downgrade.statements},
        {script->verify.sql, &script->verify.statements},
    };
    token_digest(sections, 3, script->token_digest);
    return downgrade_check(reader, err);
}
