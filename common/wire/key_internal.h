/*
 * The seed, for key_file.c alone: nothing else may read it.
 */
#pragma once

#include "key.h"

const uint8_t *key_seed(const SecretKey *key); /* borrows */
