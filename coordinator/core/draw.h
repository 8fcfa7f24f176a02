/*
 * Drawing by a seed that the caller gives: the same seed draws the same numbers everywhere.
 */
#pragma once

#include <stdint.h>

/* The next number of splitmix64 (Steele, Lea, Flood 2014). */
static inline uint64_t draw_next(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u;
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}
