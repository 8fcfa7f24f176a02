/*
 * A revision file: header lines, then sections (DESIGN: "Revision files"). Reading one checks all
 * that can be known from the file alone; how files relate is graph.h's.
 *
 * Files are named by what they are: <id>.sql or <id>_slug.sql a revision, R_<name>.sql a
 * repeatable, baseline_<id>.sql a baseline. Repeatables and baselines have no parents, labels or
 * downgrade. With `transaction: none` a statement may be preceded by `-- +rerunnable` or
 * `-- +probe SELECT ...` (which goes on over lines that begin with `--` and three blanks), and
 * BEGIN; ... COMMIT; makes a block; both stay in the list of statements. `-- +ignore RULE: reason`
 * is for `pgtide lint`: before a statement it is about that one, in the header about the file.
 */
#pragma once

#include "split.h"
#include "token_digest.h"

#include "ids.h"

/* What a file of `versions` is. */
typedef enum ScriptKind {
    SCRIPT_REVISION,
    SCRIPT_REPEATABLE, /* `-- repeatable: NAME`, R_NAME.sql: run again whenever it changed */
    SCRIPT_BASELINE,   /* `-- baseline: ID`: on an empty shard stands for all revisions up to ID */
} ScriptKind;

/* What a change that applications must follow is cut into: what it adds can be there beside what it
 * takes away, which goes once nobody uses it any more. */
typedef enum ScriptPhase {
    SCRIPT_PHASE_NONE,
    SCRIPT_PHASE_EXPAND,   /* adds; the application before it goes on working */
    SCRIPT_PHASE_CONTRACT, /* takes away: everything has expanded, the old application is gone */
    SCRIPT_PHASE_COUNT
} ScriptPhase;

/* A value that the one who runs it gives: :name, :'name' or :"name" in SQL, as in psql. */
typedef struct Placeholder {
    const char *name;
    const char *fallback; /* NULL: must be given */
    int line;             /* where it is declared */
} Placeholder;

typedef struct ScriptIgnore {
    const char *rule; /* as it is written: which rules there are is lint's business */
    const char *reason;
    int line;
    int statement_line; /* where the statement begins; 0 = the whole file */
    int statement_column;
} ScriptIgnore;

typedef struct ScriptSection {
    bool present;
    const char *sql; /* the bytes between its marker and the next one */
    size_t length;
    int first_line;
    StatementList statements;
} ScriptSection;

typedef struct Script {
    const char *file; /* as given, for messages */
    ScriptKind kind;
    const char *id;  /* of a repeatable: "R:NAME", which no revision can be called */
    StrList parents; /* `revises:`; none for a base */
    StrList depends_on;
    StrList labels;
    const char *message; /* '' when absent */
    const char *created;
    const char *origin; /* "goose 20200101": where an import took it from; '' = nowhere */
    const Placeholder *placeholders; /* `placeholders: a, b=default` */
    size_t placeholder_count;
    bool transactional;           /* false: `transaction: none` */
    ScriptPhase phase;            /* `phase: expand` or `contract` */
    const char *when_fingerprint; /* f1:...: runs only where the schema before it is that one, and
                                     is recorded everywhere; NULL = it always runs */
    const char *irreversible;     /* the reason; NULL when there is a downgrade */
    int64_t lock_timeout_ms;      /* -1 = not set */
    int64_t statement_timeout_ms; /* -1 = not set */
    uint32_t lock_budget_ms;      /* 0 = not set; or LOCK_BUDGET_NONE */
    ScriptSection upgrade;
    ScriptSection downgrade;
    ScriptSection verify;
    const ScriptIgnore *ignores; /* in the file's order */
    size_t ignore_count;
    const uint8_t *bytes; /* the file */
    size_t length;
    Digest source_sha256;
    char token_digest[TOKEN_DIGEST_TEXT_SIZE];
} Script;

const char *script_phase_name(ScriptPhase phase); /* expand, contract; '' for none */

/* `file` is used in messages, and its base name must be the script's. Everything lives in `arena`.
 * Errors: ERR_SCRIPT or ERR_LIMIT, with file, line and column. */
ErrCode script_parse(Arena *arena, const char *file, const uint8_t *bytes, size_t length,
                     Script **ret_script, Error *err) MUST_CHECK;
ErrCode script_load(Arena *arena, const char *path, Script **ret_script, Error *err) MUST_CHECK;
