#include "ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct Fixture {
    char directory[64];
    uv_loop_t loop;
    Ledger *ledger;
    int told;
} Fixture;

static const Digest plan = {{1}};
static const Uuid shard = {{2}};

static void open_ledger(Fixture *f)
{
    Error err;
    assert_int_equal(ledger_open(f->directory, &f->ledger, &err), ERR_OK);
    assert_int_equal(ledger_start(f->ledger, &f->loop, &err), ERR_OK);
}

static void close_ledger(Fixture *f)
{
    ledger_close(f->ledger);
    f->ledger = NULL;
    uv_run(&f->loop, UV_RUN_NOWAIT);
}

static int setup(void **state)
{
    Fixture *f = xcalloc(1, sizeof(*f));
    strcpy(f->directory, "/tmp/pgtide-ledger-XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    uv_loop_init(&f->loop);
    open_ledger(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    Fixture *f = *state;
    close_ledger(f);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    static const char *const names[] = {"ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"};
    char path[128];
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", f->directory, names[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(f->directory), 0);
    free(f);
    return 0;
}

static void on_done(void *context)
{
    ((Fixture *)context)->told++;
}

static void wait_told(Fixture *f, int count)
{
    while (f->told < count)
        uv_run(&f->loop, UV_RUN_ONCE);
}

static LedgerJob make_job(uint32_t generation, int pid)
{
    LedgerJob job = {
        .plan_digest = plan,
        .rollout_id = {{5}},
        .shard = shard,
        .generation = generation,
        .cluster = "main",
        .database = "tenant",
        .backend = {.pid = pid, .start = "2026-01-01T00:00:00.000001Z"},
    };
    return job;
}

static void an_epoch_counts_when_it_is_durable(void **state)
{
    Fixture *f = *state;
    assert_int_equal(ledger_epoch(f->ledger), 0);
    assert_int_equal(ledger_epoch_seen(f->ledger, 7, "ed25519:x", on_done, f, NULL), ERR_OK);
    assert_int_equal(f->told, 0);
    assert_int_equal(ledger_epoch(f->ledger), 0);
    wait_told(f, 1);
    assert_int_equal(ledger_epoch(f->ledger), 7);
    assert_int_equal(ledger_epoch_seen(f->ledger, 6, "ed25519:x", on_done, f, NULL), ERR_OK);
    wait_told(f, 2);
    assert_int_equal(ledger_epoch(f->ledger), 7);
    close_ledger(f);
    open_ledger(f);
    assert_int_equal(ledger_epoch(f->ledger), 7);
}

static void open_jobs_are_known_after_a_restart(void **state)
{
    Fixture *f = *state;
    LedgerJob job = make_job(1, 4711);
    assert_int_equal(ledger_job_opened(f->ledger, &job, on_done, f, NULL), ERR_OK);
    wait_told(f, 1);
    close_ledger(f);
    open_ledger(f);
    const LedgerJob *found = ledger_find_job(f->ledger, &shard);
    assert_non_null(found);
    assert_int_equal(found->backend.pid, 4711);
    assert_string_equal(found->backend.start, "2026-01-01T00:00:00.000001Z");
    assert_string_equal(found->database, "tenant");
    assert_int_equal(found->generation, 1);
    assert_null(ledger_find_job(f->ledger, &(Uuid){{3}}));
}

static void a_later_backend_replaces_the_former(void **state)
{
    Fixture *f = *state;
    LedgerJob job = make_job(1, 1);
    assert_int_equal(ledger_job_opened(f->ledger, &job, NULL, NULL, NULL), ERR_OK);
    job = make_job(1, 2);
    assert_int_equal(ledger_job_opened(f->ledger, &job, on_done, f, NULL), ERR_OK);
    wait_told(f, 1);
    assert_int_equal(ledger_job_count(f->ledger), 1);
    assert_int_equal(ledger_find_job(f->ledger, &shard)->backend.pid, 2);
}

static void closing_forgets_only_that_job(void **state)
{
    Fixture *f = *state;
    LedgerJob job = make_job(2, 1);
    assert_int_equal(ledger_job_opened(f->ledger, &job, NULL, NULL, NULL), ERR_OK);
    Digest other = {{9}};
    assert_int_equal(ledger_job_closed(f->ledger, &other, &shard, 2, OUTCOME_SUCCEEDED, NULL),
                     ERR_OK);
    assert_int_equal(ledger_job_closed(f->ledger, &plan, &shard, 1, OUTCOME_SUCCEEDED, NULL),
                     ERR_OK);
    assert_int_equal(ledger_job_count(f->ledger), 1);
    assert_int_equal(ledger_job_closed(f->ledger, &plan, &shard, 2, OUTCOME_SUCCEEDED, NULL),
                     ERR_OK);
    assert_int_equal(ledger_job_count(f->ledger), 0);
    close_ledger(f);
    open_ledger(f);
    assert_int_equal(ledger_job_count(f->ledger), 0);
}

static void backups_are_known_by_plan_and_shard(void **state)
{
    Fixture *f = *state;
    BackupInfo info = {.path = "a/b.dump",
                       .sha256 = {{8}},
                       .size_bytes = 99,
                       .duration_ms = 3,
                       .method = BACKUP_METHOD_DUMP};
    assert_int_equal(ledger_backup_taken(f->ledger, &plan, &shard, &info, on_done, f, NULL),
                     ERR_OK);
    wait_told(f, 1);
    close_ledger(f);
    open_ledger(f);
    const BackupInfo *found = ledger_find_backup(f->ledger, &plan, &shard);
    assert_non_null(found);
    assert_string_equal(found->path, "a/b.dump");
    assert_int_equal(found->size_bytes, 99);
    assert_memory_equal(&found->sha256, &info.sha256, sizeof info.sha256);
    assert_null(ledger_find_backup(f->ledger, &(Digest){{2}}, &shard));
    assert_null(ledger_find_backup(f->ledger, &plan, &(Uuid){{3}}));
}

static void who_goes_away_is_not_called(void **state)
{
    Fixture *f = *state;
    Fixture gone = {.told = 0};
    LedgerJob job = make_job(1, 1);
    assert_int_equal(ledger_job_opened(f->ledger, &job, on_done, &gone, NULL), ERR_OK);
    ledger_forget(f->ledger, &gone);
    assert_int_equal(ledger_epoch_seen(f->ledger, 2, "k", on_done, f, NULL), ERR_OK);
    wait_told(f, 1);
    assert_int_equal(gone.told, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_epoch_counts_when_it_is_durable),  T(open_jobs_are_known_after_a_restart),
        T(a_later_backend_replaces_the_former), T(closing_forgets_only_that_job),
        T(backups_are_known_by_plan_and_shard), T(who_goes_away_is_not_called),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
