/*
 * A revision file: header lines, then sections (DESIGN: "Revision files"). Reading one checks all
 * that can be known from the file alone; how files relate is graph.h's.
 */
#pragma once

#include "split.h"
#include "token_digest.h"

#include "ids.h"

typedef struct ScriptSection {
    bool present;
    const char *sql; /* the bytes between its marker and the next one */
    size_t length;
    int first_line;
    StatementList statements;
} ScriptSection;

typedef struct Script {
    const char *file; /* as given, for messages */
    const char *id;
    StrList parents; /* `revises:`; none for a base */
    StrList depends_on;
    StrList labels;
    const char *message; /* '' when absent */
    const char *created;
    bool transactional;           /* false: `transaction: none` */
    const char *irreversible;     /* the reason; NULL when there is a downgrade */
    int64_t lock_timeout_ms;      /* -1 = not set */
    int64_t statement_timeout_ms; /* -1 = not set */
    ScriptSection upgrade;
    ScriptSection downgrade;
    ScriptSection verify;
    const uint8_t *bytes; /* the file */
    size_t length;
    Digest source_sha256;
    char token_digest[TOKEN_DIGEST_TEXT_SIZE];
} Script;

/* `file` is used in messages, and its base name must be <id>.sql or <id>_slug.sql. Everything lives
 * in `arena`. Errors: ERR_SCRIPT with file and line. */
ErrCode script_parse(Arena *arena, const char *file, const uint8_t *bytes, size_t length,
                     Script **ret_script, Error *err) MUST_CHECK;
ErrCode script_load(Arena *arena, const char *path, Script **ret_script, Error *err) MUST_CHECK;
