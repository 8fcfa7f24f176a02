/*
 * Inside of select.c: the fields that every shard has, and what may be said of them.
 */
#pragma once

#include "select.h"

typedef enum SelectField {
    SELECT_LABEL, /* none of the others */
    SELECT_NAME,
    SELECT_HOST,
    SELECT_CLUSTER,
    SELECT_DATABASE,
    SELECT_SCHEMA,
    SELECT_AGENT,
    SELECT_ROLE,
    SELECT_STATE,
    SELECT_ROWS,
    SELECT_VERSION,
    SELECT_SIZE,
    SELECT_FIELD_COUNT
} SelectField;

/* What a value says; a version without a minor part is all of its minors. */
typedef struct SelectNumber {
    uint64_t value;
    bool major_only;
} SelectNumber;

typedef enum SelectOrder { SELECT_NOT_KNOWN, SELECT_BELOW, SELECT_EQUAL, SELECT_ABOVE } SelectOrder;

/* Takes the `label.` off. */
SelectField select_field_of(const char **key);
bool select_field_is_number(SelectField field);
/* Whether the field can have this value; else `ret_wanted` says what it can have. */
bool select_field_reads(SelectField field, const char *word, SelectNumber *ret_number,
                        const char **ret_wanted);
/* NULL when the shard has no such label; not for rows and numbers. */
const char *select_field_text(SelectField field, const char *key, const SelectTarget *target);
uint64_t select_field_number(SelectField field, const SelectTarget *target); /* 0 = not known */
/* Where the shard's number lies beside the value. */
SelectOrder select_field_compare(SelectField field, const SelectTarget *target,
                                 const SelectNumber *number);
