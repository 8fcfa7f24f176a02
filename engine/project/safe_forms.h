/*
 * Inside of safe.c: what one safe statement would do, by libpg_query's parse tree. Internal.
 */
#pragma once

#include "safe.h"

typedef enum SafeForm {
    SAFE_FORM_RELATION,      /* relation `name` in the schema where it would be made */
    SAFE_FORM_INDEX,         /* index `name` in the schema of `relation` */
    SAFE_FORM_SCHEMA,        /* schema `name` */
    SAFE_FORM_EXTENSION,     /* extension `name` */
    SAFE_FORM_SERVER,        /* foreign server `name` */
    SAFE_FORM_COLLATION,     /* collation `name` in the schema where it would be made */
    SAFE_FORM_STATISTICS,    /* the same for statistics */
    SAFE_FORM_COLUMN,        /* column `name` of `relation` */
    SAFE_FORM_NOT_NULL,      /* column `name` of `relation` is NOT NULL */
    SAFE_FORM_NULLABLE,      /* and its reverse */
    SAFE_FORM_NO_IDENTITY,   /* column `name` of `relation` is no identity */
    SAFE_FORM_VALIDATED,     /* constraint `name` of `relation` is validated */
    SAFE_FORM_ROW_SECURITY,  /* of `relation`; `name` is enabled, disabled, forced or unforced */
    SAFE_FORM_ENUM_VALUE,    /* value `name` of the type `detail` */
    SAFE_FORM_FUNCTION,      /* function `name` just as `detail` (JSON) describes it */
    SAFE_FORM_NO_RELATION,   /* `relation` is gone */
    SAFE_FORM_NO_SCHEMA,     /* schema `name` is gone */
    SAFE_FORM_NO_EXTENSION,  /* extension `name` is gone */
    SAFE_FORM_NO_TYPE,       /* type `detail` is gone */
    SAFE_FORM_NO_FUNCTION,   /* function `detail`, with its arguments, is gone */
    SAFE_FORM_NO_COLUMN,     /* column `name` of `relation` is gone */
    SAFE_FORM_NO_CONSTRAINT, /* constraint `name` of `relation` is gone */
    SAFE_FORM_NO_TRIGGER,    /* trigger `name` of `relation` is gone */
    SAFE_FORM_NO_POLICY,     /* policy `name` of `relation` is gone */
    SAFE_FORM_NO_RULE,       /* rule `name` of `relation` is gone */
    SAFE_FORM_COUNT
} SafeForm;

struct SafeQuestion {
    size_t statement; /* index in the list */
    SafeForm form;
    const char *schema; /* of `relation`, or where `name` would be made; '' = by the path */
    const char *relation;
    const char *name;
    const char *detail;
    bool lenient; /* IF EXISTS: nothing to do where `relation` is not there */
};

/* Questions of the statement in hand; more than one for `DROP TABLE IF EXISTS a, b`. */
typedef struct SafeQuestions {
    Arena *arena;
    SafeQuestion *items;
    size_t count;
    size_t capacity;
} SafeQuestions;

SafeQuestion *safe_question_add(SafeQuestions *questions, SafeForm form);

/* Adds the statement's questions and fills `what`, `asked`, `removes` and `relation` of the safe
 * statement, whose `file` and `statement` are set. ERR_SCRIPT when it can't be run twice. */
ErrCode safe_form_read(SafeQuestions *questions, size_t index, SafeStatement *safe,
                       Error *err) MUST_CHECK;
