/*
 * Inside of reading a revision file: script.c reads lines and markers, script_header.c the lines
 * before the first marker, script_aside.c refuses markers that do not begin their line,
 * script_check.c says what the whole must be. Internal to engine/script*.c.
 */
#pragma once

#include "script.h"

/* Which section a line belongs to while the file is read. */
typedef enum Place {
    PLACE_HEADER,
    PLACE_UPGRADE,
    PLACE_DOWNGRADE,
    PLACE_VERIFY,
    PLACE_COUNT
} Place;

typedef enum Header {
    HEADER_REVISION,
    HEADER_REPEATABLE,
    HEADER_BASELINE,
    HEADER_REVISES,
    HEADER_CREATED,
    HEADER_MESSAGE,
    HEADER_LABELS,
    HEADER_DEPENDS_ON,
    HEADER_TRANSACTION,
    HEADER_IRREVERSIBLE,
    HEADER_LOCK_TIMEOUT,
    HEADER_STATEMENT_TIMEOUT,
    HEADER_LOCK_BUDGET,
    HEADER_ORIGIN,
    HEADER_PLACEHOLDERS,
    HEADER_PHASE,
    HEADER_WHEN_FINGERPRINT,
    HEADER_COUNT
} Header;

typedef enum AnnotationKind {
    ANNOTATION_RERUNNABLE,
    ANNOTATION_PROBE,
    ANNOTATION_BATCH,
    ANNOTATION_IGNORE,
    ANNOTATION_KIND_COUNT
} AnnotationKind;

/* A line `-- +rerunnable`, `-- +batch ...`, `-- +ignore ...` or `-- +probe SELECT ...` (and its
 * continuations), for the next statement. */
typedef struct Annotation {
    AnnotationKind kind;
    const char *place;
    int line;
    Place section;
    const char *text; /* behind its word */
} Annotation;

typedef struct Reader {
    Arena *arena;
    const char *file;
    Script *script;
    const char *text; /* NUL-terminated */
    size_t length;
    const char *line_begin; /* of the line in hand */
    int line;
    Place place;
    const char *headers[HEADER_COUNT]; /* where each key stands; NULL = not given */
    Annotation *annotations;
    size_t annotation_count;
    size_t annotation_capacity;
} Reader;

/* Puts file, line, column and the line's text to an error just set; returns its code. */
ErrCode reader_fail(const Reader *reader, const char *place, Error *err);
ScriptSection *reader_section(Script *script, Place place);
const char *annotation_word(AnnotationKind kind); /* rerunnable, probe, batch, ignore */
const char *script_word(const char *text); /* of a section or annotation, that begins it; or NULL */
char *reader_trimmed(Arena *arena, const char *text, size_t length);

/* Before its text is copied out of the file's. */
ErrCode script_aside_check(const Reader *reader, const ScriptSection *section,
                           Error *err) MUST_CHECK;

/* A line before the first marker. */
ErrCode script_header_line(Reader *reader, const char *line, size_t length, Error *err) MUST_CHECK;
const char *script_header_name(Header header);

/* What may stand in a section, as its script runs it. */
ErrCode script_statements_check(const Script *script, const StatementList *statements, bool verify,
                                Error *err) MUST_CHECK;
/* Splits the sections and checks what the file must be as a whole. */
ErrCode script_finish(Reader *reader, Error *err) MUST_CHECK;
