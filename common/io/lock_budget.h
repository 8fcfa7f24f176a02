/*
 * How long others may wait behind a step, as people write it: a duration, or "none".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* LOCK_BUDGET_NONE for "none"; false for what is no duration or out of bounds (100ms to 10m). */
bool lock_budget_parse(const char *text, uint32_t *ret_ms);
