/*
 * The journal's SQLite file: checked opening, reading, and writing one batch. No threads here;
 * journal.c sees to it that one thread at a time is inside.
 */
#pragma once

#include "ids.h"
#include "journal.h"

typedef struct Store Store;

typedef struct StoreHead {
    uint64_t seq; /* of the last record; 0 = none */
    uint64_t epoch;
    Digest hash;
} StoreHead;

/* Opens, checks the chain, raises the epoch by one. Returns owned. */
ErrCode store_open(const char *path, Store **ret_store, Error *err) MUST_CHECK;
void store_close(Store *store); /* NULL-safe */
const StoreHead *store_head(const Store *store);
/* At most `count` records from `first_seq` on. */
ErrCode store_visit(Store *store, uint64_t first_seq, uint64_t count, JournalVisit visit,
                    void *context, Error *err) MUST_CHECK;

/* One transaction: begin, records in order, commit. The head moves with the commit. An error leaves
 * the store unusable. */
ErrCode store_begin(Store *store, Error *err) MUST_CHECK;
ErrCode store_insert(Store *store, uint32_t kind, const void *payload, size_t length,
                     Error *err) MUST_CHECK;
ErrCode store_commit(Store *store, Error *err) MUST_CHECK;
/* A transaction of its own. Does nothing when the epoch is that high already. */
ErrCode store_raise_epoch(Store *store, uint64_t epoch, Error *err) MUST_CHECK;
