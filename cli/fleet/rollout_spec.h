/*
 * A rollout's yaml file as the MakePlan request it stands for. Every wrong key or value is told
 * with its line.
 */
#pragma once

#include "command.h"

#include "operator.pb-c.h"

/* What another fleet's rollout has left behind, that is to meet a requirement. */
typedef struct EvidenceAsked {
    size_t index; /* of the plan's requirement */
    const char *path;
    const char *trust; /* path of that fleet's trust file */
    int line;
} EvidenceAsked;

typedef struct RolloutSpec {
    const char *path;
    Pgtide__V1__MakePlan plan; /* without the bundle's digest, and what evidence proves */
    const char *bundle;        /* path */
    EvidenceAsked *evidence;
    size_t evidence_count;
} RolloutSpec;

/* Everything lives in `arena`. ERR_CONFIG with file and line. */
ErrCode rollout_spec_read(Arena *arena, const char *path, RolloutSpec *ret_spec,
                          Error *err) MUST_CHECK;
/* docs/rollouts.md from docs/rollouts.in: what may stand in a file, from the tables that read it.
 */
void rollout_spec_markdown(const char *page, Str *out);
