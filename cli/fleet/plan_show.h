/*
 * A plan file as people read it: before it is signed, and by those who approve it. All that is told
 * comes from the file.
 */
#pragma once

#include "command.h"
#include "plan_codec.h"
#include "trust.h"

#include <jansson.h>

typedef struct ShownPlan {
    PlanHeader header;
    PlanShard *shards; /* in plan order */
    Digest digest;
    bool signature_checked;
} ShownPlan;

/* Reads and checks: the shards are the header's, and with `trust` (may be NULL) the author has
 * signed it and it is this fleet's. Everything lives in the command's arena. */
ErrCode plan_show_open(CommandContext *context, const char *path, const Trust *trust,
                       ShownPlan *ret_plan, Error *err) MUST_CHECK;
/* For people; the author by name when `trust` knows the key. */
void plan_show_tell(CommandContext *context, const ShownPlan *plan, const Trust *trust,
                    bool with_shards);
