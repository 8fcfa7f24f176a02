#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "journal.h"
#include "journal_place.h"

#include "chain.h"
#include "digest.h"
#include "named_limits.h"
#include "str.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static Journal *open_journal(const Place *place)
{
    Journal *journal = NULL;
    Error err = {0};
    ErrCode code = journal_open(place->path, &journal, &err);
    if (code != ERR_OK)
        fail_msg("%s (%s)", err.message, err.detail);
    return journal;
}

static void append_sync(Journal *journal, uint32_t kind, const char *payload)
{
    uint64_t expected = journal_last_seq(journal) + 1;
    uint64_t seq = 0;
    assert_int_equal(journal_append_sync(journal, kind, payload, strlen(payload), &seq, NULL),
                     ERR_OK);
    assert_int_equal(seq, expected);
    assert_int_equal(journal_persisted(journal), seq);
}

static ErrCode write_record(void *context, const JournalRecord *record, Error *err)
{
    (void)err;
    Str *out = context;
    str_printf(out, "%" PRIu64 "/%" PRIu64 "/%u:", record->seq, record->epoch, record->kind);
    str_append_bytes(out, record->payload, record->length);
    str_append_char(out, ' ');
    return ERR_OK;
}

static void assert_content(Journal *journal, uint64_t first, const char *expected)
{
    AUTO_STR Str out = {0};
    assert_int_equal(journal_replay(journal, first, write_record, &out, NULL), ERR_OK);
    assert_string_equal(str_text(&out), expected);
}

static void execute(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* ---- content ---- */

static void test_records_come_back_and_epochs_rise(void **state)
{
    const Place *place = *state;
    Journal *journal = open_journal(place);
    assert_int_equal(journal_epoch(journal), 1);
    assert_int_equal(journal_last_seq(journal), 0);
    assert_content(journal, 1, "");
    append_sync(journal, 7, "one");
    append_sync(journal, UINT32_MAX, "");
    journal_close(journal);

    journal = open_journal(place);
    assert_int_equal(journal_epoch(journal), 2);
    assert_int_equal(journal_last_seq(journal), 2);
    append_sync(journal, 8, "three");
    assert_content(journal, 1, "1/1/7:one 2/1/4294967295: 3/2/8:three ");
    assert_content(journal, 3, "3/2/8:three ");
    assert_content(journal, 4, "");
    journal_close(journal);

    struct stat info;
    assert_int_equal(stat(place->path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
}

static void test_epoch_can_be_raised(void **state)
{
    const Place *place = *state;
    Journal *journal = open_journal(place);
    append_sync(journal, 1, "a");
    journal_raise_epoch(journal, 41);
    assert_int_equal(journal_epoch(journal), 41);
    journal_raise_epoch(journal, 5);
    assert_int_equal(journal_epoch(journal), 41);
    append_sync(journal, 1, "b");
    journal_close(journal);
    journal = open_journal(place);
    assert_int_equal(journal_epoch(journal), 42);
    assert_content(journal, 1, "1/1/1:a 2/41/1:b ");
    journal_close(journal);
}

static ErrCode refuse_second(void *context, const JournalRecord *record, Error *err)
{
    ++*(int *)context;
    return record->seq == 2 ? err_set(err, ERR_PROTOCOL, "not this one") : ERR_OK;
}

static void test_replay_stops_at_a_refusal(void **state)
{
    Journal *journal = open_journal(*state);
    append_sync(journal, 1, "a");
    append_sync(journal, 1, "b");
    append_sync(journal, 1, "c");
    int visited = 0;
    Error err;
    assert_int_equal(journal_replay(journal, 1, refuse_second, &visited, &err), ERR_PROTOCOL);
    assert_string_equal(err.message, "not this one");
    assert_int_equal(visited, 2);
    journal_close(journal);
}

static void test_limits(void **state)
{
    Journal *journal = open_journal(*state);
    size_t size = LIMIT_JOURNAL_RECORD_BYTES + 1;
    char *large = xcalloc(1, size);
    uint64_t seq = 99;
    assert_int_equal(journal_append_sync(journal, 1, large, size, &seq, NULL), ERR_LIMIT);
    assert_int_equal(seq, 99);
    assert_int_equal(journal_append_sync(journal, 0, "x", 1, &seq, NULL), ERR_INTERNAL);
    assert_int_equal(journal_append_sync(journal, 1, large, size - 1, &seq, NULL), ERR_OK);
    assert_int_equal(seq, 1);
    free(large);
    journal_close(journal);
}

static void test_missing_directory(void **state)
{
    (void)state;
    Journal *journal = NULL;
    Error err;
    assert_int_equal(journal_open("/nonexistent/journal.sqlite", &journal, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "/nonexistent/journal.sqlite"));
    assert_null(journal);
}

/* ---- one owner ---- */

static void test_a_second_process_is_refused(void **state)
{
    const Place *place = *state;
    Journal *journal = open_journal(place);
    append_sync(journal, 1, "a");
    pid_t child = fork();
    if (child == 0) {
        Journal *other = NULL;
        Error err = {0};
        ErrCode code = journal_open(place->path, &other, &err);
        _exit(code == ERR_BUSY && strstr(err.message, place->path) != NULL ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    append_sync(journal, 1, "b");
    journal_close(journal);
    journal = open_journal(place);
    assert_content(journal, 1, "1/1/1:a 2/1/1:b ");
    journal_close(journal);
}

static void test_other_files_are_left_alone(void **state)
{
    const Place *place = *state;
    execute(place->path, "CREATE TABLE somebody_elses (x)");
    Journal *journal = NULL;
    Error err;
    assert_int_equal(journal_open(place->path, &journal, &err), ERR_JOURNAL);
    assert_non_null(strstr(err.message, "not a journal"));
    assert_int_equal(access(place->wal, F_OK), -1);
    execute(place->path, "INSERT INTO somebody_elses VALUES (1)");

    FILE *file = fopen(place->path, "w");
    assert_non_null(file);
    for (int i = 0; i < 1000; i++)
        fputs("this is no database\n", file);
    fclose(file);
    assert_int_equal(journal_open(place->path, &journal, &err), ERR_JOURNAL);
    assert_null(journal);
}

/* ---- damage ---- */

static void fill(const Place *place, int records)
{
    Journal *journal = open_journal(place);
    char payload[200];
    for (int i = 1; i <= records; i++) {
        snprintf(payload, sizeof payload, "record %d %0150d", i, i);
        append_sync(journal, 5, payload);
    }
    journal_close(journal);
}

static void assert_damaged(const Place *place, const char *detail)
{
    Journal *journal = NULL;
    Error err = {0};
    assert_int_equal(journal_open(place->path, &journal, &err), ERR_JOURNAL);
    assert_null(journal);
    if (strstr(err.detail, detail) == NULL)
        fail_msg("'%s' is not in '%s'", detail, err.detail);
}

static void test_damage_is_found_and_named(void **state)
{
    const Place *place = *state;
    static const struct {
        const char *sql;
        const char *detail;
    } cases[] = {
        {"UPDATE journal SET payload = CAST(replace(CAST(payload AS TEXT), 'record 6', 'record 9')"
         " AS BLOB) WHERE seq = 6",
         "seq=6 "},
        {"UPDATE journal SET kind = 6 WHERE seq = 3", "seq=3 "},
        {"UPDATE journal SET kind = 4294967301 WHERE seq = 3", "seq=3 "},
        {"UPDATE journal SET epoch = 0 WHERE seq = 3", "seq=3 "},
        {"UPDATE journal SET epoch = 2 WHERE seq = 10", "seq=10 "},
        {"UPDATE journal SET hash = zeroblob(32) WHERE seq = 4", "seq=4 "},
        {"UPDATE journal SET prev_hash = zeroblob(32) WHERE seq = 4", "seq=4 "},
        {"UPDATE journal SET hash = x'00' WHERE seq = 4", "seq=4 "},
        {"UPDATE journal SET payload = CAST(payload AS TEXT) WHERE seq = 8", "seq=8 "},
        {"DELETE FROM journal WHERE seq = 5", "seq=5 "},
        {"DELETE FROM journal WHERE seq = 1", "seq=1 "},
        {"DELETE FROM journal WHERE seq > 8", "seq=9 "},
        {"DELETE FROM journal", "seq=1 "},
        {"UPDATE meta SET value = 9 WHERE key = 'head_seq'", "seq=10 "},
        {"UPDATE meta SET value = zeroblob(32) WHERE key = 'head_hash'", "seq=10 "},
        {"UPDATE meta SET value = 0 WHERE key = 'epoch'", "seq=10 "},
        {"DELETE FROM meta WHERE key = 'epoch'", ""},
        {"UPDATE meta SET value = 3 WHERE key = 'format'", ""},
        {"UPDATE meta SET value = 1 WHERE key = 'format'", "seq=1 "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unlink(place->path);
        fill(place, 10);
        execute(place->path, cases[i].sql);
        assert_damaged(place, cases[i].detail);
        assert_damaged(place, cases[i].detail); /* looking changes nothing */
    }
}

/* What a version before has written: hashes over payloads. */
static void make_format_1(const char *path)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *rows = NULL;
    AUTO_STR Str sql = {0};
    Digest previous = {{0}};
    char text[DIGEST_HEX_SIZE];
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(db, "SELECT seq, epoch, kind, payload FROM journal", -1, &rows, NULL),
        SQLITE_OK);
    while (sqlite3_step(rows) == SQLITE_ROW) {
        uint8_t numbers[20] = {0};
        numbers[7] = (uint8_t)sqlite3_column_int(rows, 0);
        numbers[15] = (uint8_t)sqlite3_column_int(rows, 1);
        numbers[19] = (uint8_t)sqlite3_column_int(rows, 2);
        Sha256 hash;
        sha256_init(&hash);
        sha256_update(&hash, previous.bytes, sizeof previous.bytes);
        sha256_update(&hash, numbers, sizeof numbers);
        sha256_update(&hash, sqlite3_column_blob(rows, 3), (size_t)sqlite3_column_bytes(rows, 3));
        digest_hex(&previous, text);
        str_printf(&sql, "UPDATE journal SET prev_hash = x'%s', ", text);
        previous = sha256_final(&hash);
        digest_hex(&previous, text);
        str_printf(&sql, "hash = x'%s' WHERE seq = %d;", text, sqlite3_column_int(rows, 0));
    }
    str_printf(&sql, "UPDATE meta SET value = x'%s' WHERE key = 'head_hash';", text);
    str_append(&sql, "UPDATE meta SET value = 1 WHERE key = 'format';");
    sqlite3_finalize(rows);
    assert_int_equal(sqlite3_exec(db, str_text(&sql), NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_a_journal_of_the_format_before_is_chained_anew(void **state)
{
    const Place *place = *state;
    fill(place, 12);
    make_format_1(place->path);
    Journal *journal = open_journal(place);
    AUTO_STR Str all = {0};
    assert_int_equal(journal_replay(journal, 1, write_record, &all, NULL), ERR_OK);
    append_sync(journal, 6, "after");
    journal_close(journal);
    journal = open_journal(place);
    assert_int_equal(journal_last_seq(journal), 13);
    AUTO_STR Str again = {0};
    assert_int_equal(journal_read(journal, 1, 12, write_record, &again, NULL), ERR_OK);
    assert_string_equal(str_text(&again), str_text(&all));
    journal_close(journal);
    /* Damage is found before anything is chained anew. */
    unlink(place->path);
    fill(place, 10);
    make_format_1(place->path);
    execute(place->path, "UPDATE journal SET kind = 6 WHERE seq = 3");
    assert_damaged(place, "seq=3 ");
    assert_damaged(place, "seq=3 ");
}

static ErrCode check_link(void *context, const JournalRecord *record, Error *err)
{
    (void)err;
    Digest *previous = context;
    Digest payload = sha256_bytes(record->payload, record->length);
    Digest hash = chain_hash(previous, record->seq, record->epoch, record->kind, &payload);
    assert_true(digest_equal(&hash, &record->hash));
    *previous = hash;
    return ERR_OK;
}

static void test_records_are_read_with_their_hash(void **state)
{
    const Place *place = *state;
    fill(place, 10);
    Journal *journal = open_journal(place);
    Digest previous = {{0}};
    assert_int_equal(journal_read(journal, 1, 4, check_link, &previous, NULL), ERR_OK);
    assert_int_equal(journal_read(journal, 5, 100, check_link, &previous, NULL), ERR_OK);
    AUTO_STR Str part = {0};
    assert_int_equal(journal_read(journal, 9, 1, write_record, &part, NULL), ERR_OK);
    assert_true(str_starts_with(str_text(&part), "9/1/5:record 9"));
    assert_null(strstr(str_text(&part), "10/"));
    journal_close(journal);
}

static uint8_t *read_bytes(const char *path, size_t *ret_length)
{
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    size_t length = (size_t)info.st_size;
    uint8_t *bytes = xcalloc(1, length + 1);
    int fd = open(path, O_RDONLY);
    assert_int_equal(read(fd, bytes, length), length);
    close(fd);
    *ret_length = length;
    return bytes;
}

static void write_bytes(const char *path, const uint8_t *bytes, size_t length)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, length), length);
    close(fd);
}

/* One bit of any byte that belongs to the records: the file is refused, and never read wrongly. */
static void test_a_flipped_bit_is_never_read_as_content(void **state)
{
    const Place *place = *state;
    fill(place, 40);
    AUTO_STR Str before = {0};
    Journal *journal = open_journal(place);
    assert_int_equal(journal_replay(journal, 1, write_record, &before, NULL), ERR_OK);
    journal_close(journal);
    size_t length = 0;
    uint8_t *bytes = read_bytes(place->path, &length);
    int refused = 0;
    for (size_t at = 0; at < length; at += 61) {
        bytes[at] ^= 0x10;
        write_bytes(place->path, bytes, length);
        bytes[at] ^= 0x10;
        unlink(place->wal);
        Error err;
        if (journal_open(place->path, &journal, &err) != ERR_OK) {
            refused++;
            continue;
        }
        AUTO_STR Str after = {0}; /* the bit was in unused space */
        assert_int_equal(journal_replay(journal, 1, write_record, &after, NULL), ERR_OK);
        assert_string_equal(str_text(&after), str_text(&before));
        journal_close(journal);
    }
    assert_true(refused > 100);
    free(bytes);
}

/* ---- crashes ---- */

typedef struct Writer {
    uv_loop_t loop;
    Journal *journal;
    uint64_t persisted;
    int report_fd; /* gets each persisted seq, when >= 0 */
    uint64_t stop_at;
} Writer;

static void on_persisted(void *context, uint64_t seq)
{
    Writer *writer = context;
    assert_true(seq > writer->persisted);
    assert_int_equal(journal_persisted(writer->journal) >= seq, 1);
    writer->persisted = seq;
    if (writer->report_fd >= 0 && write(writer->report_fd, &seq, sizeof seq) != sizeof seq)
        _exit(1);
    if (seq >= writer->stop_at)
        uv_stop(&writer->loop);
}

static void start_writer(Writer *writer, const Place *place)
{
    *writer = (Writer){.report_fd = -1, .stop_at = UINT64_MAX};
    writer->journal = open_journal(place);
    assert_int_equal(uv_loop_init(&writer->loop), 0);
    assert_int_equal(journal_start(writer->journal, &writer->loop, on_persisted, writer, NULL),
                     ERR_OK);
}

static void stop_writer(Writer *writer)
{
    journal_close(writer->journal);
    uv_run(&writer->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&writer->loop), 0);
}

static uint64_t append_number(Journal *journal, int number)
{
    char payload[300];
    snprintf(payload, sizeof payload, "n%d %0*d", number, number % 200 + 1, 0);
    uint64_t seq = 0;
    assert_int_equal(journal_append(journal, 3, payload, strlen(payload), &seq, NULL), ERR_OK);
    return seq;
}

/* Counts records and checks that each is the one append_number() made for its seq. */
static ErrCode check_number(void *context, const JournalRecord *record, Error *err)
{
    char expected[300];
    int number = (int)record->seq;
    snprintf(expected, sizeof expected, "n%d %0*d", number, number % 200 + 1, 0);
    if (record->length != strlen(expected) ||
        memcmp(record->payload, expected, record->length) != 0)
        return err_set(err, ERR_JOURNAL, "record %d is another one", number);
    *(uint64_t *)context = record->seq;
    return ERR_OK;
}

static uint64_t count_records(const Place *place)
{
    Journal *journal = open_journal(place);
    uint64_t last = 0;
    Error err;
    if (journal_replay(journal, 1, check_number, &last, &err) != ERR_OK)
        fail_msg("%s", err.message);
    assert_int_equal(last, journal_last_seq(journal));
    journal_close(journal);
    return last;
}

static void test_group_commit_tells_the_loop(void **state)
{
    Writer writer;
    start_writer(&writer, *state);
    writer.stop_at = 5000;
    for (int i = 1; i <= 5000; i++)
        assert_int_equal(append_number(writer.journal, i), i);
    uv_run(&writer.loop, UV_RUN_DEFAULT);
    assert_int_equal(writer.persisted, 5000);
    uint64_t seq = 0;
    Error err;
    assert_int_equal(journal_append_sync(writer.journal, 1, "", 0, &seq, &err), ERR_INTERNAL);
    stop_writer(&writer);
    assert_int_equal(count_records(*state), 5000);
}

static void test_close_writes_what_waits(void **state)
{
    Writer writer;
    start_writer(&writer, *state);
    for (int i = 1; i <= 3000; i++)
        append_number(writer.journal, i);
    stop_writer(&writer);
    assert_int_equal(count_records(*state), 3000);
}

/* Appends more than the queue holds; what waits never exceeds a full queue and the batch in hand.
 */
static void append_many(const Place *place, size_t size, uint64_t count, uint64_t queue_max)
{
    Writer writer;
    start_writer(&writer, place);
    char *payload = xcalloc(1, size);
    uint64_t most =
        queue_max < LIMIT_JOURNAL_BATCH ? 2 * queue_max : queue_max + LIMIT_JOURNAL_BATCH;
    uint64_t first = journal_last_seq(writer.journal);
    for (uint64_t i = 1; i <= count; i++) {
        uint64_t seq = 0;
        assert_int_equal(journal_append(writer.journal, 1, payload, size, &seq, NULL), ERR_OK);
        assert_int_equal(seq, first + i);
        assert_true(seq - journal_persisted(writer.journal) <= most);
    }
    free(payload);
    stop_writer(&writer);
    Journal *journal = open_journal(place);
    assert_int_equal(journal_last_seq(journal), first + count);
    journal_close(journal);
}

static void test_a_full_queue_waits(void **state)
{
    append_many(*state, 1, 3 * LIMIT_JOURNAL_QUEUE_RECORDS, LIMIT_JOURNAL_QUEUE_RECORDS);
    size_t size = 4 * 1024 * 1024;
    append_many(*state, size, 40, LIMIT_JOURNAL_QUEUE_BYTES / size);
}

static void test_raise_epoch_while_writing(void **state)
{
    Writer writer;
    start_writer(&writer, *state);
    for (int i = 1; i <= 2000; i++) {
        append_number(writer.journal, i);
        if (i % 100 == 0)
            journal_raise_epoch(writer.journal, (uint64_t)i);
    }
    assert_int_equal(journal_epoch(writer.journal), 2000);
    stop_writer(&writer);
    assert_int_equal(count_records(*state), 2000);
}

/* In a child: appends for ever, reporting what was persisted. */
_Noreturn static void append_until_killed(const Place *place, int report_fd, bool one_by_one)
{
    Writer writer;
    start_writer(&writer, place);
    writer.report_fd = report_fd;
    for (int i = (int)journal_last_seq(writer.journal) + 1;; i++) {
        uint64_t seq = append_number(writer.journal, i);
        if (one_by_one) {
            writer.stop_at = seq;
            uv_run(&writer.loop, UV_RUN_DEFAULT);
        } else if (i % 7 == 0) {
            uv_run(&writer.loop, UV_RUN_NOWAIT);
        }
    }
}

static pid_t start_child(const Place *place, int *ret_fd)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[0]);
        append_until_killed(place, ends[1], false);
    }
    close(ends[1]);
    *ret_fd = ends[0];
    return child;
}

/* Reads reports until one is at least `enough` (or the child is gone); returns the last. */
static uint64_t read_reports(int fd, uint64_t enough)
{
    uint64_t last = 0;
    uint64_t seq = 0;
    while (last < enough && read(fd, &seq, sizeof seq) == sizeof seq)
        last = seq;
    return last;
}

static void test_kill_keeps_everything_acknowledged(void **state)
{
    const Place *place = *state;
    uint64_t before = 0;
    for (int round = 0; round < 8; round++) {
        int fd = -1;
        pid_t child = start_child(place, &fd);
        uint64_t acknowledged = read_reports(fd, before + 200 * (uint64_t)(round + 1));
        kill(child, SIGKILL);
        uint64_t rest = read_reports(fd, UINT64_MAX);
        acknowledged = rest > acknowledged ? rest : acknowledged;
        close(fd);
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        assert_true(acknowledged > before);
        before = count_records(place);
        assert_true(before >= acknowledged);
    }
}

/* The log is cut anywhere, as by a torn write: the journal opens with a prefix. */
static void test_torn_log_gives_a_prefix(void **state)
{
    const Place *place = *state;
    int fd = -1;
    pid_t child = start_child(place, &fd);
    read_reports(fd, 300);
    kill(child, SIGKILL);
    close(fd);
    assert_int_equal(waitpid(child, NULL, 0), child);
    size_t db_length = 0;
    size_t wal_length = 0;
    uint8_t *db = read_bytes(place->path, &db_length);
    uint8_t *wal = read_bytes(place->wal, &wal_length);
    assert_true(wal_length > 40000);
    uint64_t shortest = UINT64_MAX;
    uint64_t longest = 0;
    for (size_t cut = wal_length; cut > 20000; cut -= cut / 9) {
        write_bytes(place->path, db, db_length);
        write_bytes(place->wal, wal, cut);
        uint64_t count = count_records(place);
        shortest = count < shortest ? count : shortest;
        longest = count > longest ? count : longest;
    }
    assert_true(longest >= 300);
    assert_true(shortest < longest);
    free(db);
    free(wal);
}

static void assert_killed_at(const Place *place, const char *variable, const char *record,
                             uint64_t expected_records)
{
    setenv(variable, record, 1);
    int fd = -1;
    pid_t child = start_child(place, &fd);
    uint64_t told = read_reports(fd, UINT64_MAX);
    close(fd);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    unsetenv(variable);
    assert_true(told < strtoull(record, NULL, 10));
    assert_int_equal(count_records(place), expected_records);
}

static void test_crash_hooks_hit_the_record(void **state)
{
    const Place *place = *state;
    assert_killed_at(place, "PGTIDE_TEST_CRASH_BEFORE_RECORD", "1", 0);
    assert_killed_at(place, "PGTIDE_TEST_CRASH_AFTER_RECORD", "1", 1);
    assert_killed_at(place, "PGTIDE_TEST_CRASH_BEFORE_RECORD", "50", 49);
    assert_killed_at(place, "PGTIDE_TEST_CRASH_AFTER_RECORD", "50", 50);
    assert_killed_at(place, "PGTIDE_TEST_CRASH_AFTER_RECORD", "1500", 1500);
}

/* A disk that takes no more: the process says why and aborts, and what was told stays. */
static void test_a_failed_write_ends_the_process(void **state)
{
    const Place *place = *state;
    int report[2];
    int said[2];
    assert_int_equal(pipe(report), 0);
    assert_int_equal(pipe(said), 0);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit = {.rlim_cur = 200000, .rlim_max = 200000};
        struct rlimit no_core = {0};
        signal(SIGXFSZ, SIG_IGN);
        signal(SIGABRT, SIG_DFL);
        setrlimit(RLIMIT_FSIZE, &limit);
        setrlimit(RLIMIT_CORE, &no_core);
        dup2(said[1], STDERR_FILENO);
        close(said[0]);
        close(report[0]);
        append_until_killed(place, report[1], true);
    }
    close(report[1]);
    close(said[1]);
    uint64_t told = read_reports(report[0], UINT64_MAX);
    char text[1024] = {0};
    assert_true(read(said[0], text, sizeof text - 1) > 0);
    close(report[0]);
    close(said[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(text, place->path));
    assert_non_null(strstr(text, "stopping"));
    assert_true(told > 0);
    assert_true(count_records(place) >= told);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLACED(test_records_come_back_and_epochs_rise),
        PLACED(test_epoch_can_be_raised),
        PLACED(test_replay_stops_at_a_refusal),
        PLACED(test_limits),
        PLACED(test_missing_directory),
        PLACED(test_a_second_process_is_refused),
        PLACED(test_other_files_are_left_alone),
        PLACED(test_damage_is_found_and_named),
        PLACED(test_a_journal_of_the_format_before_is_chained_anew),
        PLACED(test_records_are_read_with_their_hash),
        PLACED(test_a_flipped_bit_is_never_read_as_content),
        PLACED(test_group_commit_tells_the_loop),
        PLACED(test_close_writes_what_waits),
        PLACED(test_a_full_queue_waits),
        PLACED(test_raise_epoch_while_writing),
        PLACED(test_kill_keeps_everything_acknowledged),
        PLACED(test_torn_log_gives_a_prefix),
        PLACED(test_crash_hooks_hit_the_record),
        PLACED(test_a_failed_write_ends_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
