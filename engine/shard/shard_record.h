/*
 * What a shard's own rows say of it, as JSON: what `pgtide why` is told from, whether the command
 * line or an agent has read them.
 */
#pragma once

#include "json.h"
#include "shard.h"

/* What to read for it. */
ReadArgs shard_record_args(void);
/* One object. */
void shard_record_write(JsonWriter *json, const DatabaseReading *reading);
