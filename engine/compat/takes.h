/*
 * What a revision's upgrade takes away from whoever uses the database: what it drops, renames or
 * moves, and columns whose type it changes. Read from the parse tree; no server, no I/O.
 */
#pragma once

#include "script.h"

typedef enum TakenKind {
    TAKEN_RELATION, /* table, view, materialized view, foreign table */
    TAKEN_COLUMN,   /* `part` of `name`; an attribute of a composite type as well */
    TAKEN_SEQUENCE,
    TAKEN_FUNCTION,  /* procedures and aggregates as well */
    TAKEN_TYPE,      /* domains as well */
    TAKEN_LABEL,     /* `part` of the enum `name` */
    TAKEN_SCHEMA,    /* `name` */
    TAKEN_ATTACHED,  /* trigger, policy, rule or constraint `part` of `name`: nobody's to use */
    TAKEN_UNREADABLE /* a statement that may take something away: `name` says what it is */
} TakenKind;

typedef enum TakenHow {
    TAKEN_DROPPED,
    TAKEN_RENAMED, /* or moved to another schema: what refers to it by its name loses it */
    TAKEN_CHANGED, /* another type, or another column of the same name */
    TAKEN_REPLACED /* the revision makes one of that name: nothing is taken, and what it was is not
                      among those who use something else */
} TakenHow;

typedef struct Taken {
    TakenKind kind;
    TakenHow how;
    const char *word;   /* "view", as the statement calls it */
    const char *schema; /* '' = none given */
    const char *name;
    const char *part;
    const char *to;     /* of a rename: the new name */
    int argument_count; /* of a function; -1 = not said */
    const char *revision;
    const char *file;
    int line;
} Taken;

typedef struct TakenList {
    Taken *items;
    size_t count;
    size_t capacity;
} TakenList;

/* Adds what the script's upgrade takes away, in its order; texts are copied. ERR_LIMIT. */
ErrCode takes_read(Arena *arena, const Script *script, TakenList *list, Error *err) MUST_CHECK;
/* Whether somebody may use it: then it is one of those to be looked for. */
bool taken_is_missed(const Taken *taken);
/* Of a composite type: a column without a table. */
bool taken_is_attribute(const Taken *taken);
/* Whether anybody may miss something of it, or that is not known. */
bool takes_anything(const TakenList *list);
/* "drops column public.users.email", "renames table a to b" */
const char *taken_describe(Arena *arena, const Taken *taken);
const char *taken_kind_name(TakenKind kind); /* "column" */
const char *taken_how_name(TakenHow how);    /* "dropped" */
