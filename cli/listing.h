/*
 * How revisions are shown by heads, history, branches and show.
 */
#pragma once

#include "command.h"
#include "project.h"

/* Which parts a line has, as in Alembic's listings. */
typedef struct ListingForm {
    bool verbose;        /* several lines: file, parents, labels, dates */
    const char *front;   /* what a line begins with; NULL = nothing */
    bool parents;        /* "006_x -> " in front */
    bool forks;          /* (branchpoint), (mergepoint) */
    bool message;        /* ", add user bio" behind */
    const StrList *rows; /* these are (current); NULL = not asked */
} ListingForm;

void listing_say(CommandContext *context, const RevisionMap *map, const Script *script,
                 const ListingForm *form);
/* The revision as a JSON object; `rows` NULL when no database was asked. */
void listing_json(JsonWriter *json, const RevisionMap *map, const Script *script,
                  const StrList *rows);
/* Several, one after the other, in both forms. */
void listing_all(CommandContext *context, const RevisionMap *map, const Script *const *scripts,
                 size_t count, const ListingForm *form);
/* The version rows of the database that --url names: what `current` means. */
ErrCode listing_rows(CommandContext *context, StrList *ret_rows, Error *err) MUST_CHECK;
/* The revisions that an argument of `show` or `edit` means. For `current` the database is asked:
 * they are those of its version rows, which `ret_rows` is set to; otherwise it is set to NULL. */
ErrCode listing_find(CommandContext *context, const RevisionMap *map, const char *wanted,
                     const Script ***ret_scripts, size_t *ret_count, const StrList **ret_rows,
                     Error *err) MUST_CHECK;
