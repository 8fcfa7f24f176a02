/*
 * From a RunShards command to jobs, and from a LookAtGate command to looks: fetch what it names,
 * verify it once, then each of its shards; what does not hold is reported as refused and touches
 * nothing.
 */
#pragma once

#include "fetch.h"
#include "jobs.h"
#include "looks.h"

typedef struct Orders Orders;

typedef struct OrdersSettings {
    ExecWorld *world;
    const Trust *trust;
    BlobStore *blobs;
    Fetch *fetch;
    Jobs *jobs;
    Looks *looks;
    size_t approvals_min; /* of this host, whatever a plan asks for */
} OrdersSettings;

/* Borrows everything. Returns owned. */
Orders *orders_new(const OrdersSettings *settings);
void orders_free(Orders *orders); /* NULL-safe; after the jobs */
/* Another trust file: what was verified by the former one is verified again. */
void orders_set_trust(Orders *orders, const Trust *trust);

void orders_run(Orders *orders, const RunShards *run);
void orders_look(Orders *orders, const LookAtGate *look);
/* A blob has arrived, or can't be had. */
void orders_blob(Orders *orders, const Digest *digest, const Error *err);
/* The first listing is there: which shards are this agent's is known, so orders can be judged. */
void orders_listed(Orders *orders);
/* Forgets what waits for blobs: of one rollout, or all (nil). */
void orders_stop(Orders *orders, const Uuid *rollout);
