/*
 * Numbered promises (ARCHITECTURE.md "Invariants"). A broken one is a defect of ours, and going on
 * could harm a shard: the process stops. Never compiled out.
 */
#pragma once

#include <assert.h>

#define INVARIANT(number, expr)                                                                    \
    ((expr) ? (void)0 : __assert_fail(#number ": " #expr, __FILE__, __LINE__, __func__))
