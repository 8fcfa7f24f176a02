/*
 * A rollout's yaml file as the MakePlan request it stands for. Every wrong key or value is told
 * with its line.
 */
#pragma once

#include "command.h"

#include "operator.pb-c.h"

typedef struct RolloutSpec {
    Pgtide__V1__MakePlan plan; /* without the bundle's digest */
    const char *bundle;        /* path */
} RolloutSpec;

/* Everything lives in `arena`. ERR_CONFIG with file and line. */
ErrCode rollout_spec_read(Arena *arena, const char *path, RolloutSpec *ret_spec,
                          Error *err) MUST_CHECK;
/* docs/rollouts.md from docs/rollouts.in: what may stand in a file, from the tables that read it.
 */
void rollout_spec_markdown(const char *page, Str *out);
