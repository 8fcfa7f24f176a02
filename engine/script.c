#include "script.h"

#include "clock.h"
#include "digest.h"
#include "file.h"
#include "named_limits.h"

#include <ctype.h>
#include <string.h>

/* Which section a line belongs to while the file is read. */
typedef enum Place {
    PLACE_HEADER,
    PLACE_UPGRADE,
    PLACE_DOWNGRADE,
    PLACE_VERIFY,
    PLACE_COUNT
} Place;

static const char *const marker_words[] = {"upgrade", "downgrade", "verify"};
static const char *const annotation_words[] = {"batch", "rerunnable", "probe"};
static const char *const header_words[] = {
    "revision",    "revises",      "created",      "message",           "labels", "depends-on",
    "transaction", "irreversible", "lock-timeout", "statement-timeout", "origin",
};

typedef struct Reader {
    Arena *arena;
    const char *file;
    Script *script;
    const char *text;
    size_t length;
    int line;
    Place place;
    unsigned seen_headers; /* bit per header_words entry */
    bool transaction_seen;
} Reader;

static ErrCode fail(const Reader *reader, int line, Error *err)
{
    err_at(err, reader->file, line);
    return ERR_SCRIPT;
}

static ScriptSection *section_of(Script *script, Place place)
{
    ScriptSection *sections[PLACE_COUNT] = {NULL, &script->upgrade, &script->downgrade,
                                            &script->verify};
    return sections[place];
}

static char *trimmed(Arena *arena, const char *text, size_t length)
{
    while (length > 0 && isspace((unsigned char)text[0])) {
        text++;
        length--;
    }
    while (length > 0 && isspace((unsigned char)text[length - 1]))
        length--;
    return arena_strndup(arena, text, length);
}

static ErrCode list_read(Reader *reader, const char *key, const char *value, bool ids, StrList *out,
                         Error *err)
{
    char *rest = arena_strdup(reader->arena, value);
    char *item;
    while ((item = strsep(&rest, ",")) != NULL) {
        const char *name = trimmed(reader->arena, item, strlen(item));
        if (name[0] == '\0')
            continue;
        if (ids && !revision_id_is_valid(name)) {
            err_set(err, ERR_SCRIPT, "'%.80s' in '%s:' can't be a revision id", name, key);
            err_hint(err,
                     "Ids have letters, digits, '_' and '.'; several are separated by commas.");
            return fail(reader, reader->line, err);
        }
        if (strlist_has(out, name)) {
            err_set(err, ERR_SCRIPT, "'%.80s' stands twice in '%s:'", name, key);
            return fail(reader, reader->line, err);
        }
        if (out->count == LIMIT_REVISION_PARENTS) {
            err_set(err, ERR_LIMIT, "more than %d names in '%s:'", LIMIT_REVISION_PARENTS, key);
            return fail(reader, reader->line, err);
        }
        strlist_add(reader->arena, out, name);
    }
    return ERR_OK;
}

static ErrCode timeout_read(Reader *reader, const char *key, const char *value, int64_t *out,
                            Error *err)
{
    uint64_t ms;
    if (!duration_parse(value, &ms)) {
        err_set(err, ERR_SCRIPT, "'%s:' must be a duration, not '%.80s'", key, value);
        err_hint(err, "Durations are written 500ms, 30s, 5m, 2h or 7d.");
        return fail(reader, reader->line, err);
    }
    *out = (int64_t)ms;
    return ERR_OK;
}

static ErrCode transaction_read(Reader *reader, const char *value, Error *err)
{
    if (strcmp(value, "revision") != 0 && strcmp(value, "none") != 0) {
        err_set(err, ERR_SCRIPT, "'transaction:' must be 'revision' or 'none', not '%.80s'", value);
        return fail(reader, reader->line, err);
    }
    reader->script->transactional = strcmp(value, "revision") == 0;
    return ERR_OK;
}

static ErrCode header_value(Reader *reader, const char *key, const char *value, Error *err)
{
    Script *script = reader->script;
    if (strcmp(key, "revises") == 0)
        return list_read(reader, key, value, true, &script->parents, err);
    if (strcmp(key, "depends-on") == 0)
        return list_read(reader, key, value, false, &script->depends_on, err);
    if (strcmp(key, "labels") == 0)
        return list_read(reader, key, value, true, &script->labels, err);
    if (strcmp(key, "lock-timeout") == 0)
        return timeout_read(reader, key, value, &script->lock_timeout_ms, err);
    if (strcmp(key, "statement-timeout") == 0)
        return timeout_read(reader, key, value, &script->statement_timeout_ms, err);
    if (strcmp(key, "transaction") == 0)
        return transaction_read(reader, value, err);
    if (strcmp(key, "message") == 0)
        script->message = value;
    else if (strcmp(key, "created") == 0)
        script->created = value;
    else if (strcmp(key, "origin") == 0)
        script->origin = value;
    else if (strcmp(key, "irreversible") == 0)
        script->irreversible = value;
    else
        script->id = value;
    if (strcmp(key, "irreversible") == 0 && value[0] == '\0') {
        err_set(err, ERR_SCRIPT, "'irreversible:' needs its reason");
        return fail(reader, reader->line, err);
    }
    return ERR_OK;
}

/* `-- key: value`. A comment without a known form of key is a remark, but a key with a typo is an
 * error. */
static ErrCode header_read(Reader *reader, const char *line, size_t length, Error *err)
{
    const size_t known = sizeof header_words / sizeof header_words[0];
    const char *colon = memchr(line, ':', length);
    size_t key_length = colon == NULL ? 0 : (size_t)(colon - line) - 2;
    const char *key = trimmed(reader->arena, line + 2, key_length);
    for (const char *c = key; *c != '\0'; c++) {
        if (!islower((unsigned char)*c) && *c != '-' && *c != '_')
            return ERR_OK;
    }
    if (key[0] == '\0')
        return ERR_OK;
    for (size_t i = 0; i < known; i++) {
        if (strcmp(key, header_words[i]) != 0)
            continue;
        if (reader->seen_headers & (1u << i)) {
            err_set(err, ERR_SCRIPT, "'%s:' stands twice", key);
            return fail(reader, reader->line, err);
        }
        reader->seen_headers |= 1u << i;
        return header_value(reader, key,
                            trimmed(reader->arena, colon + 1, length - (size_t)(colon + 1 - line)),
                            err);
    }
    const char *nearest = str_nearest(key, header_words, known);
    err_set(err, ERR_SCRIPT, "unknown header '%s:'", key);
    if (nearest != NULL)
        err_hint(err, "Did you mean '%s:'?", nearest);
    else
        err_hint(err, "Put remarks without a colon, or behind the first marker.");
    return fail(reader, reader->line, err);
}

static ErrCode marker_unknown(Reader *reader, const char *word, Error *err)
{
    for (size_t i = 0; i < sizeof annotation_words / sizeof annotation_words[0]; i++) {
        if (strcmp(word, annotation_words[i]) == 0) {
            err_set(err, ERR_SCRIPT, "'-- +%s' is not supported by this version yet", word);
            return fail(reader, reader->line, err);
        }
    }
    const char *nearest = str_nearest(word, marker_words, 3);
    err_set(err, ERR_SCRIPT, "unknown marker '-- +%.40s'", word);
    if (nearest != NULL)
        err_hint(err, "Did you mean '-- +%s'?", nearest);
    else
        err_hint(err, "Markers are -- +upgrade, -- +downgrade and -- +verify.");
    return fail(reader, reader->line, err);
}

/* `-- +word`: the next section begins behind this line. */
static ErrCode marker_read(Reader *reader, const char *line, size_t length, size_t next, Error *err)
{
    const char *plus = memchr(line, '+', length);
    const char *word = trimmed(reader->arena, plus + 1, length - (size_t)(plus + 1 - line));
    for (size_t i = 0; i < 3; i++) {
        if (strcmp(word, marker_words[i]) != 0)
            continue;
        reader->place = (Place)(PLACE_UPGRADE + (int)i);
        ScriptSection *section = section_of(reader->script, reader->place);
        if (section->present) {
            err_set(err, ERR_SCRIPT, "'-- +%s' stands twice (first before line %d)", word,
                    section->first_line);
            return fail(reader, reader->line, err);
        }
        section->present = true;
        section->sql = reader->text + next;
        section->first_line = reader->line + 1;
        return ERR_OK;
    }
    return marker_unknown(reader, word, err);
}

static bool is_marker(const char *line, size_t length)
{
    if (length < 4 || line[0] != '-' || line[1] != '-')
        return false;
    size_t at = 2;
    while (at < length && (line[at] == ' ' || line[at] == '\t'))
        at++;
    return at < length && line[at] == '+' && at + 1 < length &&
           isalpha((unsigned char)line[at + 1]);
}

static ErrCode header_line(Reader *reader, const char *line, size_t length, Error *err)
{
    bool carriage_return = length > 0 && line[length - 1] == '\r';
    for (size_t i = 0; i < length - carriage_return; i++) {
        if ((unsigned char)line[i] >= 0x20 && line[i] != 0x7f)
            continue;
        if (line[i] == '\t')
            continue;
        err_set(err, ERR_SCRIPT, "a control character (0x%02x) before the first marker",
                (unsigned)(unsigned char)line[i]);
        return fail(reader, reader->line, err);
    }
    if (length >= 2 && line[0] == '-' && line[1] == '-')
        return header_read(reader, line, length, err);
    for (size_t i = 0; i < length; i++) {
        if (!isspace((unsigned char)line[i])) {
            err_set(err, ERR_SCRIPT, "SQL before the first marker");
            err_hint(err, "Put it behind a line `-- +upgrade`.");
            return fail(reader, reader->line, err);
        }
    }
    return ERR_OK;
}

/* A line that looks like a marker is one when the text before it, back to the last such line, does
 * not end inside of a quote or comment. */
static bool marker_counts(SqlLines *sql, const char *text, size_t *fed, size_t at)
{
    sql_lines_feed(sql, text + *fed, at - *fed);
    *fed = at;
    return !sql_lines_in_text(sql);
}

static ErrCode lines_read(Reader *reader, Error *err)
{
    SqlLines *sql = sql_lines_new();
    ErrCode code = ERR_OK;
    size_t fed = 0; /* how far into the present section psqlscan has read */
    size_t next;
    for (size_t at = 0; code == ERR_OK && at < reader->length; at = next) {
        const char *line = reader->text + at;
        const char *newline = memchr(line, '\n', reader->length - at);
        size_t length = newline == NULL ? reader->length - at : (size_t)(newline - line);
        ScriptSection *section = section_of(reader->script, reader->place);
        next = newline == NULL ? reader->length : at + length + 1;
        reader->line++;
        if (is_marker(line, length) &&
            (section == NULL || marker_counts(sql, reader->text, &fed, at))) {
            if (section != NULL)
                section->length = (size_t)(line - section->sql);
            sql_lines_reset(sql);
            fed = next;
            code = marker_read(reader, line, length, next, err);
        } else if (section == NULL) {
            code = header_line(reader, line, length, err);
        }
    }
    sql_lines_free(sql);
    ScriptSection *last = section_of(reader->script, reader->place);
    if (code == ERR_OK && last != NULL)
        last->length = (size_t)(reader->text + reader->length - last->sql);
    return code;
}

static ErrCode name_check(const Reader *reader, Error *err)
{
    const char *id = reader->script->id;
    const char *base = path_basename(reader->file);
    size_t length = strlen(id);
    if (id[0] == '\0') {
        err_set(err, ERR_SCRIPT, "no `-- revision: ID` line");
        return fail(reader, 1, err);
    }
    if (!revision_id_is_valid(id)) {
        err_set(err, ERR_SCRIPT, "'%.80s' can't be a revision id", id);
        err_hint(err, "Ids have letters, digits, '_' and '.', at most %d.",
                 LIMIT_REVISION_ID_BYTES);
        return fail(reader, 1, err);
    }
    bool named = strncmp(base, id, length) == 0 &&
                 (base[length] == '_' || strcmp(base + length, ".sql") == 0);
    if (!named || !str_ends_with(base, ".sql")) {
        err_set(err, ERR_SCRIPT,
                "the file of revision '%.80s' must be named %.80s.sql or %.80s_SLUG.sql", id, id,
                id);
        return fail(reader, 1, err);
    }
    return ERR_OK;
}

static ErrCode statements_check(const Reader *reader, const ScriptSection *section, Error *err)
{
    for (size_t i = 0; i < section->statements.count; i++) {
        const Statement *statement = &section->statements.items[i];
        if (statement_is_transaction_control(statement)) {
            err_set(err, ERR_SCRIPT,
                    "%s can't be used in a revision: pgtide opens and ends the transaction",
                    statement->first_keyword);
            err_hint(err, "Take it out; a revision runs in one transaction.");
            return fail(reader, statement->line, err);
        }
        if (reader->script->transactional && statement_needs_no_transaction(statement)) {
            err_set(err, ERR_SCRIPT, "this %s statement can't run inside a transaction",
                    statement->first_keyword);
            err_hint(err, "Give it a revision of its own with the header `-- transaction: none`.");
            return fail(reader, statement->line, err);
        }
    }
    return ERR_OK;
}

static ErrCode downgrade_check(const Reader *reader, Error *err)
{
    const Script *script = reader->script;
    if (!script->downgrade.present && script->irreversible == NULL) {
        err_set(err, ERR_SCRIPT, "no `-- +downgrade` section");
        err_hint(err, "Write one, or say `-- irreversible: REASON` in the header.");
        return fail(reader, reader->line, err);
    }
    if (script->downgrade.present && script->irreversible != NULL) {
        err_set(err, ERR_SCRIPT, "both `irreversible:` and a `-- +downgrade` section");
        return fail(reader, script->downgrade.first_line - 1, err);
    }
    return ERR_OK;
}

static ErrCode sections_finish(Reader *reader, Error *err)
{
    Script *script = reader->script;
    if (!script->upgrade.present) {
        err_set(err, ERR_SCRIPT, "no `-- +upgrade` section");
        return fail(reader, reader->line, err);
    }
    const char *texts[3];
    for (int place = PLACE_UPGRADE; place < PLACE_COUNT; place++) {
        ScriptSection *section = section_of(script, (Place)place);
        if (!section->present)
            section->sql = "";
        section->sql = arena_strndup(reader->arena, section->sql, section->length);
        texts[place - 1] = section->sql;
        ErrCode code = sql_split(reader->arena, reader->file, section->sql, section->length,
                                 section->first_line, &section->statements, err);
        if (code == ERR_OK)
            code = statements_check(reader, section, err);
        if (code != ERR_OK)
            return code;
    }
    token_digest(texts, 3, script->token_digest);
    return downgrade_check(reader, err);
}

static int line_not_utf8(const char *text, size_t length)
{
    int line = 1;
    const char *end = text + length;
    for (;; line++) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *next = newline == NULL ? end : newline + 1;
        if (newline == NULL || !str_is_utf8(text, (size_t)(next - text)))
            return line;
        text = next;
    }
}

ErrCode script_parse(Arena *arena, const char *file, const uint8_t *bytes, size_t length,
                     Script **ret_script, Error *err)
{
    Script *script = ARENA_NEW(arena, Script);
    Reader reader = {.arena = arena, .file = arena_strdup(arena, file), .script = script};
    if (length > LIMIT_REVISION_FILE_BYTES)
        return err_set(err, ERR_LIMIT, "%.160s has more than %d bytes", file,
                       LIMIT_REVISION_FILE_BYTES);
    if (!str_is_utf8((const char *)bytes, length)) {
        err_set(err, ERR_SCRIPT, "the file is not UTF-8 text");
        return fail(&reader, line_not_utf8((const char *)bytes, length), err);
    }
    script->file = reader.file;
    script->bytes = arena_memdup(arena, bytes, length);
    script->length = length;
    script->source_sha256 = sha256_bytes(bytes, length);
    script->id = script->message = script->created = script->origin = "";
    script->transactional = true;
    script->lock_timeout_ms = script->statement_timeout_ms = -1;
    size_t bom = length >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    reader.text = arena_strndup(arena, (const char *)bytes + bom, length - bom);
    reader.length = length - bom;
    ErrCode code = lines_read(&reader, err);
    if (code == ERR_OK)
        code = name_check(&reader, err);
    if (code == ERR_OK)
        code = sections_finish(&reader, err);
    if (code == ERR_OK)
        *ret_script = script;
    return code;
}

ErrCode script_load(Arena *arena, const char *path, Script **ret_script, Error *err)
{
    uint8_t *bytes;
    size_t length;
    ErrCode code = file_read_all(arena, path, LIMIT_REVISION_FILE_BYTES, &bytes, &length, err);
    return code == ERR_OK ? script_parse(arena, path, bytes, length, ret_script, err) : code;
}
