/*
 * `fleet adopt` on this agent's shards: verifies the operator's signed request (the coordinator
 * only passes it on), claims the shard with it in one transaction, and reports when a listing that
 * shows it is on its way. What is asked again is answered again: the request's id is the operation
 * in the shard's history.
 */
#pragma once

#include "message.h"
#include "shards.h"
#include "trust.h"

typedef struct Adoptions Adoptions;

typedef struct AdoptionsSettings {
    uv_loop_t *loop;
    const AgentSettings *settings;
    const Trust *trust;
    Shards *shards;
    /* Copied by the receiver. */
    void (*report)(void *context, const AdoptDone *done);
    void *context;
} AdoptionsSettings;

Adoptions *adoptions_new(const AdoptionsSettings *settings); /* borrows; returns owned */
void adoptions_free(Adoptions *adoptions);                   /* NULL-safe; ends what is under way */
void adoptions_set_trust(Adoptions *adoptions, const Trust *trust);
/* A command with a request envelope, of a coordinator of this epoch. */
void adoptions_take(Adoptions *adoptions, const AdoptCommand *command, uint64_t epoch);
/* A listing is complete, and has been sent. */
void adoptions_listed(Adoptions *adoptions);
