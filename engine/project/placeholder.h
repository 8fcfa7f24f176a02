/*
 * Placeholders: values that the one who runs a revision gives. psql's own lexer finds :name,
 * :'name' and :"name" of those that `placeholders:` declares; what is not declared stays as it is,
 * and so do rows behind a COPY. A value is never looked into for other placeholders, and can't make
 * another statement.
 */
#pragma once

#include "script.h"

/* Whether each is NAME=VALUE, within limits. ERR_USAGE, ERR_LIMIT. */
ErrCode placeholder_check(const StrList *assignments, Error *err) MUST_CHECK;
/* `assignments` are NAME=VALUE, the last one of a name counts. `*ret_script` has the statements and
 * probes with their values, and is `script` itself when it declares nothing; digests stay those of
 * the file. Everything new lives in `arena` and borrows from `script`. Errors: USAGE (an assignment
 * without '=', no value for a placeholder without default), LIMIT (a long value), SCRIPT (what
 * comes out is not one statement of that place's kind), with file and line. No error holds a value.
 */
ErrCode script_bind(Arena *arena, const Script *script, const StrList *assignments,
                    const Script **ret_script, Error *err) MUST_CHECK;

/* The names in `assignments` that none of the scripts declares, for a warning. */
StrList placeholders_unknown(Arena *arena, const Script *const *scripts, size_t count,
                             const StrList *assignments);
