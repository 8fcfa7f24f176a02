#include "backups.h"

#include "backup_codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static BackupEntry entry(uint8_t shard, uint8_t operation, uint64_t finished)
{
    return (BackupEntry){.shard = {{shard}},
                         .operation = {{operation}},
                         .cluster = "main",
                         .database = "tenant",
                         .schema = "",
                         .rollout_id = {{1}},
                         .info = {.path = "p", .method = BACKUP_METHOD_DUMP, .sha256 = {{2}}},
                         .command = "",
                         .id = "",
                         .damage = "",
                         .kept = "",
                         .finished_unix_ms = finished};
}

static bool take(Backups *backups, const char *agent, uint64_t snapshot, uint32_t part, bool last,
                 BackupEntry *items, size_t count)
{
    BackupListing listing = {snapshot, part, last, items, count};
    bool replaced = false;
    Error err;
    assert_int_equal(backups_part(backups, agent, &listing, &replaced, &err), ERR_OK);
    return replaced;
}

static void a_listing_counts_when_its_last_part_is_there(void **state)
{
    (void)state;
    Backups *backups = backups_new();
    BackupEntry items[] = {entry(1, 1, 10), entry(1, 2, 20), entry(2, 3, 5)};
    assert_false(take(backups, "a", 1, 0, false, items, 2));
    assert_int_equal(backups_count(backups), 0);
    assert_int_equal(backups_listings(backups, "a"), 0);
    assert_true(take(backups, "a", 1, 1, true, items + 2, 1));
    assert_int_equal(backups_count(backups), 3);
    assert_int_equal(backups_listings(backups, "a"), 1);
    assert_int_equal(backups_newest(backups, &items[0].shard)->entry.operation.bytes[0], 2);
    assert_null(backups_newest(backups, &(Uuid){{9}}));
    items[1].damage = "gone";
    assert_true(take(backups, "a", 2, 0, true, items, 2));
    assert_int_equal(backups_count(backups), 2);
    assert_int_equal(backups_newest(backups, &items[0].shard)->entry.operation.bytes[0], 1);
    assert_true(take(backups, "b", 1, 0, true, items + 2, 1));
    assert_int_equal(backups_count(backups), 3);
    backups_drop(backups, "a");
    assert_int_equal(backups_count(backups), 1);
    assert_string_equal(backups_at(backups, 0)->agent, "b");
    backups_free(backups);
}

static void parts_out_of_order_are_dropped(void **state)
{
    (void)state;
    Backups *backups = backups_new();
    BackupEntry items[] = {entry(1, 1, 10)};
    BackupListing wrong = {2, 1, true, items, 1};
    bool replaced = false;
    Error err;
    assert_int_equal(backups_part(backups, "a", &wrong, &replaced, &err), ERR_PROTOCOL);
    assert_false(take(backups, "a", 1, 0, false, items, 1));
    assert_int_equal(backups_part(backups, "a", &wrong, &replaced, &err), ERR_PROTOCOL);
    assert_int_equal(backups_count(backups), 0);
    assert_true(take(backups, "a", 3, 0, true, items, 1));
    assert_int_equal(backups_count(backups), 1);
    backups_free(backups);
}

static void listings_and_work_come_back(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    BackupEntry items[] = {entry(1, 1, 10)};
    items[0].damage = "d";
    items[0].kept = "k";
    items[0].verified_unix_ms = 11;
    strlist_add(arena, &items[0].rows, "r1");
    BackupListing listing = {7, 3, true, items, 1}, back;
    Error err;
    assert_int_equal(
        backup_listing_decode(arena, backup_listing_encode(arena, &listing), &back, &err), ERR_OK);
    assert_int_equal(back.snapshot, 7);
    assert_int_equal(back.part, 3);
    assert_true(back.last);
    assert_int_equal(back.count, 1);
    assert_memory_equal(&back.items[0].operation, &items[0].operation, sizeof(OperationId));
    assert_string_equal(back.items[0].damage, "d");
    assert_string_equal(back.items[0].kept, "k");
    assert_string_equal(back.items[0].rows.items[0], "r1");
    assert_int_equal(back.items[0].verified_unix_ms, 11);
    BackupRef refs[] = {{{{1}}, {{2}}}};
    BackupWork work = {BACKUP_VERB_VERIFY, refs, 1}, done;
    assert_int_equal(backup_work_decode(arena, backup_work_encode(arena, &work), &done, &err),
                     ERR_OK);
    assert_int_equal(done.verb, BACKUP_VERB_VERIFY);
    assert_memory_equal(&done.items[0], &refs[0], sizeof(BackupRef));
    work.verb = BACKUP_VERB_UNSPECIFIED;
    assert_int_equal(backup_work_decode(arena, backup_work_encode(arena, &work), &done, &err),
                     ERR_PROTOCOL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_listing_counts_when_its_last_part_is_there),
        cmocka_unit_test(parts_out_of_order_are_dropped),
        cmocka_unit_test(listings_and_work_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
