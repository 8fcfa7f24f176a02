/*
 * Why a shard is where it is, in sentences, from what engine/shard/shard_record.h wrote and, of a
 * fleet's shard, from what the coordinator remembers.
 */
#pragma once

#include "command.h"

#include <jansson.h>

/* `tell` is given each line. */
typedef void WhySay(void *data, const char *line);
void why_tell_record(Arena *arena, const char *name, const json_t *record, WhySay *tell,
                     void *data);
/* `view`: the coordinator's answer to VIEW_KIND_SHARD; `record` NULL when `unread` says why its own
 * rows could not be read. */
void why_tell_fleet(Arena *arena, const char *name, const json_t *view, const json_t *record,
                    const char *unread, WhySay *tell, void *data);
