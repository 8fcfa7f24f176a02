/*
 * The writer thread. `mutex` guards the queue and the counters; `store_mutex` guards the store and
 * is taken first where both are. A queued record's number is fixed when it is queued, and only the
 * writer takes from the queue, in order: so the number is what the store gives it.
 */
#include "journal.h"

#include "journal_store.h"
#include "named_limits.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Queued Queued;

struct Queued {
    Queued *next;
    uint64_t seq;
    uint32_t kind;
    size_t length;
    uint8_t payload[];
};

struct Journal {
    Store *store;
    pthread_mutex_t store_mutex;

    pthread_mutex_t mutex;
    pthread_cond_t filled;  /* something is queued, or `closing` */
    pthread_cond_t drained; /* something was taken */
    Queued *first;
    Queued **last;
    size_t queue_records;
    size_t queue_bytes;
    uint64_t seq;       /* the last number given out */
    uint64_t persisted; /* the last durable one */
    uint64_t told;      /* what on_persisted last said; the loop's thread only */
    bool closing;

    bool started;
    pthread_t thread;
    uv_async_t *wake; /* freed by its close callback */
    JournalOnPersisted on_persisted;
    void *context;

    uint64_t crash_before; /* 0 = never */
    uint64_t crash_after;
};

/* ---- writing: an error ends the process ---- */

_Noreturn static void die(const Error *error)
{
    fprintf(stderr, "pgtide: %s (%s); stopping, since what is on disk is not known now\n",
            error->message, error->detail);
    abort();
}

static void must(ErrCode code, const Error *error)
{
    if (code != ERR_OK)
        die(error);
}

static void crash(void)
{
    raise(SIGKILL);
}

static bool crash_before(const Journal *journal, uint64_t seq)
{
    return journal->crash_before == seq && seq != 0;
}

/* Whether a batch has to end with this record, so that a crash hits exactly there. */
static bool ends_batch(const Journal *journal, uint64_t seq)
{
    return (journal->crash_after == seq && seq != 0) || crash_before(journal, seq + 1);
}

/* Writes the list's records in one transaction. */
static void write_batch(Journal *journal, const Queued *batch)
{
    Error error;
    if (crash_before(journal, batch->seq))
        crash();
    pthread_mutex_lock(&journal->store_mutex);
    must(store_begin(journal->store, &error), &error);
    uint64_t last = 0;
    for (const Queued *record = batch; record != NULL; record = record->next) {
        must(store_insert(journal->store, record->kind, record->payload, record->length, &error),
             &error);
        last = record->seq;
    }
    must(store_commit(journal->store, &error), &error);
    pthread_mutex_unlock(&journal->store_mutex);
    if (journal->crash_after == last && last != 0)
        crash();
}

static void free_records(Queued *record)
{
    while (record != NULL) {
        Queued *next = record->next;
        free(record);
        record = next;
    }
}

/* Waits for records and takes a batch off the queue; NULL when closing and nothing is left. */
static Queued *take_batch(Journal *journal)
{
    pthread_mutex_lock(&journal->mutex);
    while (journal->first == NULL && !journal->closing)
        pthread_cond_wait(&journal->filled, &journal->mutex);
    Queued *batch = journal->first;
    Queued *record = batch;
    Queued *end = NULL;
    for (int taken = 0; record != NULL && taken < LIMIT_JOURNAL_BATCH; taken++) {
        journal->queue_records--;
        journal->queue_bytes -= record->length;
        end = record;
        record = record->next;
        if (ends_batch(journal, end->seq))
            break;
    }
    if (end != NULL)
        end->next = NULL;
    journal->first = record;
    if (record == NULL)
        journal->last = &journal->first;
    pthread_cond_signal(&journal->drained);
    pthread_mutex_unlock(&journal->mutex);
    return batch;
}

static uint64_t last_of(const Queued *record)
{
    while (record->next != NULL)
        record = record->next;
    return record->seq;
}

static void *writer_main(void *context)
{
    Journal *journal = context;
    Queued *batch;
    while ((batch = take_batch(journal)) != NULL) {
        write_batch(journal, batch);
        pthread_mutex_lock(&journal->mutex);
        journal->persisted = last_of(batch);
        pthread_mutex_unlock(&journal->mutex);
        uv_async_send(journal->wake);
        free_records(batch);
    }
    return NULL;
}

/* ---- the loop's side ---- */

static uint64_t env_record(const char *name)
{
    const char *text = getenv(name);
    return text == NULL ? 0 : strtoull(text, NULL, 10);
}

ErrCode journal_open(const char *path, Journal **ret_journal, Error *err)
{
    Store *store = NULL;
    ErrCode code = store_open(path, &store, err);
    if (code != ERR_OK)
        return code;
    Journal *journal = xcalloc(1, sizeof *journal);
    journal->store = store;
    journal->seq = journal->persisted = journal->told = store_head(store)->seq;
    journal->last = &journal->first;
    journal->crash_before = env_record("PGTIDE_TEST_CRASH_BEFORE_RECORD");
    journal->crash_after = env_record("PGTIDE_TEST_CRASH_AFTER_RECORD");
    pthread_mutex_init(&journal->store_mutex, NULL);
    pthread_mutex_init(&journal->mutex, NULL);
    pthread_cond_init(&journal->filled, NULL);
    pthread_cond_init(&journal->drained, NULL);
    *ret_journal = journal;
    return ERR_OK;
}

static void on_wake_closed(uv_handle_t *handle)
{
    free(handle);
}

void journal_close(Journal *journal)
{
    if (journal == NULL)
        return;
    if (journal->started) {
        pthread_mutex_lock(&journal->mutex);
        journal->closing = true;
        pthread_cond_signal(&journal->filled);
        pthread_mutex_unlock(&journal->mutex);
        pthread_join(journal->thread, NULL);
        uv_close((uv_handle_t *)journal->wake, on_wake_closed);
    }
    store_close(journal->store);
    pthread_mutex_destroy(&journal->store_mutex);
    pthread_mutex_destroy(&journal->mutex);
    pthread_cond_destroy(&journal->filled);
    pthread_cond_destroy(&journal->drained);
    free(journal);
}

uint64_t journal_epoch(const Journal *journal)
{
    Journal *self = (Journal *)journal;
    pthread_mutex_lock(&self->store_mutex);
    uint64_t epoch = store_head(self->store)->epoch;
    pthread_mutex_unlock(&self->store_mutex);
    return epoch;
}

bool journal_is_copy(const Journal *journal)
{
    return store_is_copy(journal->store);
}

uint64_t journal_last_seq(const Journal *journal)
{
    return journal->seq;
}

uint64_t journal_persisted(const Journal *journal)
{
    Journal *self = (Journal *)journal;
    pthread_mutex_lock(&self->mutex);
    uint64_t persisted = self->persisted;
    pthread_mutex_unlock(&self->mutex);
    return persisted;
}

void journal_raise_epoch(Journal *journal, uint64_t epoch)
{
    Error error;
    pthread_mutex_lock(&journal->store_mutex);
    must(store_raise_epoch(journal->store, epoch, &error), &error);
    pthread_mutex_unlock(&journal->store_mutex);
}

static ErrCode not_after_start(const Journal *journal, Error *err)
{
    if (!journal->started)
        return ERR_OK;
    return err_set(err, ERR_INTERNAL, "the journal's writer has the file already");
}

ErrCode journal_replay(Journal *journal, uint64_t first_seq, JournalVisit visit, void *context,
                       Error *err)
{
    ErrCode code = not_after_start(journal, err);
    return code != ERR_OK ? code
                          : store_visit(journal->store, first_seq, UINT64_MAX, visit, context, err);
}

ErrCode journal_read(Journal *journal, uint64_t first_seq, uint64_t count, JournalVisit visit,
                     void *context, Error *err)
{
    pthread_mutex_lock(&journal->store_mutex);
    ErrCode code = store_visit(journal->store, first_seq, count, visit, context, err);
    pthread_mutex_unlock(&journal->store_mutex);
    return code;
}

static ErrCode copy_some(Journal *journal, StoreCopy *copy, bool *ret_done, Error *err)
{
    pthread_mutex_lock(&journal->store_mutex);
    ErrCode code = store_copy_step(copy, ret_done, err);
    pthread_mutex_unlock(&journal->store_mutex);
    return code;
}

ErrCode journal_copy(Journal *journal, const char *path, const atomic_bool *stop, Error *err)
{
    StoreCopy *copy = NULL;
    pthread_mutex_lock(&journal->store_mutex);
    ErrCode code = store_copy_begin(journal->store, path, &copy, err);
    pthread_mutex_unlock(&journal->store_mutex);
    bool done = false;
    while (code == ERR_OK && !done) {
        if (atomic_load(stop))
            code = err_set(err, ERR_INTERRUPTED, "the copy was interrupted");
        else
            code = copy_some(journal, copy, &done, err);
    }
    /* It takes itself off the source. */
    pthread_mutex_lock(&journal->store_mutex);
    ErrCode ended = store_copy_end(copy, code == ERR_OK ? err : NULL);
    pthread_mutex_unlock(&journal->store_mutex);
    return code == ERR_OK ? ended : code;
}

ErrCode journal_check(const char *path, JournalHead *ret_head, Error *err)
{
    return store_check(path, ret_head, err);
}

static ErrCode new_record(uint32_t kind, const void *payload, size_t length, Queued **ret_record,
                          Error *err)
{
    if (length > LIMIT_JOURNAL_RECORD_BYTES)
        return err_set(err, ERR_LIMIT, "a journal record of %zu bytes is larger than %d", length,
                       LIMIT_JOURNAL_RECORD_BYTES);
    if (kind == 0)
        return err_set(err, ERR_INTERNAL, "a journal record must have a kind");
    Queued *record = xcalloc(1, sizeof *record + length);
    record->kind = kind;
    record->length = length;
    if (length > 0)
        memcpy(record->payload, payload, length);
    *ret_record = record;
    return ERR_OK;
}

ErrCode journal_append_sync(Journal *journal, uint32_t kind, const void *payload, size_t length,
                            uint64_t *ret_seq, Error *err)
{
    ErrCode code = not_after_start(journal, err);
    Queued *record = NULL;
    if (code == ERR_OK)
        code = new_record(kind, payload, length, &record, err);
    if (code != ERR_OK)
        return code;
    record->seq = ++journal->seq;
    write_batch(journal, record);
    journal->persisted = journal->told = record->seq;
    free_records(record);
    *ret_seq = journal->seq;
    return ERR_OK;
}

static void on_wake(uv_async_t *wake)
{
    Journal *journal = wake->data;
    uint64_t persisted = journal_persisted(journal);
    if (persisted == journal->told)
        return;
    journal->told = persisted;
    journal->on_persisted(journal->context, persisted);
}

ErrCode journal_start(Journal *journal, uv_loop_t *loop, JournalOnPersisted on_persisted,
                      void *context, Error *err)
{
    ErrCode code = not_after_start(journal, err);
    if (code != ERR_OK)
        return code;
    uv_async_t *wake = xcalloc(1, sizeof *wake);
    int status = uv_async_init(loop, wake, on_wake);
    if (status != 0) {
        free(wake);
        return err_set(err, ERR_INTERNAL, "cannot start the journal's writer: %s",
                       uv_strerror(status));
    }
    wake->data = journal;
    journal->wake = wake;
    journal->on_persisted = on_persisted;
    journal->context = context;
    status = pthread_create(&journal->thread, NULL, writer_main, journal);
    if (status != 0) {
        uv_close((uv_handle_t *)wake, on_wake_closed);
        return err_set(err, ERR_INTERNAL, "cannot start the journal's writer: %s",
                       strerror(status));
    }
    journal->started = true;
    return ERR_OK;
}

static bool is_full(const Journal *journal, size_t length)
{
    return journal->queue_records == LIMIT_JOURNAL_QUEUE_RECORDS ||
           (journal->queue_records > 0 &&
            journal->queue_bytes + length > LIMIT_JOURNAL_QUEUE_BYTES);
}

ErrCode journal_append(Journal *journal, uint32_t kind, const void *payload, size_t length,
                       uint64_t *ret_seq, Error *err)
{
    if (!journal->started)
        return err_set(err, ERR_INTERNAL, "the journal's writer is not running");
    Queued *record = NULL;
    ErrCode code = new_record(kind, payload, length, &record, err);
    if (code != ERR_OK)
        return code;
    pthread_mutex_lock(&journal->mutex);
    while (is_full(journal, length))
        pthread_cond_wait(&journal->drained, &journal->mutex);
    record->seq = ++journal->seq;
    *journal->last = record;
    journal->last = &record->next;
    journal->queue_records++;
    journal->queue_bytes += length;
    pthread_cond_signal(&journal->filled);
    pthread_mutex_unlock(&journal->mutex);
    /* The record may be written and gone by now. */
    *ret_seq = journal->seq;
    return ERR_OK;
}
