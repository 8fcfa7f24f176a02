#include "script_reader.h"

#include "digest.h"
#include "file.h"
#include "named_limits.h"

#include <ctype.h>
#include <string.h>

enum { MARKER_COUNT = 3 };

static const char *const marker_words[MARKER_COUNT] = {"upgrade", "downgrade", "verify"};

ErrCode reader_fail(const Reader *reader, const char *place, Error *err)
{
    err_place(err, reader->file, reader->text, 1, place);
    return err == NULL ? ERR_SCRIPT : err->code;
}

ScriptSection *reader_section(Script *script, Place place)
{
    ScriptSection *sections[PLACE_COUNT] = {NULL, &script->upgrade, &script->downgrade,
                                            &script->verify};
    return sections[place];
}

char *reader_trimmed(Arena *arena, const char *text, size_t length)
{
    while (length > 0 && isspace((unsigned char)text[0])) {
        text++;
        length--;
    }
    while (length > 0 && isspace((unsigned char)text[length - 1]))
        length--;
    return arena_strndup(arena, text, length);
}

/* --- markers ---------------------------------------------------------------------------------- */

static ErrCode marker_unknown(Reader *reader, const char *word, const char *place, Error *err)
{
    const char *nearest = str_nearest(word, marker_words, MARKER_COUNT);
    err_set(err, ERR_SCRIPT, "unknown marker '-- +%.40s'", word);
    if (nearest != NULL)
        err_hint(err, "Did you mean '-- +%s'?", nearest);
    else
        err_hint(err, "Markers are -- +upgrade, -- +downgrade and -- +verify; before a statement "
                      "-- +rerunnable, -- +probe SELECT ..., -- +batch ... and -- +ignore RULE: "
                      "reason");
    return reader_fail(reader, place, err);
}

/* `-- +word`: the next section begins behind this line. */
static ErrCode marker_read(Reader *reader, const char *word, const char *place, const char *next,
                           Error *err)
{
    for (size_t i = 0; i < MARKER_COUNT; i++) {
        if (strcmp(word, marker_words[i]) != 0)
            continue;
        reader->place = (Place)(PLACE_UPGRADE + (int)i);
        ScriptSection *section = reader_section(reader->script, reader->place);
        if (section->present) {
            err_set(err, ERR_SCRIPT, "'-- +%s' stands twice (first before line %d)", word,
                    section->first_line);
            return reader_fail(reader, place, err);
        }
        section->present = true;
        section->sql = next;
        section->first_line = reader->line + 1;
        return ERR_OK;
    }
    return marker_unknown(reader, word, place, err);
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

/* --- annotations ------------------------------------------------------------------------------ */

const char *annotation_word(AnnotationKind kind)
{
    static const char *const words[ANNOTATION_KIND_COUNT] = {"rerunnable", "probe", "batch",
                                                             "ignore"};
    return words[kind];
}

static bool is_word(const char *text, const char *word)
{
    size_t length = strlen(word);
    return strncmp(text, word, length) == 0 &&
           (text[length] == '\0' || isspace((unsigned char)text[length]));
}

/* Which annotation a line is; ANNOTATION_KIND_COUNT = none. */
static AnnotationKind annotation_kind(const char *word)
{
    AnnotationKind kind = ANNOTATION_RERUNNABLE;
    while (kind < ANNOTATION_KIND_COUNT && !is_word(word, annotation_word(kind)))
        kind++;
    return kind;
}

const char *script_word(const char *text)
{
    for (int i = 0; i < MARKER_COUNT; i++) {
        if (is_word(text, marker_words[i]))
            return marker_words[i];
    }
    AnnotationKind kind = annotation_kind(text);
    return kind == ANNOTATION_KIND_COUNT ? NULL : annotation_word(kind);
}

/* The text behind `probe`, and behind the dashes of the lines that go on with it: `--   more`. */
static const char *probe_text(Arena *arena, const char *begin)
{
    AUTO_STR Str sql = {0};
    const char *at = begin;
    for (;;) {
        size_t length = strcspn(at, "\n");
        str_append_bytes(&sql, at, length);
        const char *next = at + length + (at[length] == '\n');
        if (strncmp(next, "--   ", 5) != 0)
            break;
        str_append_char(&sql, '\n');
        at = next + 2;
    }
    return reader_trimmed(arena, str_text(&sql), sql.length);
}

static ErrCode annotation_check(const Reader *reader, bool in_statement, AnnotationKind kind,
                                const char *place, Error *err)
{
    const char *name = annotation_word(kind);
    bool of_file = kind == ANNOTATION_IGNORE && reader->place == PLACE_HEADER;
    if ((reader->place == PLACE_HEADER && !of_file) || reader->place == PLACE_VERIFY) {
        err_set(err, ERR_SCRIPT, "'-- +%s' counts only in +upgrade and +downgrade%s", name,
                kind == ANNOTATION_IGNORE ? ", and before them" : "");
        return reader_fail(reader, place, err);
    }
    if (in_statement) {
        err_set(err, ERR_SCRIPT, "'-- +%s' stands inside of a statement", name);
        err_hint(err, "Put it on the line before one; the statement before it may lack its ';'.");
        return reader_fail(reader, place, err);
    }
    return ERR_OK;
}

/* Kept for the statement that comes next. */
static ErrCode annotation_read(Reader *reader, bool in_statement, AnnotationKind kind,
                               const char *word, const char *place, Error *err)
{
    const char *name = annotation_word(kind);
    ErrCode code = annotation_check(reader, in_statement, kind, place, err);
    if (code != ERR_OK)
        return code;
    Annotation new = {.kind = kind, .place = place, .line = reader->line, .section = reader->place};
    new.text = word + strlen(name);
    if (kind == ANNOTATION_PROBE)
        new.text = probe_text(reader->arena, strchr(place, '+') + 1 + strlen(name));
    else if (kind == ANNOTATION_RERUNNABLE && new.text[0] != '\0')
        return marker_unknown(reader, word, place, err);
    if (reader->annotation_count == reader->annotation_capacity) {
        size_t capacity = reader->annotation_capacity == 0 ? 8 : 2 * reader->annotation_capacity;
        reader->annotations = arena_grow(reader->arena, reader->annotations,
                                         reader->annotation_count, capacity, sizeof new);
        reader->annotation_capacity = capacity;
    }
    reader->annotations[reader->annotation_count++] = new;
    return ERR_OK;
}

/* --- lines ------------------------------------------------------------------------------------ */

/* A line that looks like a marker is one when the text before it, back to the last such line, does
 * not end inside of a quote, comment or rows. */
static bool marker_counts(SqlLines *sql, const char **fed, const char *line)
{
    sql_lines_feed(sql, *fed, (size_t)(line - *fed));
    *fed = line;
    return !sql_lines_in_text(sql);
}

static ErrCode line_read(Reader *reader, SqlLines *sql, const char **fed, const char *next,
                         Error *err)
{
    const char *line = reader->line_begin;
    size_t length = (size_t)(next - line);
    ScriptSection *section = reader_section(reader->script, reader->place);
    length -= length > 0 && line[length - 1] == '\n';
    if (!is_marker(line, length) || (section != NULL && !marker_counts(sql, fed, line)))
        return section == NULL ? script_header_line(reader, line, length, err) : ERR_OK;
    const char *plus = memchr(line, '+', length);
    const char *word = reader_trimmed(reader->arena, plus + 1, length - (size_t)(plus + 1 - line));
    AnnotationKind annotation = annotation_kind(word);
    if (annotation != ANNOTATION_KIND_COUNT)
        return annotation_read(reader, sql_lines_in_statement(sql), annotation, word, line, err);
    if (section != NULL)
        section->length = (size_t)(line - section->sql);
    sql_lines_reset(sql);
    *fed = next;
    return marker_read(reader, word, line, next, err);
}

static ErrCode lines_read(Reader *reader, Error *err)
{
    SqlLines *sql = sql_lines_new();
    ErrCode code = ERR_OK;
    const char *fed = reader->text; /* how far into the present section psqlscan has read */
    const char *end = reader->text + reader->length;
    const char *next;
    for (const char *line = reader->text; code == ERR_OK && line < end; line = next) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        next = newline == NULL ? end : newline + 1;
        reader->line_begin = line;
        reader->line++;
        code = line_read(reader, sql, &fed, next, err);
    }
    sql_lines_free(sql);
    ScriptSection *last = reader_section(reader->script, reader->place);
    if (code == ERR_OK && last != NULL)
        last->length = (size_t)(end - last->sql);
    return code;
}

/* --- files ------------------------------------------------------------------------------------ */

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
        err_at(err, reader.file, line_not_utf8((const char *)bytes, length));
        return ERR_SCRIPT;
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
    reader.line_begin = reader.text;
    ErrCode code = lines_read(&reader, err);
    if (code == ERR_OK)
        code = script_finish(&reader, err);
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
