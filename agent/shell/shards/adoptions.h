/*
 * `fleet adopt` on this agent's shards: an admin's AdoptShard request (tasks.h) claims the shard in
 * one transaction, and is answered when a listing that shows it is on its way. What is asked again
 * is answered again: the request's id is the operation in the shard's history.
 */
#pragma once

#include "ledger.h"
#include "shards.h"
#include "tasks.h"

typedef struct Adoptions Adoptions;

typedef struct AdoptionsSettings {
    uv_loop_t *loop;
    const AgentSettings *settings;
    const Ledger *ledger; /* the epoch */
    Shards *shards;
    Uuid fleet_id;
} AdoptionsSettings;

Adoptions *adoptions_new(const AdoptionsSettings *settings); /* borrows; returns owned */
void adoptions_free(Adoptions *adoptions); /* NULL-safe; ends what is under way; before the tasks */
/* TaskHandler for AdoptShard requests; the context is the Adoptions. */
void adoptions_handle(void *adoptions, Task *task);
/* A listing is complete, and has been sent. */
void adoptions_listed(Adoptions *adoptions);
