/*
 * One revision file: its header, its sections, its digests (DESIGN.md "Revision files").
 *
 *   -- revision: 007_add_user_bio
 *   -- revises: 006_add_push_subscriptions
 *   -- message: add user bio
 *
 *   -- +upgrade
 *   ALTER TABLE users ADD COLUMN bio text;
 *   -- +downgrade
 *   ALTER TABLE users DROP COLUMN bio;
 *   -- +verify
 *   SELECT bio FROM users LIMIT 0;
 *
 * Markers count in column 1 outside quotes and comments. A script that was parsed has been checked
 * whole: header, markers, and each statement by split.h's rules, so a wrong file is found when it
 * is loaded and never half-way through a shard.
 */
#pragma once

#include "ids.h"
#include "str.h"

typedef enum ScriptPart {
    SCRIPT_UPGRADE,
    SCRIPT_DOWNGRADE,
    SCRIPT_VERIFY,
    SCRIPT_PART_COUNT
} ScriptPart;

const char *script_part_name(ScriptPart part); /* "upgrade" */

typedef struct ScriptSection {
    bool present;
    const char *sql; /* NUL-terminated; '' when absent */
    size_t length;
    int first_line; /* 1-based line of sql[0] in the file */
} ScriptSection;

/* Where the header's fields stand, for messages; 0 = absent. */
typedef struct ScriptLines {
    int revision;
    int revises;
    int depends_on;
    int labels;
} ScriptLines;

typedef struct Script Script;
struct Script {
    const char *path; /* as it was opened, for messages */
    const char *id;
    StrList revises;    /* parents; none = a base, several = a merge */
    StrList depends_on; /* revision ids or labels */
    StrList labels;
    const char *message;      /* '' when absent */
    const char *created;      /* the header's text; '' when absent */
    bool transactional;       /* false: `transaction: none` */
    const char *irreversible; /* the reason; '' = there is a downgrade */
    int64_t lock_timeout_ms;  /* -1 = not set; 0 = wait for ever */
    int64_t statement_timeout_ms;
    ScriptSection sections[SCRIPT_PART_COUNT];
    const char *source; /* the file's bytes */
    size_t source_length;
    Digest source_sha256;
    const char *token_digest; /* "t1:" + hex; '' = can't be compared (token_digest.h) */
    ScriptLines lines;
};

/*
 * Parses the bytes of a revision file (copied into `arena`). `path` is for messages; its name must
 * be <id>.sql or <id>_slug.sql unless `path_is_free`, as for a file inside a bundle. Errors are
 * ERR_SCRIPT (or ERR_LIMIT) with file and line.
 */
ErrCode script_parse(Arena *arena, const char *path, bool path_is_free, const void *bytes,
                     size_t length, Script *out, Error *err) MUST_CHECK;
/* Reads and parses. The Script lives in `arena`. */
ErrCode script_load(Arena *arena, const char *path, Script **ret_script, Error *err) MUST_CHECK;

/* "Add User's Bio" -> "add_user_s_bio", at most `max` bytes, '' when nothing is left. */
char *script_slug(Arena *arena, const char *message, size_t max);

/* A new file's text with empty sections. */
typedef struct ScriptDraft {
    const char *id;
    StrList revises;
    StrList depends_on;
    StrList labels;
    const char *message;
    uint64_t created_unix_ms;
} ScriptDraft;
/* Appends the file's text to `out`. */
void script_draft_write(const ScriptDraft *draft, Str *out);
