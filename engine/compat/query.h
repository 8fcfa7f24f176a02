/*
 * Whether a statement of somebody else, or the body of a function, uses what is taken away. From
 * text alone; no server, no I/O.
 */
#pragma once

#include "takes.h"

typedef enum CompatSure {
    COMPAT_NOT,
    COMPAT_UNKNOWN, /* the parser can't read it, and the names are in it */
    COMPAT_MAY,     /* a star over the table, or one of several things of that name */
    COMPAT_BY_NAME, /* the names are in a text that nobody parses */
    COMPAT_USES,
    COMPAT_SURE_COUNT
} CompatSure;

/* What is taken away, as the database has it. */
typedef struct CompatFound {
    const char *name; /* "public.users.email", NULL = there is none */
    const char *kind; /* "view" */
    StrList schemas;  /* of those that it may mean */
    StrList rivals;   /* other tables with a column of that name */
    StrList children; /* tables that go or change with it */
    StrList homes;    /* and their schemas, one each */
    StrList sources;  /* functions that return its rows */
    bool twins;       /* others of that name in other schemas, or other overloads */
} CompatFound;

/* One statement, to be held against several takes. */
typedef struct Query Query;

Query *query_read(Arena *arena, const char *text);
/* `ret_why` is set unless the answer is NOT: a few words of ours. What defines or administrates
 * (ALTER, GRANT, VACUUM) is no use. */
CompatSure query_uses(const Query *query, const Taken *taken, const CompatFound *found,
                      const char **ret_why);
/* COPY ... TO, as pg_dump reads tables. */
bool query_is_copy_out(const Query *query);
/* The statement for people, on one line and cut, or NULL where it holds a constant: what is shown
 * is none of its values. */
const char *query_shown(const Query *query);

/* A function's body. `about`: the function is a trigger of the table, or has its rows among its
 * arguments. */
CompatSure body_uses(Arena *arena, const char *body, const Taken *taken, bool about,
                     const char **ret_why);
const char *compat_sure_name(CompatSure sure); /* "uses", "may use", "by name", "unknown" */
