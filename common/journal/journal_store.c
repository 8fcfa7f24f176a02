#include "journal_store.h"

#include "chain.h"
#include "digest.h"
#include "file.h"
#include "str.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    JOURNAL_FORMAT = 2,
    JOURNAL_FORMAT_PAYLOAD = 1, /* hashes were over payloads, not over their digests */
    /* "pgtj", so that file(1) and we know a journal from another SQLite file. */
    JOURNAL_APPLICATION_ID = 0x7067746A,
    CHECKPOINT_PAGES = 1000,
};

struct Store {
    sqlite3 *db;
    char *path;
    sqlite3_stmt *insert;
    sqlite3_stmt *set_head;
    StoreHead head;    /* as committed */
    StoreHead pending; /* with the open transaction's records */
    uint64_t format;
    int wal_pages;
    bool is_copy;
};

static ErrCode sqlite_error(const Store *store, const char *what, Error *err)
{
    int status = sqlite3_extended_errcode(store->db);
    if ((status & 0xFF) == SQLITE_BUSY) {
        err_set(err, ERR_BUSY, "the journal '%s' is in use by another process", store->path);
        err_hint(err, "Stop the other process first: a journal has one owner.");
        return ERR_BUSY;
    }
    if ((status & 0xFF) == SQLITE_NOMEM)
        die_out_of_memory();
    err_set(err, ERR_JOURNAL, "cannot %s the journal '%s': %s", what, store->path,
            sqlite3_errmsg(store->db));
    int error = sqlite3_system_errno(store->db);
    err_detail(err, "SQLite error %d%s%s", status,
               error == 0 ? "" : ", system: ", error == 0 ? "" : strerror(error));
    return ERR_JOURNAL;
}

static ErrCode run(Store *store, const char *sql, const char *what, Error *err)
{
    if (sqlite3_exec(store->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return sqlite_error(store, what, err);
    return ERR_OK;
}

static ErrCode prepare(Store *store, const char *sql, sqlite3_stmt **out, Error *err)
{
    if (sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL) != SQLITE_OK)
        return sqlite_error(store, "read", err);
    return ERR_OK;
}

/* ---- the chain ---- */

static void put_be(uint8_t *out, uint64_t number, int bytes)
{
    for (int i = 0; i < bytes; i++)
        out[i] = (uint8_t)(number >> (8 * (bytes - 1 - i)));
}

/* What format 1 chained: read once, when such a file is opened. */
static Digest record_hash_of_payload(const Digest *previous, const JournalRecord *record)
{
    uint8_t numbers[20];
    put_be(numbers, record->seq, 8);
    put_be(numbers + 8, record->epoch, 8);
    put_be(numbers + 16, record->kind, 4);
    Sha256 hash;
    sha256_init(&hash);
    sha256_update(&hash, previous->bytes, sizeof previous->bytes);
    sha256_update(&hash, numbers, sizeof numbers);
    sha256_update(&hash, record->payload, record->length);
    return sha256_final(&hash);
}

static Digest record_hash(uint64_t format, const Digest *previous, const JournalRecord *record)
{
    if (format == JOURNAL_FORMAT_PAYLOAD)
        return record_hash_of_payload(previous, record);
    Digest payload = sha256_bytes(record->payload, record->length);
    return chain_hash(previous, record->seq, record->epoch, record->kind, &payload);
}

static ErrCode damaged(const Store *store, uint64_t seq, const char *what, Error *err)
{
    err_set(err, ERR_JOURNAL, "the journal '%s' is damaged at record %" PRIu64 ": %s", store->path,
            seq, what);
    err_detail(err, "seq=%" PRIu64 " %s", seq, what);
    return ERR_JOURNAL;
}

static bool column_is_digest(sqlite3_stmt *statement, int column, const Digest *digest)
{
    return sqlite3_column_type(statement, column) == SQLITE_BLOB &&
           sqlite3_column_bytes(statement, column) == (int)sizeof digest->bytes &&
           memcmp(sqlite3_column_blob(statement, column), digest->bytes, sizeof digest->bytes) == 0;
}

/* The present row of "SELECT seq, epoch, kind, payload, ...". */
static JournalRecord record_of(sqlite3_stmt *statement)
{
    static const uint8_t nothing[1];
    JournalRecord record = {
        .seq = (uint64_t)sqlite3_column_int64(statement, 0),
        .epoch = (uint64_t)sqlite3_column_int64(statement, 1),
        .kind = (uint32_t)sqlite3_column_int64(statement, 2),
        .payload = sqlite3_column_blob(statement, 3),
        .length = (size_t)sqlite3_column_bytes(statement, 3),
    };
    if (record.payload == NULL)
        record.payload = nothing; /* an empty blob */
    return record;
}

/* Checks the present row against `head`, the record before it, and moves head to it. */
static ErrCode check_row(const Store *store, sqlite3_stmt *row, StoreHead *head, Error *err)
{
    JournalRecord record = record_of(row);
    if (record.seq != head->seq + 1)
        return damaged(store, head->seq + 1, "the record is missing", err);
    int64_t kind = sqlite3_column_int64(row, 2);
    if (kind <= 0 || kind > UINT32_MAX || sqlite3_column_type(row, 3) != SQLITE_BLOB)
        return damaged(store, record.seq, "its fields are not a record's", err);
    if (record.epoch < head->epoch)
        return damaged(store, record.seq, "its epoch is lower than the one before", err);
    if (!column_is_digest(row, 4, &head->hash))
        return damaged(store, record.seq, "it does not follow the record before it", err);
    Digest hash = record_hash(store->format, &head->hash, &record);
    if (!column_is_digest(row, 5, &hash))
        return damaged(store, record.seq, "its content does not match its hash", err);
    *head = (StoreHead){.seq = record.seq, .epoch = record.epoch, .hash = hash};
    return ERR_OK;
}

/* From the first record to the last; the result is what the file really ends with. */
static ErrCode check_chain(Store *store, StoreHead *ret_end, Error *err)
{
    sqlite3_stmt *rows = NULL;
    ErrCode code = prepare(
        store, "SELECT seq, epoch, kind, payload, prev_hash, hash FROM journal ORDER BY seq", &rows,
        err);
    StoreHead end = {0};
    while (code == ERR_OK) {
        int status = sqlite3_step(rows);
        if (status == SQLITE_DONE)
            break;
        if (status != SQLITE_ROW) {
            code = damaged(store, end.seq + 1, sqlite3_errmsg(store->db), err);
            break;
        }
        code = check_row(store, rows, &end, err);
    }
    sqlite3_finalize(rows);
    if (code == ERR_OK)
        *ret_end = end;
    return code;
}

/* ---- meta ---- */

static ErrCode read_meta(Store *store, const char *key, uint64_t *ret_number, Digest *ret_digest,
                         Error *err)
{
    sqlite3_stmt *row = NULL;
    ErrCode code = prepare(store, "SELECT value FROM meta WHERE key = ?1", &row, err);
    if (code != ERR_OK)
        return code;
    sqlite3_bind_text(row, 1, key, -1, SQLITE_STATIC);
    int status = sqlite3_step(row);
    bool number = ret_number != NULL;
    if (status == SQLITE_ROW && number && sqlite3_column_type(row, 0) == SQLITE_INTEGER)
        *ret_number = (uint64_t)sqlite3_column_int64(row, 0);
    else if (status == SQLITE_ROW && !number && sqlite3_column_type(row, 0) == SQLITE_BLOB &&
             sqlite3_column_bytes(row, 0) == (int)sizeof ret_digest->bytes)
        memcpy(ret_digest->bytes, sqlite3_column_blob(row, 0), sizeof ret_digest->bytes);
    else
        code = err_set(err, ERR_JOURNAL, "the journal '%s' is damaged: no valid '%s' in meta",
                       store->path, key);
    sqlite3_finalize(row);
    return code;
}

static ErrCode check_format(Store *store, Error *err)
{
    ErrCode code = read_meta(store, "format", &store->format, NULL, err);
    if (code != ERR_OK || store->format == JOURNAL_FORMAT ||
        store->format == JOURNAL_FORMAT_PAYLOAD)
        return code;
    err_set(err, ERR_JOURNAL, "the journal '%s' has format %" PRIu64 ", this program reads %d",
            store->path, store->format, JOURNAL_FORMAT);
    err_hint(err, "Run the version of pgtide that wrote it.");
    return ERR_JOURNAL;
}

/* What meta says the file must end with: records cut off at the end leave a valid chain. */
static ErrCode check_end(Store *store, const StoreHead *end, Error *err)
{
    StoreHead said = {0};
    ErrCode code = read_meta(store, "epoch", &said.epoch, NULL, err);
    if (code == ERR_OK)
        code = read_meta(store, "head_seq", &said.seq, NULL, err);
    if (code == ERR_OK)
        code = read_meta(store, "head_hash", NULL, &said.hash, err);
    if (code != ERR_OK)
        return code;
    if (said.seq > end->seq)
        return damaged(store, end->seq + 1, "the record is missing", err);
    if (said.seq < end->seq || !digest_equal(&said.hash, &end->hash))
        return damaged(store, end->seq, "it is not the last one that was written", err);
    if (said.epoch < end->epoch)
        return damaged(store, end->seq, "its epoch is higher than the journal's", err);
    store->head = said;
    return ERR_OK;
}

/* ---- opening ---- */

/* Held until the file is closed: two processes cannot share a journal. */
static const char lock_sql[] = "PRAGMA locking_mode = EXCLUSIVE; PRAGMA trusted_schema = OFF;";

static const char settings_sql[] =
    "PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = FULL;"
    "PRAGMA cell_size_check = ON;"
    /* Ours to do: SQLite ignores an automatic checkpoint's errors. */
    "PRAGMA wal_autocheckpoint = 0;";

static const char schema_sql[] =
    "PRAGMA application_id = 1885828202;" /* JOURNAL_APPLICATION_ID */
    "CREATE TABLE journal (seq INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, kind INTEGER NOT NULL,"
    " payload BLOB NOT NULL, prev_hash BLOB NOT NULL, hash BLOB NOT NULL);"
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "INSERT INTO meta VALUES ('format', 2), ('epoch', 0), ('head_seq', 0),"
    " ('head_hash', zeroblob(32));";

_Static_assert(JOURNAL_APPLICATION_ID == 1885828202 && JOURNAL_FORMAT == 2,
               "the numbers in schema_sql");

static ErrCode read_number(Store *store, const char *sql, int64_t *ret_number, Error *err)
{
    sqlite3_stmt *row = NULL;
    ErrCode code = prepare(store, sql, &row, err);
    if (code != ERR_OK)
        return code;
    if (sqlite3_step(row) == SQLITE_ROW)
        *ret_number = sqlite3_column_int64(row, 0);
    else
        code = sqlite_error(store, "read", err);
    sqlite3_finalize(row);
    return code;
}

/* Nothing has been changed yet, should the file turn out to be somebody else's. */
static ErrCode check_owner(Store *store, bool *ret_empty, Error *err)
{
    int64_t tables = 0;
    int64_t application = 0;
    ErrCode code = read_number(store, "SELECT count(*) FROM sqlite_schema", &tables, err);
    if (code == ERR_OK)
        code = read_number(store, "PRAGMA application_id", &application, err);
    if (code != ERR_OK)
        return code;
    *ret_empty = tables == 0;
    if (tables == 0 || application == JOURNAL_APPLICATION_ID)
        return ERR_OK;
    err_set(err, ERR_JOURNAL, "'%s' is a SQLite file but not a journal", store->path);
    err_hint(err, "Check the path; pgtide makes the file itself when there is none.");
    return ERR_JOURNAL;
}

/* SQLite answers an impossible mode with another one, not with an error. */
static ErrCode check_mode(Store *store, Error *err)
{
    sqlite3_stmt *row = NULL;
    ErrCode code = prepare(store, "PRAGMA journal_mode", &row, err);
    if (code != ERR_OK)
        return code;
    bool wal = sqlite3_step(row) == SQLITE_ROW &&
               strcmp((const char *)sqlite3_column_text(row, 0), "wal") == 0;
    sqlite3_finalize(row);
    if (wal)
        return ERR_OK;
    err_set(err, ERR_JOURNAL, "the journal '%s' cannot have a write-ahead log", store->path);
    err_hint(err, "Put it on a local file system.");
    return ERR_JOURNAL;
}

/* Chains one record anew behind `head`, and moves head to it. */
static ErrCode chain_anew(Store *store, sqlite3_stmt *row, sqlite3_stmt *update, StoreHead *head,
                          Error *err)
{
    JournalRecord record = record_of(row);
    Digest hash = record_hash(JOURNAL_FORMAT, &head->hash, &record);
    sqlite3_bind_int64(update, 1, (int64_t)record.seq);
    sqlite3_bind_blob(update, 2, head->hash.bytes, sizeof head->hash.bytes, SQLITE_STATIC);
    sqlite3_bind_blob(update, 3, hash.bytes, sizeof hash.bytes, SQLITE_STATIC);
    int status = sqlite3_step(update);
    sqlite3_reset(update);
    if (status != SQLITE_DONE)
        return sqlite_error(store, "write", err);
    head->seq = record.seq;
    head->hash = hash;
    return ERR_OK;
}

static ErrCode chain_all_anew(Store *store, StoreHead *ret_end, Error *err)
{
    sqlite3_stmt *row = NULL;
    sqlite3_stmt *update = NULL;
    ErrCode code =
        prepare(store, "SELECT seq, epoch, kind, payload FROM journal WHERE seq = ?1", &row, err);
    if (code == ERR_OK)
        code = prepare(store, "UPDATE journal SET prev_hash = ?2, hash = ?3 WHERE seq = ?1",
                       &update, err);
    StoreHead end = {0};
    while (code == ERR_OK) {
        sqlite3_bind_int64(row, 1, (int64_t)(end.seq + 1));
        int status = sqlite3_step(row);
        if (status == SQLITE_DONE)
            break;
        code = status == SQLITE_ROW ? chain_anew(store, row, update, &end, err)
                                    : sqlite_error(store, "read", err);
        sqlite3_reset(row);
    }
    sqlite3_finalize(row);
    sqlite3_finalize(update);
    *ret_end = end;
    return code;
}

/* A file of format 1, found whole, becomes one of format 2. */
static ErrCode renew_format(Store *store, Error *err)
{
    StoreHead end;
    sqlite3_stmt *update = NULL;
    ErrCode code = chain_all_anew(store, &end, err);
    if (code == ERR_OK)
        code = run(store, "UPDATE meta SET value = 2 WHERE key = 'format'", "write", err);
    if (code == ERR_OK)
        code = prepare(store, "UPDATE meta SET value = ?1 WHERE key = 'head_hash'", &update, err);
    if (code != ERR_OK)
        return code;
    sqlite3_bind_blob(update, 1, end.hash.bytes, sizeof end.hash.bytes, SQLITE_STATIC);
    if (sqlite3_step(update) != SQLITE_DONE)
        code = sqlite_error(store, "write", err);
    sqlite3_finalize(update);
    store->head.hash = end.hash;
    store->format = JOURNAL_FORMAT;
    return code;
}

/* The chain is checked and the epoch raised in one transaction: a file that is refused keeps its
 * content. */
static ErrCode check_content(Store *store, bool empty, Error *err)
{
    ErrCode code = run(store, "BEGIN IMMEDIATE", "lock", err);
    if (code == ERR_OK && empty)
        code = run(store, schema_sql, "set up", err);
    StoreHead end = {0};
    if (code == ERR_OK)
        code = check_format(store, err);
    if (code == ERR_OK)
        code = check_chain(store, &end, err);
    if (code == ERR_OK)
        code = check_end(store, &end, err);
    if (code == ERR_OK && store->format != JOURNAL_FORMAT)
        code = renew_format(store, err);
    if (code == ERR_OK)
        code = run(store, "UPDATE meta SET value = value + 1 WHERE key = 'epoch'; COMMIT", "write",
                   err);
    if (code == ERR_OK)
        store->head.epoch++;
    return code;
}

static ErrCode check_copy(Store *store, Error *err)
{
    int64_t marks = 0;
    ErrCode code = read_number(store, "SELECT count(*) FROM meta WHERE key = 'copy'", &marks, err);
    store->is_copy = marks > 0;
    return code;
}

static ErrCode prepare_file(Store *store, Error *err)
{
    bool empty = false;
    ErrCode code = run(store, lock_sql, "open", err);
    if (code == ERR_OK)
        code = check_owner(store, &empty, err);
    if (code == ERR_OK)
        code = run(store, settings_sql, "open", err);
    if (code == ERR_OK)
        code = check_mode(store, err);
    if (code == ERR_OK)
        code = check_content(store, empty, err);
    if (code == ERR_OK)
        code = check_copy(store, err);
    if (code == ERR_OK)
        code = prepare(store, "INSERT INTO journal VALUES (?1, ?2, ?3, ?4, ?5, ?6)", &store->insert,
                       err);
    if (code == ERR_OK)
        code = prepare(store,
                       "UPDATE meta SET value = CASE key WHEN 'head_seq' THEN ?1 ELSE ?2 END"
                       " WHERE key IN ('head_seq', 'head_hash')",
                       &store->set_head, err);
    return code;
}

static int on_wal_commit(void *context, sqlite3 *db, const char *name, int pages)
{
    (void)db;
    (void)name;
    Store *store = context;
    store->wal_pages = pages;
    return SQLITE_OK;
}

/* SQLite would make the file readable for everybody the umask allows. */
static ErrCode make_private(const char *path, Error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        ErrCode code = errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
        err_set(err, code, "cannot open the journal '%s': %s", path, strerror(errno));
        if (code == ERR_NOT_FOUND)
            err_hint(err, "Make its directory first, owned by the user this process runs as.");
        return code;
    }
    close(fd);
    return ERR_OK;
}

ErrCode store_open(const char *path, Store **ret_store, Error *err)
{
    ErrCode code = make_private(path, err);
    if (code != ERR_OK)
        return code;
    Store *store = xcalloc(1, sizeof *store);
    store->path = xstrdup(path);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX | SQLITE_OPEN_EXRESCODE;
    if (sqlite3_open_v2(path, &store->db, flags, NULL) != SQLITE_OK)
        code = sqlite_error(store, "open", err);
    if (code == ERR_OK) {
        sqlite3_wal_hook(store->db, on_wal_commit, store);
        code = prepare_file(store, err);
    }
    if (code == ERR_OK) {
        Arena *arena = arena_new();
        code = dir_sync(path_dirname(arena, path), err);
        arena_free(arena);
    }
    if (code != ERR_OK) {
        store_close(store);
        return code;
    }
    *ret_store = store;
    return ERR_OK;
}

void store_close(Store *store)
{
    if (store == NULL)
        return;
    sqlite3_finalize(store->insert);
    sqlite3_finalize(store->set_head);
    sqlite3_close(store->db);
    free(store->path);
    free(store);
}

const StoreHead *store_head(const Store *store)
{
    return &store->head;
}

bool store_is_copy(const Store *store)
{
    return store->is_copy;
}

/* ---- reading ---- */

ErrCode store_visit(Store *store, uint64_t first_seq, uint64_t count, JournalVisit visit,
                    void *context, Error *err)
{
    sqlite3_stmt *rows = NULL;
    ErrCode code = prepare(store,
                           "SELECT seq, epoch, kind, payload, hash FROM journal WHERE seq >= ?1"
                           " ORDER BY seq LIMIT ?2",
                           &rows, err);
    if (code != ERR_OK)
        return code;
    sqlite3_bind_int64(rows, 1, (int64_t)first_seq);
    sqlite3_bind_int64(rows, 2, count > INT64_MAX ? -1 : (int64_t)count);
    int status = SQLITE_DONE;
    while (code == ERR_OK && (status = sqlite3_step(rows)) == SQLITE_ROW) {
        JournalRecord record = record_of(rows);
        if (sqlite3_column_bytes(rows, 4) == (int)sizeof record.hash.bytes)
            memcpy(record.hash.bytes, sqlite3_column_blob(rows, 4), sizeof record.hash.bytes);
        code = visit(context, &record, err);
    }
    if (code == ERR_OK && status != SQLITE_DONE && status != SQLITE_ROW)
        code = sqlite_error(store, "read", err);
    sqlite3_finalize(rows);
    return code;
}

/* ---- writing ---- */

ErrCode store_begin(Store *store, Error *err)
{
    store->pending = store->head;
    return run(store, "BEGIN IMMEDIATE", "write", err);
}

ErrCode store_insert(Store *store, uint32_t kind, const void *payload, size_t length, Error *err)
{
    JournalRecord record = {.seq = store->pending.seq + 1,
                            .epoch = store->pending.epoch,
                            .kind = kind,
                            .payload = payload,
                            .length = length};
    Digest previous = store->pending.hash;
    Digest hash = record_hash(JOURNAL_FORMAT, &previous, &record);
    sqlite3_stmt *insert = store->insert;
    sqlite3_bind_int64(insert, 1, (int64_t)record.seq);
    sqlite3_bind_int64(insert, 2, (int64_t)record.epoch);
    sqlite3_bind_int64(insert, 3, record.kind);
    if (length == 0)
        sqlite3_bind_zeroblob(insert, 4, 0);
    else
        sqlite3_bind_blob64(insert, 4, payload, length, SQLITE_STATIC);
    sqlite3_bind_blob(insert, 5, previous.bytes, sizeof previous.bytes, SQLITE_STATIC);
    sqlite3_bind_blob(insert, 6, hash.bytes, sizeof hash.bytes, SQLITE_STATIC);
    int status = sqlite3_step(insert);
    ErrCode code = status == SQLITE_DONE ? ERR_OK : sqlite_error(store, "write", err);
    sqlite3_reset(insert);
    sqlite3_clear_bindings(insert);
    if (code == ERR_OK) {
        store->pending.seq = record.seq;
        store->pending.hash = hash;
    }
    return code;
}

/* A checkpoint's failed fsync would leave the file unlike the log: it counts like a write's. */
static ErrCode checkpoint(Store *store, Error *err)
{
    if (store->wal_pages < CHECKPOINT_PAGES)
        return ERR_OK;
    int status = sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return status == SQLITE_OK ? ERR_OK : sqlite_error(store, "write", err);
}

ErrCode store_commit(Store *store, Error *err)
{
    sqlite3_bind_int64(store->set_head, 1, (int64_t)store->pending.seq);
    sqlite3_bind_blob(store->set_head, 2, store->pending.hash.bytes,
                      sizeof store->pending.hash.bytes, SQLITE_STATIC);
    int status = sqlite3_step(store->set_head);
    ErrCode code = status == SQLITE_DONE ? ERR_OK : sqlite_error(store, "write", err);
    sqlite3_reset(store->set_head);
    if (code == ERR_OK)
        code = run(store, "COMMIT", "write", err);
    if (code != ERR_OK)
        return code;
    store->head = store->pending;
    return checkpoint(store, err);
}

ErrCode store_raise_epoch(Store *store, uint64_t epoch, Error *err)
{
    if (epoch < store->head.epoch)
        epoch = store->head.epoch;
    sqlite3_stmt *update = NULL;
    ErrCode code = run(store, "BEGIN IMMEDIATE; DELETE FROM meta WHERE key = 'copy'", "write", err);
    if (code == ERR_OK)
        code = prepare(store, "UPDATE meta SET value = ?1 WHERE key = 'epoch'", &update, err);
    if (code != ERR_OK)
        return code;
    sqlite3_bind_int64(update, 1, (int64_t)epoch);
    if (sqlite3_step(update) != SQLITE_DONE)
        code = sqlite_error(store, "write", err);
    sqlite3_finalize(update);
    if (code == ERR_OK)
        code = run(store, "COMMIT", "write", err);
    if (code != ERR_OK)
        return code;
    store->head.epoch = epoch;
    store->is_copy = false;
    return ERR_OK;
}

/* ---- copies ---- */

enum { COPY_PAGES = 256 }; /* a step: the writer waits for as long as they take */

struct StoreCopy {
    Store target; /* for its errors: nothing is written by it */
    sqlite3_backup *backup;
    bool done;
};

ErrCode store_copy_begin(Store *store, const char *path, StoreCopy **ret_copy, Error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set(err, ERR_IO, "cannot make '%s': %s", path, strerror(errno));
    close(fd);
    StoreCopy *copy = xcalloc(1, sizeof *copy);
    copy->target.path = xstrdup(path);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX | SQLITE_OPEN_EXRESCODE;
    if (sqlite3_open_v2(path, &copy->target.db, flags, NULL) == SQLITE_OK)
        copy->backup = sqlite3_backup_init(copy->target.db, "main", store->db, "main");
    if (copy->backup == NULL) {
        ErrCode code = sqlite_error(&copy->target, "copy to", err);
        sqlite3_close(copy->target.db);
        free(copy->target.path);
        free(copy);
        return code;
    }
    *ret_copy = copy;
    return ERR_OK;
}

ErrCode store_copy_step(StoreCopy *copy, bool *ret_done, Error *err)
{
    int status = sqlite3_backup_step(copy->backup, COPY_PAGES);
    *ret_done = copy->done = status == SQLITE_DONE;
    if (status == SQLITE_OK || status == SQLITE_DONE)
        return ERR_OK;
    return err_set(err, ERR_IO, "cannot copy the journal to '%s': %s", copy->target.path,
                   sqlite3_errstr(status));
}

static ErrCode sync_file(const char *path, Error *err)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    bool synced = fd >= 0 && fsync(fd) == 0;
    ErrCode code =
        synced ? ERR_OK : err_set(err, ERR_IO, "cannot sync '%s': %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return code;
}

ErrCode store_copy_end(StoreCopy *copy, Error *err)
{
    if (copy == NULL)
        return ERR_OK;
    ErrCode code = ERR_OK;
    bool done = copy->done;
    if (copy->backup != NULL && sqlite3_backup_finish(copy->backup) != SQLITE_OK && done)
        code = sqlite_error(&copy->target, "copy to", err);
    /* One file, which can be read without a log beside it, and knows what it is. */
    if (code == ERR_OK && done)
        code = run(&copy->target,
                   "PRAGMA journal_mode = DELETE; INSERT OR REPLACE INTO meta VALUES ('copy', 1)",
                   "write", err);
    sqlite3_close(copy->target.db);
    if (code == ERR_OK && done)
        code = sync_file(copy->target.path, err);
    free(copy->target.path);
    free(copy);
    return code;
}

ErrCode store_check(const char *path, StoreHead *ret_head, Error *err)
{
    Store *store = xcalloc(1, sizeof *store);
    StoreHead end = {0};
    bool empty = false;
    ErrCode code = ERR_OK;
    store->path = xstrdup(path);
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_FULLMUTEX | SQLITE_OPEN_EXRESCODE;
    if (sqlite3_open_v2(path, &store->db, flags, NULL) != SQLITE_OK)
        code = sqlite_error(store, "open", err);
    if (code == ERR_OK)
        code = check_owner(store, &empty, err);
    if (code == ERR_OK && empty)
        code = err_set(err, ERR_JOURNAL, "'%s' is empty", path);
    if (code == ERR_OK)
        code = check_format(store, err);
    if (code == ERR_OK)
        code = check_chain(store, &end, err);
    if (code == ERR_OK)
        code = check_end(store, &end, err);
    if (code == ERR_OK)
        *ret_head = store->head;
    store_close(store);
    return code;
}
