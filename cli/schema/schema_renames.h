/*
 * What --rename says: that something has a new name, and was not dropped and made anew.
 */
#pragma once

#include "command.h"
#include "schema_diff.h"

#define SCHEMA_RENAME_OPTION                                                                       \
    {                                                                                              \
        "rename", 0, "OLD=NEW", "a table or column that has a new name; may be given again"        \
    }

typedef struct SchemaRenames {
    SchemaRename *items;
    size_t count;
} SchemaRenames;

/* All that are given, in their order; `from` is the schema that has the old names. ERR_USAGE,
 * ERR_LIMIT. */
ErrCode schema_renames_read(CommandContext *context, const SchemaModel *from,
                            SchemaRenames *ret_renames, Error *err) MUST_CHECK;
/* The same for the way back: the last first. */
SchemaRenames schema_renames_back(Arena *arena, const SchemaRenames *renames);
