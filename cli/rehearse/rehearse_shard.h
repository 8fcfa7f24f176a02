/*
 * A shard of the fleet as the source of a rehearsal: its agent reads what is needed.
 */
#pragma once

#include "rehearse_copy.h"

/* `name`: CLUSTER/DATABASE[/SCHEMA] as `fleet shards` shows it, or its uuid. */
ErrCode copy_source_of_shard(CommandContext *context, const char *name, CopySource *ret_source,
                             Error *err) MUST_CHECK;
