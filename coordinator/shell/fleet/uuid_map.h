/*
 * A hash map from UUIDs to numbers. Its hash is keyed at random: uuids come from outside.
 */
#pragma once

#include "ids.h"

typedef struct UuidMap UuidMap;

UuidMap *uuid_map_new(void); /* returns owned */
void uuid_map_free(UuidMap *map);
void uuid_map_clear(UuidMap *map);
/* Adds or replaces. */
void uuid_map_put(UuidMap *map, const Uuid *uuid, uint64_t value);
bool uuid_map_get(const UuidMap *map, const Uuid *uuid, uint64_t *ret_value);
size_t uuid_map_count(const UuidMap *map);
