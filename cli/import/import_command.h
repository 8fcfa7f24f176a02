/*
 * psql commands in migrations: which ones may be left out. Internal to import_sql.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* `line` begins with the backslash and has `length` bytes; `last`: only blanks follow it in the
 * file. NULL: it may go; otherwise why it may not, with what to do instead. */
const char *command_refusal(const char *line, size_t length, bool last);
