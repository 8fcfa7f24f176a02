/*
 * How revisions are shown by heads, history, branches and show.
 */
#pragma once

#include "command.h"
#include "project.h"

/* One line: "006_x -> 007_y (head), add user bio". */
void listing_line(CommandContext *context, const RevisionMap *map, const Script *script,
                  bool is_current);
/* Several lines: file, parents, labels, dates. */
void listing_verbose(CommandContext *context, const RevisionMap *map, const Script *script,
                     bool is_current);
/* The revision as a JSON object. */
void listing_json(JsonWriter *json, const RevisionMap *map, const Script *script, bool is_current);
