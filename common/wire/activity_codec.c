#include "activity_codec.h"

#include "codec_common.h"

#include "named_limits.h"

#include <string.h>

_Static_assert((int)PGTIDE__V1__ACTIVITY_KIND__ACTIVITY_KIND_BACKFILL == (int)ACTIVITY_BACKFILL,
               "");

static ErrCode text_decode(const char *field, const char *what, const char **out, Error *err)
{
    CHECK(proto_count(strlen(field), LIMIT_ACTIVITY_TEXT_BYTES, what, err));
    return proto_text(field, what, out, err);
}

static ErrCode blocker_decode(const Pgtide__V1__Blocker *in, Blocker *out, Error *err)
{
    out->pid = in->pid;
    out->since_ms = in->since_ms;
    CHECK(text_decode(in->user, "bytes in a blocker's user", &out->user, err));
    CHECK(text_decode(in->application, "bytes in a blocker's name", &out->application, err));
    return text_decode(in->query_class, "bytes in a class of query", &out->query_class, err);
}

ErrCode activity_decode(const Pgtide__V1__Activity *in, Activity *out, Error *err)
{
    *out = (Activity){.what = "", .held_back = "", .blocker = {0, "", "", "", 0}};
    if (in == NULL)
        return ERR_OK;
    CHECK(proto_enum((int)in->kind, ACTIVITY_KIND_COUNT, "activity", err));
    CHECK(proto_count(in->percent, 100, "percent", err));
    CHECK(text_decode(in->what, "bytes in an activity", &out->what, err));
    CHECK(text_decode(in->held_back, "bytes in what holds it back", &out->held_back, err));
    out->kind = (ActivityKind)in->kind;
    out->unit = in->unit;
    out->unit_count = in->unit_count;
    out->done = in->done;
    out->total = in->total;
    out->percent = in->percent;
    out->rate_per_s = in->rate_per_s;
    out->eta_ms = in->eta_ms;
    out->waiting_behind = in->waiting_behind;
    out->has_blocker = in->blocker != NULL;
    return in->blocker == NULL ? ERR_OK : blocker_decode(in->blocker, &out->blocker, err);
}

Pgtide__V1__Activity *activity_encode(Arena *arena, const Activity *activity)
{
    if (activity->kind == ACTIVITY_UNSPECIFIED)
        return NULL;
    Pgtide__V1__Activity *out = ARENA_NEW(arena, Pgtide__V1__Activity);
    pgtide__v1__activity__init(out);
    out->kind = (Pgtide__V1__ActivityKind)activity->kind;
    out->what = proto_from_text(activity->what);
    out->unit = activity->unit;
    out->unit_count = activity->unit_count;
    out->done = activity->done;
    out->total = activity->total;
    out->percent = activity->percent;
    out->rate_per_s = activity->rate_per_s;
    out->eta_ms = activity->eta_ms;
    out->held_back = proto_from_text(activity->held_back);
    out->waiting_behind = activity->waiting_behind;
    if (!activity->has_blocker)
        return out;
    out->blocker = ARENA_NEW(arena, Pgtide__V1__Blocker);
    pgtide__v1__blocker__init(out->blocker);
    out->blocker->pid = activity->blocker.pid;
    out->blocker->user = proto_from_text(activity->blocker.user);
    out->blocker->application = proto_from_text(activity->blocker.application);
    out->blocker->query_class = proto_from_text(activity->blocker.query_class);
    out->blocker->since_ms = activity->blocker.since_ms;
    return out;
}
