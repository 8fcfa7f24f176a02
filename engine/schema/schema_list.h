/*
 * Lists in attributes: "a = 1, b = 2", split where SQL would split them.
 */
#pragma once

#include "str.h"

/* The items of a list whose separator is ", " outside of quotes and parentheses; NULL is empty. */
StrList schema_list(Arena *arena, const char *text);
/* The lines of a text, which do not end in quotes; NULL is empty. */
StrList schema_lines(Arena *arena, const char *text);
/* The first word of an item, a quoted identifier as a whole; it ends before a blank or '='. */
const char *schema_list_key(Arena *arena, const char *item);
/* The item with that key, or NULL. */
const char *schema_list_find(Arena *arena, const StrList *list, const char *key);
