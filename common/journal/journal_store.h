/*
 * The journal's SQLite file: checked opening, reading, and writing one batch. No threads here;
 * journal.c sees to it that one thread at a time is inside.
 */
#pragma once

#include "ids.h"
#include "journal.h"

typedef struct Store Store;

typedef JournalHead StoreHead;

/* Opens, checks the chain, raises the epoch by one. Returns owned. */
ErrCode store_open(const char *path, Store **ret_store, Error *err) MUST_CHECK;
void store_close(Store *store); /* NULL-safe */
const StoreHead *store_head(const Store *store);
bool store_is_copy(const Store *store); /* and its epoch was not raised since */
/* At most `count` records from `first_seq` on. */
ErrCode store_visit(Store *store, uint64_t first_seq, uint64_t count, JournalVisit visit,
                    void *context, Error *err) MUST_CHECK;

/* One transaction: begin, records in order, commit. The head moves with the commit. An error leaves
 * the store unusable. */
ErrCode store_begin(Store *store, Error *err) MUST_CHECK;
ErrCode store_insert(Store *store, uint32_t kind, const void *payload, size_t length,
                     Error *err) MUST_CHECK;
ErrCode store_commit(Store *store, Error *err) MUST_CHECK;
/* A transaction of its own. The epoch stays when it is that high already. */
ErrCode store_raise_epoch(Store *store, uint64_t epoch, Error *err) MUST_CHECK;

/* A copy in the making, page by page: what is written to the store meanwhile is in it too. */
typedef struct StoreCopy StoreCopy;
ErrCode store_copy_begin(Store *store, const char *path, StoreCopy **ret_copy,
                         Error *err) MUST_CHECK;
ErrCode store_copy_step(StoreCopy *copy, bool *ret_done, Error *err) MUST_CHECK;
/* Makes the file durable if the steps were done. Frees; NULL-safe. */
ErrCode store_copy_end(StoreCopy *copy, Error *err) MUST_CHECK;
/* Reads and checks a file that is no store's; changes nothing. */
ErrCode store_check(const char *path, StoreHead *ret_head, Error *err) MUST_CHECK;
