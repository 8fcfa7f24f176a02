/*
 * Names as small numbers: the first one added is 0, the next new one 1, ... Borrows its texts.
 */
#pragma once

#include "arena.h"

typedef struct Names Names;

enum { NAMES_NONE = 0xffffffff };

Names *names_new(void); /* returns owned */
void names_free(Names *names);
/* The number of the pair (`first`, `second`), new or old. `second` may be ''. */
uint32_t names_add(Names *names, const char *first, const char *second);
uint32_t names_find(const Names *names, const char *first, const char *second); /* or NAMES_NONE */
uint32_t names_count(const Names *names);
const char *names_first(const Names *names, uint32_t number);
