/* A copy of a journal that is being written: whole, checked, and the journal does not notice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "journal.h"
#include "journal_place.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RECORDS = 3000, RECORD_BYTES = 2000 };

typedef struct Copying {
    Journal *journal;
    const char *path;
    atomic_bool stop;
    atomic_bool ended;
    ErrCode code;
    Error err;
} Copying;

static void copy_it(void *data)
{
    Copying *copying = data;
    copying->code = journal_copy(copying->journal, copying->path, &copying->stop, &copying->err);
    atomic_store(&copying->ended, true);
}

static void on_persisted(void *context, uint64_t seq)
{
    *(uint64_t *)context = seq;
}

static void append(Journal *journal, size_t count)
{
    char payload[RECORD_BYTES];
    uint64_t seq;
    memset(payload, 'x', sizeof payload);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(journal_append(journal, 1, payload, sizeof payload, &seq, NULL), ERR_OK);
}

static void a_copy_is_whole_while_records_are_written(void **state)
{
    Place *place = *state;
    Copying copying = {.path = place->copy};
    JournalHead head, end;
    uv_loop_t loop;
    uv_thread_t thread;
    uint64_t told = 0;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(journal_open(place->path, &copying.journal, NULL), ERR_OK);
    assert_int_equal(journal_start(copying.journal, &loop, on_persisted, &told, NULL), ERR_OK);
    append(copying.journal, RECORDS);
    while (told < RECORDS)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(uv_thread_create(&thread, copy_it, &copying), 0);
    do
        append(copying.journal, 20);
    while (!atomic_load(&copying.ended));
    uv_thread_join(&thread);
    append(copying.journal, 1);
    journal_close(copying.journal);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    if (copying.code != ERR_OK)
        fail_msg("%s (%s)", copying.err.message, copying.err.detail);
    assert_int_equal(journal_check(place->copy, &head, NULL), ERR_OK);
    assert_int_equal(journal_check(place->path, &end, NULL), ERR_OK);
    assert_true(head.seq >= RECORDS);
    assert_true(head.seq < end.seq);
    assert_int_equal(head.epoch, 1);
    /* It can take the journal's place. */
    Journal *journal;
    assert_int_equal(journal_open(place->copy, &journal, NULL), ERR_OK);
    assert_int_equal(journal_last_seq(journal), head.seq);
    assert_int_equal(journal_epoch(journal), 2);
    assert_true(journal_is_copy(journal)); /* until somebody takes over */
    journal_close(journal);
    assert_int_equal(journal_open(place->copy, &journal, NULL), ERR_OK);
    assert_true(journal_is_copy(journal));
    journal_raise_epoch(journal, 2); /* it is higher already */
    assert_false(journal_is_copy(journal));
    assert_int_equal(journal_epoch(journal), 3);
    journal_close(journal);
    assert_int_equal(journal_open(place->copy, &journal, NULL), ERR_OK);
    assert_false(journal_is_copy(journal));
    journal_close(journal);
    assert_int_equal(journal_open(place->path, &journal, NULL), ERR_OK);
    assert_false(journal_is_copy(journal));
    journal_close(journal);
}

static void what_is_there_is_not_written_over(void **state)
{
    Place *place = *state;
    Copying copying = {.path = place->copy};
    int fd = open(place->copy, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, "mine", 4), 4);
    close(fd);
    assert_int_equal(journal_open(place->path, &copying.journal, NULL), ERR_OK);
    copy_it(&copying);
    journal_close(copying.journal);
    assert_int_equal(copying.code, ERR_IO);
    JournalHead head;
    assert_int_not_equal(journal_check(place->copy, &head, NULL), ERR_OK);
}

static void a_copy_can_be_interrupted(void **state)
{
    Place *place = *state;
    Copying copying = {.path = place->copy};
    assert_int_equal(journal_open(place->path, &copying.journal, NULL), ERR_OK);
    atomic_store(&copying.stop, true);
    copy_it(&copying);
    journal_close(copying.journal);
    assert_int_equal(copying.code, ERR_INTERRUPTED);
}

static void a_changed_copy_is_found(void **state)
{
    Place *place = *state;
    Copying copying = {.path = place->copy};
    char payload[RECORD_BYTES];
    uint64_t seq;
    JournalHead head;
    Error err;
    memset(payload, 'y', sizeof payload);
    assert_int_equal(journal_open(place->path, &copying.journal, NULL), ERR_OK);
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(
            journal_append_sync(copying.journal, 1, payload, sizeof payload, &seq, NULL), ERR_OK);
    copy_it(&copying);
    journal_close(copying.journal);
    assert_int_equal(copying.code, ERR_OK);
    assert_int_equal(journal_check(place->copy, &head, NULL), ERR_OK);
    int fd = open(place->copy, O_RDWR);
    off_t size = lseek(fd, 0, SEEK_END);
    off_t at = size / 2;
    char byte = 0;
    while (pread(fd, &byte, 1, at) == 1 && byte != 'y')
        at++;
    assert_int_equal(byte, 'y');
    assert_int_equal(pwrite(fd, "z", 1, at), 1);
    close(fd);
    assert_int_equal(journal_check(place->copy, &head, &err), ERR_JOURNAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLACED(a_copy_is_whole_while_records_are_written),
        PLACED(what_is_there_is_not_written_over),
        PLACED(a_copy_can_be_interrupted),
        PLACED(a_changed_copy_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
