/*
 * New tenants, born where the fleet stands: an operator's Provision request makes a database (or a
 * schema of one) and runs in it what leads from nothing to a plan's target, from that plan's
 * bundle.
 *
 * The operator signs the tenant's name and the plan's digest. The plan's own signatures say that
 * the bundle and the target were approved; that approvals have expired since does not matter, it
 * was rolled out under them. What is left of a request that was cut off is taken up by the next
 * one: a database that is there is taken when it is empty, or this fleet's.
 */
#pragma once

#include "fetch.h"
#include "ledger.h"
#include "shards.h"
#include "tasks.h"

typedef struct Provision Provision;

typedef struct ProvisionSettings {
    uv_loop_t *loop;
    const AgentSettings *settings;
    const Ledger *ledger; /* the epoch */
    Shards *shards;       /* read anew when a tenant is there */
    BlobStore *blobs;
    Fetch *fetch;
    const Trust *trust;
} ProvisionSettings;

/* Borrows everything. Returns owned. */
Provision *provision_new(const ProvisionSettings *settings);
void provision_free(Provision *provision); /* NULL-safe; closes what is open */
void provision_set_trust(Provision *provision, const Trust *trust);

/* TaskHandler for Provision requests; the context is the Provision. */
void provision_handle(void *provision, Task *task);
/* A blob has come, or can't be had. */
void provision_blob(Provision *provision, const Digest *digest, const Error *err);
