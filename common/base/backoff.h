/*
 * Pauses between tries.
 */
#pragma once

#include <stdint.h>

/* After the first try (`tries` 1) about `first_ms`, doubled with each other up to `limit_ms`. Half
 * of the pause is fixed and half is drawn, so that those who failed together do not come back
 * together. `random` is the caller's state of the generator: any seed. */
uint64_t backoff_ms(uint64_t first_ms, uint64_t limit_ms, uint32_t tries, uint64_t *random);
