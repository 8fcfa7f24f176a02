/*
 * A text of SQL as statements, grouped by the transaction that each runs in. Internal to
 * import_sql.c.
 */
#pragma once

#include "import.h"
#include "split.h"

typedef enum PartFate {
    PART_KEPT,
    PART_RERUNNABLE, /* kept, with a marker before it */
    PART_DROPPED,
} PartFate;

typedef struct Part {
    const Statement *statement;
    size_t begin; /* of its first token in `text` */
    size_t last;  /* behind its last token */
    size_t end;   /* behind its semicolon, or behind the rows of a COPY */
    int block;    /* parts of one number run in one transaction; 0 = alone */
    PartFate fate;
} Part;

typedef struct TextEdit {
    size_t begin;
    size_t end; /* what goes */
    const char *insert;
    int rank; /* among edits at one place */
} TextEdit;

typedef struct SqlParts {
    Import *import; /* borrows */
    const char *file;
    int first_line;
    char *text;      /* psql commands are blanked in it */
    bool in_block;   /* the tool opens a transaction */
    bool takes_back; /* ROLLBACK may end it */
    Part *items;
    size_t count;
    int block_count;     /* numbers given so far */
    bool adds_value;     /* to an enum that is there already */
    bool uses_new_value; /* an enum's, which it adds: takes two transactions */
    TextEdit *edits;
    size_t edit_count;
    size_t edit_capacity;
} SqlParts;

/* Fills items from text. False: a problem was noted. */
bool parts_read(SqlParts *parts);
/* Settles blocks and fates. False: a problem was noted. */
bool parts_group(SqlParts *parts);
/* Whether the whole can't be one transaction. */
bool parts_need_units(const SqlParts *parts);
/* The text as one transaction, or as units of a `transaction: none` revision. */
const char *parts_render(SqlParts *parts, bool units);
/* A note at a part's line, once for each text. */
void parts_note(SqlParts *parts, const Part *part, const char *text);

/* Internal: what goes from [begin, end), and what comes at `begin`. */
enum { EDIT_CLOSES, EDIT_OPENS, EDIT_TAKES };
void parts_edit(SqlParts *parts, size_t begin, size_t end, const char *insert, int rank);
