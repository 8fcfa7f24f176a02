#include "backoff.h"

/* xorshift64*: jitter needs no better. */
static uint64_t next_random(uint64_t *random)
{
    uint64_t x = *random == 0 ? 1 : *random;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *random = x;
    return x * UINT64_C(0x2545f4914f6cdd1d);
}

uint64_t backoff_ms(uint64_t first_ms, uint64_t limit_ms, uint32_t tries, uint64_t *random)
{
    uint64_t pause = first_ms;
    for (uint32_t i = 1; i < tries && pause < limit_ms; i++)
        pause *= 2;
    if (pause > limit_ms)
        pause = limit_ms;
    return pause / 2 + next_random(random) % (pause / 2 + 1);
}
