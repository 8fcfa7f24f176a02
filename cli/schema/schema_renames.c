#include "schema_renames.h"

#include "named_limits.h"

#include <string.h>

/* The last '=' that is in no quoted name. */
static const char *find_equals(const char *text)
{
    const char *found = NULL;
    bool quoted = false;
    for (const char *at = text; *at != '\0'; at++) {
        quoted = quoted != (*at == '"');
        found = *at == '=' && !quoted ? at : found;
    }
    return found;
}

/* "public.users.name=full_name", "public.users=people": what it is called in the first schema. */
static ErrCode read_rename(Arena *arena, const SchemaModel *from, const char *text,
                           SchemaRename *ret_rename, Error *err)
{
    const char *equals = find_equals(text);
    if (equals == NULL || equals == text || equals[1] == '\0') {
        err_set(err, ERR_USAGE, "--rename %.150s: OLD=NEW is needed", text);
        err_hint(err, "OLD as in a dump (public.users, public.users.name), NEW its new last part.");
        return ERR_USAGE;
    }
    SchemaRename rename = {.from = arena_strndup(arena, text, (size_t)(equals - text)),
                           .to = arena_strdup(arena, equals + 1)};
    rename.kind = schema_find(from, "table", rename.from) != NULL ? "table" : "column";
    *ret_rename = rename;
    return ERR_OK;
}

ErrCode schema_renames_read(CommandContext *context, const SchemaModel *from,
                            SchemaRenames *ret_renames, Error *err)
{
    StrList texts = context_options(context, "rename");
    if (texts.count > LIMIT_SCHEMA_RENAMES)
        return err_set(err, ERR_LIMIT, "--rename: at most %d", LIMIT_SCHEMA_RENAMES);
    SchemaRename *items = ARENA_ARRAY(context->arena, SchemaRename, texts.count + 1);
    for (size_t i = 0; i < texts.count; i++) {
        ErrCode code = read_rename(context->arena, from, texts.items[i], &items[i], err);
        if (code != ERR_OK)
            return code;
    }
    *ret_renames = (SchemaRenames){items, texts.count};
    return ERR_OK;
}

SchemaRenames schema_renames_back(Arena *arena, const SchemaRenames *renames)
{
    SchemaRename *back = ARENA_ARRAY(arena, SchemaRename, renames->count + 1);
    for (size_t i = 0; i < renames->count; i++) {
        const SchemaRename *rename = &renames->items[renames->count - 1 - i];
        size_t last = 0; /* where the last part of the name begins */
        bool quoted = false;
        for (size_t at = 0; rename->from[at] != '\0'; at++) {
            quoted = quoted != (rename->from[at] == '"');
            last = rename->from[at] == '.' && !quoted ? at + 1 : last;
        }
        back[i] = (SchemaRename){
            .kind = rename->kind,
            .from = arena_printf(arena, "%.*s%s", (int)last, rename->from, rename->to),
            .to = arena_strdup(arena, rename->from + last),
        };
    }
    return (SchemaRenames){back, renames->count};
}
