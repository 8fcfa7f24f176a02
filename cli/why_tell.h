/*
 * Why a shard is where it is, in sentences, from what engine/shard_record.h wrote and, of a fleet's
 * shard, from what the coordinator remembers.
 */
#pragma once

#include "command.h"

#include <jansson.h>

/* `tell` is given each line. */
typedef void WhySay(void *data, const char *line);
void why_tell_record(Arena *arena, const char *name, const json_t *record, WhySay *tell,
                     void *data);
