/*
 * `pgtide stamp --from-tool`: the shard's version rows are set to what another tool's own table
 * says was applied.
 *
 *   read -> is the tool's table there? -> what does it hold? -> rows -> claim -> stamp
 *
 * The tool's table is only read.
 */
#pragma once

#include "run.h"

#define STAMP_FROM_TOOL_OPTIONS                                                                    \
    {"from-tool", 0, "TOOL", "take the rows from another tool's own table; auto finds it out"},    \
    {                                                                                              \
        "tool-table", 0, "NAME", "that table, when it is not where the tool puts it"               \
    }

/* The details for --help. */
#define STAMP_FROM_TOOL_DETAILS                                                                    \
    "--from-tool reads what another tool has applied in the database from that tool's own table, " \
    "and stamps the revisions that were imported from it (`pgtide import`; each file says so in "  \
    "`origin:`). It is refused when a migration broke off, when the table holds one that no "      \
    "revision here is, when one was applied without one that it builds on, and when the shard "    \
    "stands where the tool never brought it. auto asks for the tables of those tools that this "   \
    "project was imported from."

/* For one database or many. */
ErrCode stamp_from_tool(CommandContext *context, Error *err) MUST_CHECK;
