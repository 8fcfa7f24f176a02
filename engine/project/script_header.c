#include "script_reader.h"

#include "clock.h"
#include "lock_budget.h"
#include "named_limits.h"

#include <ctype.h>
#include <string.h>

static const char *const header_words[HEADER_COUNT] = {
    [HEADER_REVISION] = "revision",
    [HEADER_REPEATABLE] = "repeatable",
    [HEADER_BASELINE] = "baseline",
    [HEADER_REVISES] = "revises",
    [HEADER_CREATED] = "created",
    [HEADER_MESSAGE] = "message",
    [HEADER_LABELS] = "labels",
    [HEADER_DEPENDS_ON] = "depends-on",
    [HEADER_TRANSACTION] = "transaction",
    [HEADER_IRREVERSIBLE] = "irreversible",
    [HEADER_LOCK_TIMEOUT] = "lock-timeout",
    [HEADER_STATEMENT_TIMEOUT] = "statement-timeout",
    [HEADER_LOCK_BUDGET] = "lock-budget",
    [HEADER_ORIGIN] = "origin",
    [HEADER_PLACEHOLDERS] = "placeholders",
    [HEADER_PHASE] = "phase",
    [HEADER_WHEN_FINGERPRINT] = "when-fingerprint",
};

/* A header's value and where in the file it begins. */
typedef struct Value {
    const char *key;
    const char *text;
    const char *place;
} Value;

const char *script_phase_name(ScriptPhase phase)
{
    static const char *const names[SCRIPT_PHASE_COUNT] = {"", "expand", "contract"};
    return names[phase];
}

const char *script_header_name(Header header)
{
    return header_words[header];
}

static ErrCode list_read(Reader *reader, const Value *value, bool ids, StrList *out, Error *err)
{
    char *rest = arena_strdup(reader->arena, value->text);
    const char *begin = rest;
    char *item;
    while ((item = strsep(&rest, ",")) != NULL) {
        const char *name = reader_trimmed(reader->arena, item, strlen(item));
        const char *place = value->place + (item - begin) + strspn(item, " \t");
        if (name[0] == '\0')
            continue;
        if (ids && !revision_id_is_valid(name)) {
            err_set(err, ERR_SCRIPT, "'%.80s' in '%s:' can't be a revision id", name, value->key);
            err_hint(err,
                     "Ids have letters, digits, '_' and '.'; several are separated by commas.");
            return reader_fail(reader, place, err);
        }
        if (strlist_has(out, name)) {
            err_set(err, ERR_SCRIPT, "'%.80s' stands twice in '%s:'", name, value->key);
            return reader_fail(reader, place, err);
        }
        if (out->count == LIMIT_REVISION_PARENTS) {
            err_set(err, ERR_LIMIT, "more than %d names in '%s:'", LIMIT_REVISION_PARENTS,
                    value->key);
            return reader_fail(reader, place, err);
        }
        strlist_add(reader->arena, out, name);
    }
    return ERR_OK;
}

static ErrCode timeout_read(Reader *reader, const Value *value, int64_t *out, Error *err)
{
    uint64_t ms;
    if (!duration_parse(value->text, &ms)) {
        err_set(err, ERR_SCRIPT, "'%s:' must be a duration, not '%.80s'", value->key, value->text);
        err_hint(err, "Durations are written 500ms, 30s, 5m, 2h or 7d.");
        return reader_fail(reader, value->place, err);
    }
    *out = (int64_t)ms;
    return ERR_OK;
}

static ErrCode budget_read(Reader *reader, const Value *value, Error *err)
{
    if (lock_budget_parse(value->text, &reader->script->lock_budget_ms))
        return ERR_OK;
    err_set(err, ERR_SCRIPT, "'lock-budget:' must be a duration or 'none', not '%.80s'",
            value->text);
    err_hint(err, "From 100ms to 10m: how long others may wait behind this revision.");
    return reader_fail(reader, value->place, err);
}

static ErrCode transaction_read(Reader *reader, const Value *value, Error *err)
{
    if (strcmp(value->text, "revision") != 0 && strcmp(value->text, "none") != 0) {
        err_set(err, ERR_SCRIPT, "'transaction:' must be 'revision' or 'none', not '%.80s'",
                value->text);
        return reader_fail(reader, value->place, err);
    }
    reader->script->transactional = strcmp(value->text, "revision") == 0;
    return ERR_OK;
}

static ErrCode phase_read(Reader *reader, const Value *value, Error *err)
{
    for (ScriptPhase phase = SCRIPT_PHASE_EXPAND; phase < SCRIPT_PHASE_COUNT; phase++) {
        if (strcmp(value->text, script_phase_name(phase)) == 0) {
            reader->script->phase = phase;
            return ERR_OK;
        }
    }
    err_set(err, ERR_SCRIPT, "'phase:' must be 'expand' or 'contract', not '%.80s'", value->text);
    return reader_fail(reader, value->place, err);
}

static ErrCode fingerprint_read(Reader *reader, const Value *value, Error *err)
{
    Digest fingerprint;
    if (fingerprint_parse(value->text, &fingerprint)) {
        reader->script->when_fingerprint = value->text;
        return ERR_OK;
    }
    err_set(err, ERR_SCRIPT, "'when-fingerprint:' must be a fingerprint, not '%.80s'", value->text);
    err_hint(err,
             "f1: and 64 hexadecimal digits, as `pgtide schema dump --fingerprint` prints it.");
    return reader_fail(reader, value->place, err);
}

static ErrCode origin_read(Reader *reader, const Value *value, Error *err)
{
    const char *key = value->text + strcspn(value->text, " \t");
    if (key[strspn(key, " \t")] == '\0') {
        err_set(err, ERR_SCRIPT, "'origin:' must be a tool and the tool's key, not '%.80s'",
                value->text);
        err_hint(err, "Write, for example, `-- origin: goose 20200101120000`.");
        return reader_fail(reader, value->place, err);
    }
    reader->script->origin = value->text;
    return ERR_OK;
}

/* --- placeholders ----------------------------------------------------------------------------- */

static bool placeholder_name_is_valid(const char *name)
{
    if (name[0] == '\0' || strlen(name) > LIMIT_NAME_BYTES || isdigit((unsigned char)name[0]))
        return false;
    for (const char *at = name; *at != '\0'; at++) {
        unsigned char c = (unsigned char)*at;
        if (c >= 0x80 || (!isalnum(c) && c != '_'))
            return false;
    }
    return true;
}

static ErrCode placeholder_check(const Reader *reader, const Placeholder *new, const char *place,
                                 Error *err)
{
    const Script *script = reader->script;
    if (!placeholder_name_is_valid(new->name)) {
        err_set(err, ERR_SCRIPT, "'%.80s' can't be the name of a placeholder", new->name);
        err_hint(err, "Names have letters, digits and '_', at most %d; the first is no digit.",
                 LIMIT_NAME_BYTES);
        return reader_fail(reader, place, err);
    }
    for (size_t i = 0; i < script->placeholder_count; i++) {
        if (strcmp(script->placeholders[i].name, new->name) == 0) {
            err_set(err, ERR_SCRIPT, "'%.80s' stands twice in 'placeholders:'", new->name);
            return reader_fail(reader, place, err);
        }
    }
    if (script->placeholder_count == LIMIT_PLACEHOLDERS) {
        err_set(err, ERR_LIMIT, "more than %d placeholders", LIMIT_PLACEHOLDERS);
        return reader_fail(reader, place, err);
    }
    if (new->fallback != NULL && strlen(new->fallback) > LIMIT_PLACEHOLDER_VALUE_BYTES) {
        err_set(err, ERR_LIMIT, "the default of '%s' has more than %d bytes", new->name,
                LIMIT_PLACEHOLDER_VALUE_BYTES);
        return reader_fail(reader, place, err);
    }
    return ERR_OK;
}

/* `a, b=default`; a default ends at the next comma. */
static ErrCode placeholders_read(Reader *reader, const Value *value, Error *err)
{
    Placeholder *list = ARENA_ARRAY(reader->arena, Placeholder, LIMIT_PLACEHOLDERS);
    char *rest = arena_strdup(reader->arena, value->text);
    const char *begin = rest;
    char *item;
    reader->script->placeholders = list;
    while ((item = strsep(&rest, ",")) != NULL) {
        const char *place = value->place + (item - begin) + strspn(item, " \t");
        const char *sign = strchr(item, '=');
        size_t name_length = sign == NULL ? strlen(item) : (size_t)(sign - item);
        Placeholder new = {
            .name = reader_trimmed(reader->arena, item, name_length),
            .line = reader->line,
        };
        if (sign != NULL)
            new.fallback = reader_trimmed(reader->arena, sign + 1, strlen(sign + 1));
        else if (new.name[0] == '\0')
            continue;
        ErrCode code = placeholder_check(reader, &new, place, err);
        if (code != ERR_OK)
            return code;
        list[reader->script->placeholder_count++] = new;
    }
    return ERR_OK;
}

/* --- lines ------------------------------------------------------------------------------------ */

static void name_read(Script *script, ScriptKind kind, const char *id)
{
    script->kind = kind;
    script->id = id;
}

static ErrCode value_read(Reader *reader, Header header, const Value *value, Error *err)
{
    Script *script = reader->script;
    switch (header) {
    case HEADER_REVISION:
        name_read(script, SCRIPT_REVISION, value->text);
        break;
    case HEADER_REPEATABLE:
        name_read(script, SCRIPT_REPEATABLE, value->text);
        break;
    case HEADER_BASELINE:
        name_read(script, SCRIPT_BASELINE, value->text);
        break;
    case HEADER_REVISES:
        return list_read(reader, value, true, &script->parents, err);
    case HEADER_CREATED:
        script->created = value->text;
        break;
    case HEADER_MESSAGE:
        script->message = value->text;
        break;
    case HEADER_LABELS:
        return list_read(reader, value, true, &script->labels, err);
    case HEADER_DEPENDS_ON:
        return list_read(reader, value, false, &script->depends_on, err);
    case HEADER_TRANSACTION:
        return transaction_read(reader, value, err);
    case HEADER_IRREVERSIBLE:
        if (value->text[0] == '\0') {
            err_set(err, ERR_SCRIPT, "'irreversible:' needs its reason");
            return reader_fail(reader, value->place, err);
        }
        script->irreversible = value->text;
        break;
    case HEADER_LOCK_TIMEOUT:
        return timeout_read(reader, value, &script->lock_timeout_ms, err);
    case HEADER_STATEMENT_TIMEOUT:
        return timeout_read(reader, value, &script->statement_timeout_ms, err);
    case HEADER_LOCK_BUDGET:
        return budget_read(reader, value, err);
    case HEADER_ORIGIN:
        return origin_read(reader, value, err);
    case HEADER_PLACEHOLDERS:
        return placeholders_read(reader, value, err);
    case HEADER_PHASE:
        return phase_read(reader, value, err);
    case HEADER_WHEN_FINGERPRINT:
        return fingerprint_read(reader, value, err);
    case HEADER_COUNT:
        break;
    }
    return ERR_OK;
}

static ErrCode header_unknown(const Reader *reader, const char *key, const char *place, Error *err)
{
    const char *nearest = str_nearest(key, header_words, HEADER_COUNT);
    err_set(err, ERR_SCRIPT, "unknown header '%.80s:'", key);
    if (nearest != NULL)
        err_hint(err, "Did you mean '%s:'?", nearest);
    else
        err_hint(err, "Put remarks without a colon, or behind the first marker.");
    return reader_fail(reader, place, err);
}

/* What a file is, is said once. */
static ErrCode kind_check(const Reader *reader, Header header, const char *place, Error *err)
{
    for (int i = HEADER_REVISION; i <= HEADER_BASELINE && (int)header <= HEADER_BASELINE; i++) {
        if (reader->headers[i] != NULL && i != (int)header) {
            err_set(err, ERR_SCRIPT, "both '%s:' and '%s:' in one file", header_words[i],
                    header_words[header]);
            return reader_fail(reader, place, err);
        }
    }
    return ERR_OK;
}

static ErrCode header_known(Reader *reader, Header header, const Value *value, const char *place,
                            Error *err)
{
    if (reader->headers[header] != NULL) {
        err_set(err, ERR_SCRIPT, "'%s:' stands twice", value->key);
        return reader_fail(reader, place, err);
    }
    ErrCode code = kind_check(reader, header, place, err);
    if (code != ERR_OK)
        return code;
    reader->headers[header] = place;
    return value_read(reader, header, value, err);
}

/* `-- key: value`. A comment without a known form of key is a remark, but a key with a typo is an
 * error. */
static ErrCode header_read(Reader *reader, const char *line, size_t length, Error *err)
{
    const char *colon = memchr(line, ':', length);
    size_t key_length = colon == NULL ? 0 : (size_t)(colon - line) - 2;
    const char *key = reader_trimmed(reader->arena, line + 2, key_length);
    for (const char *c = key; *c != '\0'; c++) {
        if (!islower((unsigned char)*c) && *c != '-' && *c != '_')
            return ERR_OK;
    }
    if (key[0] == '\0')
        return ERR_OK;
    const char *place = line + 2 + strspn(line + 2, " \t");
    const char *begin = colon + 1;
    const char *end = line + length;
    while (begin < end && isspace((unsigned char)*begin))
        begin++;
    Value value = {
        .key = key,
        .text = reader_trimmed(reader->arena, begin, (size_t)(end - begin)),
        .place = begin,
    };
    for (int i = 0; i < HEADER_COUNT; i++) {
        if (strcmp(key, header_words[i]) == 0)
            return header_known(reader, (Header)i, &value, place, err);
    }
    return header_unknown(reader, key, place, err);
}

ErrCode script_header_line(Reader *reader, const char *line, size_t length, Error *err)
{
    if (length > 0 && line[length - 1] == '\r')
        length--;
    for (size_t i = 0; i < length; i++) {
        if (((unsigned char)line[i] >= 0x20 && line[i] != 0x7f) || line[i] == '\t')
            continue;
        err_set(err, ERR_SCRIPT, "a control character (0x%02x) before the first marker",
                (unsigned)(unsigned char)line[i]);
        return reader_fail(reader, line + i, err);
    }
    if (length >= 2 && line[0] == '-' && line[1] == '-')
        return header_read(reader, line, length, err);
    for (size_t i = 0; i < length; i++) {
        if (!isspace((unsigned char)line[i])) {
            err_set(err, ERR_SCRIPT, "SQL before the first marker");
            err_hint(err, "Put it behind a line `-- +upgrade`.");
            return reader_fail(reader, line + i, err);
        }
    }
    return ERR_OK;
}
