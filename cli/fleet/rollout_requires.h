/*
 * What another fleet's evidence has to prove before a plan that requires it is made: that a rollout
 * of the very same bundle has succeeded there. It is checked here, with that fleet's trust file,
 * and goes into the signed plan by its digest: neither the coordinator nor an agent has the file.
 */
#pragma once

#include "rollout_spec.h"

/* Fills the requirements of `spec->plan`. `bundle` is the manifest's digest. Errors have the line
 * of the rollout's file: those of `evidence verify`, and REFUSED: it proves something else. */
ErrCode rollout_requires_meet(Arena *arena, RolloutSpec *spec, const Digest *bundle,
                              Error *err) MUST_CHECK;
