/*
 * What becomes of a column's values when its type is another one.
 */
#pragma once

#include <stdbool.h>

typedef struct SchemaCast {
    bool assigns; /* by an assignment, which refuses what does not fit: an explicit cast cuts it */
    bool keeps;   /* no value is lost: each one is taken over, or refused */
} SchemaCast;

/* From one type to another, as format_type() writes them: "numeric(10,2)". What is not known to
 * keep values does not. */
SchemaCast schema_cast(const char *from, const char *to);
