#include "facts_codec.h"

#include "codec_common.h"
#include "named_limits.h"

#include <string.h>

static ErrCode item_decode(const Pgtide__V1__StatementFacts *in, StatementFacts *out, Error *err)
{
    if (!revision_id_is_valid(in->revision))
        return err_set(err, ERR_PROTOCOL, "revision of a statement: not a revision id");
    CHECK(proto_count(strlen(in->what), LIMIT_ACTIVITY_TEXT_BYTES, "bytes of a statement", err));
    CHECK(proto_text(in->what, "statement", &out->what, err));
    out->revision = in->revision;
    out->line = in->line;
    out->statements = in->statements;
    out->duration_ms = in->duration_ms;
    out->lock_wait_ms = in->lock_wait_ms;
    out->wal_bytes = in->wal_bytes;
    out->rows = in->rows;
    out->failed = in->failed != 0;
    return ERR_OK;
}

ErrCode facts_decode(Arena *arena, Pgtide__V1__StatementFacts *const *items, size_t count,
                     FactList *out, Error *err)
{
    FactList list = {0};
    CHECK(proto_count(count, LIMIT_FACTS_PER_REPORT, "statements of a job", err));
    for (size_t i = 0; i < count; i++) {
        StatementFacts item = {0};
        CHECK(item_decode(items[i], &item, err));
        facts_add(arena, &list, &item);
    }
    *out = list;
    return ERR_OK;
}

Pgtide__V1__StatementFacts **facts_encode(Arena *arena, const FactList *list)
{
    Pgtide__V1__StatementFacts **out =
        ARENA_ARRAY(arena, Pgtide__V1__StatementFacts *, list->count + 1);
    for (size_t i = 0; i < list->count; i++) {
        const StatementFacts *from = &list->items[i];
        out[i] = ARENA_NEW(arena, Pgtide__V1__StatementFacts);
        pgtide__v1__statement_facts__init(out[i]);
        out[i]->revision = proto_from_text(from->revision);
        out[i]->line = from->line;
        out[i]->what = proto_from_text(from->what);
        out[i]->statements = from->statements;
        out[i]->duration_ms = from->duration_ms;
        out[i]->lock_wait_ms = from->lock_wait_ms;
        out[i]->wal_bytes = from->wal_bytes;
        out[i]->rows = from->rows;
        out[i]->failed = from->failed;
    }
    return out;
}
