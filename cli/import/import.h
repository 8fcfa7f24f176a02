/*
 * Other tools' projects read as revisions. A reader (import_<tool>.c) knows one tool's files and
 * rules and fills an `Import`; tidying SQL (import_sql.h) and writing revision files
 * (import_write.h) are the same for all. Nothing here talks to a database.
 */
#pragma once

#include "script.h"

#include "str.h"

typedef struct ImportedRevision {
    ScriptKind kind;
    const char *id;         /* the tool's own where it can be one; a repeatable's is its NAME */
    const char *origin_key; /* what the tool's version table calls it: "20200101" */
    const char *file;       /* where it came from, for the report */
    StrList parents;        /* ids of items; of a tool with `graph` only */
    StrList depends_on;
    StrList labels;
    StrList placeholders; /* "name" or "name=default", values that psql would have put in */
    const char *message;
    const char *created; /* '' = not known */
    const char *up;      /* SQL as read, tidied later */
    int up_line;         /* of its first byte in `file` */
    const char *down;    /* NULL: none, then `irreversible` says why */
    const char *down_file;
    int down_line;
    const char *verify; /* NULL = none */
    const char *irreversible;
    bool no_transaction;      /* the tool was told not to open one for `up` */
    bool down_no_transaction; /* the same for `down` */
} ImportedRevision;

/* What was done to a file, or why it could not be read. */
typedef struct ImportNote {
    const char *file;
    int line;     /* 0 = the whole file */
    bool problem; /* it could not be read; the import goes on and ends with a difference */
    const char *text;
} ImportNote;

typedef struct Import {
    Arena *arena; /* borrows; everything lives there */
    const char *tool;
    const char *path; /* as given */
    StrList options;  /* key=value of --option */
    ImportedRevision *items;
    size_t count;
    size_t capacity;
    ImportNote *notes;
    size_t note_count;
    size_t note_capacity;
} Import;

typedef struct ImportTool {
    const char *name; /* "golang-migrate" */
    const char *summary;
    const char *const *options; /* keys that it takes; ended by NULL; NULL = none */
    /* Items have parents of their own. Otherwise each revises the one before it. */
    bool graph;
    /* Whether `path` looks like a project of this tool's; for `--from auto`. */
    bool (*recognise)(Arena *arena, const char *path);
    /* Fills items, oldest first as far as the tool has an order, and notes. An error ends the
     * import; a file that can't be read is a note. */
    ErrCode (*read)(Import *import, Error *err);
    const char *table; /* its name in the statements below, for those who have it elsewhere */
    /* Where a database stands by the tool's own table, which is sought in the search_path of the
     * session. NULL: the tool keeps no table.
     *   table_exists_sql  one boolean: the table is there, and has this tool's columns
     *   applied_sql       the applied origin keys as one text column
     *   half_done_sql     the same for those that broke off in the middle, which a person has to
     *                     look at before the rest can be believed; NULL: the table can't tell */
    const char *table_exists_sql;
    const char *applied_sql;
    const char *half_done_sql;
    /* A key may come as "<=KEY": it and all before it, in the order of this. NULL: none does. */
    int (*key_compare)(const char *a, const char *b);
    /* Keys are "SCOPE:KEY", and one table serves several projects: keys of scopes that no revision
     * here has are others' business. */
    bool keys_have_scope;
    /* applied_sql gives the newest key only: all before it are applied too. */
    bool applied_newest_only;
} ImportTool;

/* All tools, ended by NULL; import_tools.def lists them. */
const ImportTool *const *import_tools(void);
const ImportTool *import_tool(const char *name); /* NULL = unknown */

ImportedRevision *import_add(Import *import); /* zeroed but for texts, which are '' */
void import_note(Import *import, const char *file, int line, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
void import_problem(Import *import, const char *file, int line, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
const char *import_option(const Import *import, const char *key); /* or NULL */
/* Letters, digits, '_' and '.' kept, runs of others become one '_'; at most
 * LIMIT_REVISION_ID_BYTES. '' when nothing is left. */
const char *import_id(Arena *arena, const char *text);
/* "add_user-bio" -> "add user bio": a message out of a part of a file name. */
const char *import_message(Arena *arena, const char *text);
/* "20260120100000" -> "2026-01-20 10:00:00 UTC"; '' for what is no such time. */
const char *import_created(Arena *arena, const char *digits);
/* Of two texts of digits, as numbers of any length: <0, 0, >0. */
int import_number_compare(const char *a, const char *b);
/* Without leading zeros; "0" for zero. */
const char *import_number(Arena *arena, const char *digits);
/* Base names in a directory, sorted bytewise; not those that begin with a dot. */
ErrCode import_list(Arena *arena, const char *directory, StrList *ret_names, Error *err) MUST_CHECK;
/* `path`, or the first of its `subdirectories` (ended by NULL) that has a name for which `is_one`
 * holds; NULL = none. For readers: a user may name the project or the directory of migrations. */
const char *import_find(Arena *arena, const char *path, const char *const *subdirectories,
                        bool (*is_one)(Arena *arena, const char *directory, const char *name));
/* Line by line: begin with {.next = text}; false = no more. */
typedef struct ImportLine {
    const char *text; /* without its end */
    size_t length;
    int number; /* from 1 */
    const char *next;
} ImportLine;
bool import_line(ImportLine *line);
/* Whether a line is a comment that begins in column 1, `--` and blanks taken off. */
bool import_line_comment(const ImportLine *line, const char **ret_text, size_t *ret_length);
bool import_line_blank(const ImportLine *line);
/* Whether a file begins with `-- no-transaction`, as sqlx wants it said. */
bool import_says_no_transaction(const char *text);
/* A text file with its byte order mark and carriage returns taken off (noted). False: noted as a
 * problem. */
bool import_read(Import *import, const char *file, const char **ret_text);
