/*
 * The journal: numbered records in a SQLite file, durable before anybody is told, chained by
 * hashes. The coordinator's record and the agent's ledger are both one.
 *
 * Each record has a hash over the hash before it, its numbers and its payload's digest (chain.h);
 * a file of format 1, whose hashes were over payloads, is chained anew when it is opened. SQLite
 * (WAL, synchronous=FULL) owns torn writes: after a crash the file holds a prefix of what was
 * appended, and every record that was reported persisted. The chain finds rot: opening checks every
 * record and refuses a damaged file. The epoch rises by one at each opening. One process at a time.
 *
 * Writing is a thread's: it commits all that waits (at most LIMIT_JOURNAL_BATCH) at once and tells
 * the loop how far it got. An error while writing is never retried, since after a failed fsync the
 * file's content is not known: the process says why on stderr and aborts.
 *
 * For tests, the environment kills the process (SIGKILL) at an exact record:
 *   PGTIDE_TEST_CRASH_BEFORE_RECORD=N  when all before record N is durable and N is to be written
 *   PGTIDE_TEST_CRASH_AFTER_RECORD=N   when N is durable and nobody has been told
 * N is the record's seq. Records after N are not in the file. They are read when a journal is
 * opened.
 */
#pragma once

#include "arena.h"
#include "ids.h"

#include <stdatomic.h>
#include <stddef.h>
#include <uv.h>

typedef struct Journal Journal;

typedef struct JournalRecord {
    uint64_t seq; /* from 1, without gaps */
    uint64_t epoch;
    uint32_t kind; /* the owner's; 0 is not used */
    const uint8_t *payload;
    size_t length;
    Digest hash; /* its place in the chain; set when it is read */
} JournalRecord;

/* How far a file goes. */
typedef struct JournalHead {
    uint64_t seq; /* of the last record; 0 = none */
    uint64_t epoch;
    Digest hash;
} JournalHead;

/* Opens or makes the file (mode 0600; its directory must exist), checks the whole chain, raises
 * the epoch. ERR_JOURNAL: damaged, the detail names the record. ERR_BUSY: another process has it.
 */
ErrCode journal_open(const char *path, Journal **ret_journal, Error *err) MUST_CHECK;
/* Writes all that waits, ends the thread, frees. NULL-safe. No callback runs after this; run the
 * loop once more before closing it. */
void journal_close(Journal *journal);

uint64_t journal_epoch(const Journal *journal);
/* The file was made by journal_copy() and nobody has taken over since: what was decided after it
 * was made is not in it. */
bool journal_is_copy(const Journal *journal);
/* Makes the epoch at least `epoch`, durably, and a copy the journal: an operator takes over from
 * another one. Returns when that is on disk. */
void journal_raise_epoch(Journal *journal, uint64_t epoch);
uint64_t journal_last_seq(const Journal *journal);  /* given out */
uint64_t journal_persisted(const Journal *journal); /* durable; equal when nothing waits */

/* Called with each record in order; the payload is borrowed. Another code than ERR_OK ends the
 * replay with that error. */
typedef ErrCode (*JournalVisit)(void *context, const JournalRecord *record, Error *err);
/* Records from `first_seq` on. Before journal_start() only. */
ErrCode journal_replay(Journal *journal, uint64_t first_seq, JournalVisit visit, void *context,
                       Error *err) MUST_CHECK;

/* At most `count` durable records from `first_seq` on, at any time. The writer waits meanwhile: ask
 * for few at a time. The loop's thread only. */
ErrCode journal_read(Journal *journal, uint64_t first_seq, uint64_t count, JournalVisit visit,
                     void *context, Error *err) MUST_CHECK;

/* Writes and returns when it is durable. Before journal_start() only. */
ErrCode journal_append_sync(Journal *journal, uint32_t kind, const void *payload, size_t length,
                            uint64_t *ret_seq, Error *err) MUST_CHECK;

/* All records up to `seq` are durable. Runs in the loop; one call may stand for many records. */
typedef void (*JournalOnPersisted)(void *context, uint64_t seq);
/* Starts the writer thread. */
ErrCode journal_start(Journal *journal, uv_loop_t *loop, JournalOnPersisted on_persisted,
                      void *context, Error *err) MUST_CHECK;
/*
 * Queues a record (copied) and gives it its number. Only ERR_LIMIT for a payload beyond
 * LIMIT_JOURNAL_RECORD_BYTES is possible. While the queue is full (LIMIT_JOURNAL_QUEUE_RECORDS or
 * _BYTES) this waits for the writer, which either gets on or ends the process: a decision is never
 * dropped. The loop's thread only.
 */
ErrCode journal_append(Journal *journal, uint32_t kind, const void *payload, size_t length,
                       uint64_t *ret_seq, Error *err) MUST_CHECK;

/*
 * Writes a file that must not exist with all that is durable at some moment of this call, while the
 * journal goes on. It blocks for as long as that takes: a thread of its own calls it, and the
 * journal is closed after it. ERR_INTERRUPTED when `stop` is set in the meantime.
 */
ErrCode journal_copy(Journal *journal, const char *path, const atomic_bool *stop,
                     Error *err) MUST_CHECK;
/* Reads such a file from end to end and checks the chain; changes nothing. ERR_JOURNAL: damaged. */
ErrCode journal_check(const char *path, JournalHead *ret_head, Error *err) MUST_CHECK;
