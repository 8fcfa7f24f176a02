#include "autogen_safe.h"

/* Of one question. */
typedef struct Asked {
    Arena *arena;
    TableFacts *facts;
} Asked;

static void on_facts(const PgReply *reply, void *data)
{
    Asked *asked = data;
    const PgResult *result = &reply->results[reply->count - 1];
    TableFacts *facts = asked->facts;
    facts->items = ARENA_ARRAY(asked->arena, TableFact, pg_rows(result) + 1);
    for (size_t row = 0; row < pg_rows(result); row++) {
        facts->items[facts->count++] = (TableFact){
            .kind = arena_strdup(asked->arena, pg_text(result, row, 0)),
            .name = arena_strdup(asked->arena, pg_text(result, row, 1)),
            .a = arena_strdup(asked->arena, pg_text(result, row, 2)),
            .b = arena_strdup(asked->arena, pg_text(result, row, 3)),
            .c = arena_strdup(asked->arena, pg_text(result, row, 4)),
        };
    }
}

ErrCode autogen_safe(Trial *trial, Arena *arena, const Script *script, Rewritten *ret_rewritten,
                     Error *err)
{
    FactsList tables = rewrite_tables(arena, script);
    for (size_t i = 0; i < tables.count; i++) {
        Asked asked = {arena, &tables.items[i]};
        ErrCode code =
            trial_query(trial, rewrite_facts_query(arena, &tables.items[i]), on_facts, &asked, err);
        if (code != ERR_OK)
            return code;
    }
    return rewrite_script(arena, script, &tables, ret_rewritten, err);
}
