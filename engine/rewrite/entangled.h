/*
 * Statements that have to do with a change in two phases, and would find it half-way or lose by its
 * end coming late. Internal to engine/rewrite.
 */
#pragma once

#include "change.h"

/* DROP COLUMN, DROP TABLE. */
bool change_is_drop(const Change *change);
/* Whether others of its revision do. `statements` are all of it, the change among them. Behind a
 * drop that is what names it or may need it gone; before a drop what may carry its data elsewhere,
 * since an application goes on writing there; of other changes whatever names them. */
bool change_is_entangled(Arena *arena, const Changes *statements, size_t count,
                         const Change *change);
/* Whether a statement of a later revision does. */
bool change_is_met(Arena *arena, const Changes *statement, const Change *change);
