#include "drift.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static const char *const one_row[] = {"001"};
static const char *const two_rows[] = {"001", "002"};

static DriftPlace place(size_t rows, bool in_schema, uint32_t major)
{
    const char *const *items = rows == 1 ? one_row : two_rows;
    return (DriftPlace){
        {.items = (const char **)(uintptr_t)items, .count = rows}, in_schema, major};
}

static Digest digest(uint8_t first)
{
    return (Digest){{first}};
}

static DriftShard shard(uint8_t id, const char *name, uint8_t fingerprint)
{
    DriftShard made = {.name = name,
                       .place = place(1, false, 15),
                       .fingerprint = digest(fingerprint),
                       .why = fingerprint == 0 ? "not read yet" : NULL};
    made.uuid.bytes[0] = id;
    return made;
}

static DriftBook *expecting(uint8_t fingerprint)
{
    DriftBook *book = drift_book_new();
    drift_expect(book, &(DriftExpectation){.place = place(1, false, 15),
                                           .fingerprint = digest(fingerprint),
                                           .who = "alice"});
    return book;
}

static void accept_drift(DriftBook *book, uint8_t id, uint8_t fingerprint)
{
    DriftAcceptance word = {.place = place(1, false, 15),
                            .fingerprint = digest(fingerprint),
                            .who = "bob",
                            .reason = "ticket"};
    word.shard.bytes[0] = id;
    drift_accept(book, &word);
}

static DriftVerdict judge(const DriftBook *book, const DriftShard *asked)
{
    return drift_judge(book, asked).verdict;
}

static void test_an_expectation_is_for_its_place(void **state)
{
    (void)state;
    DriftBook *book = expecting(7);
    DriftShard same = shard(1, "a", 7), other = shard(2, "b", 8), unread = shard(3, "c", 0);
    assert_int_equal(judge(book, &same), DRIFT_EXPECTED);
    assert_int_equal(judge(book, &other), DRIFT_DRIFTED);
    assert_int_equal(judge(book, &unread), DRIFT_UNKNOWN);
    assert_string_equal(drift_judge(book, &unread).why, "not read yet");
    const DriftPlace elsewhere[] = {place(2, false, 15), place(1, true, 15), place(1, false, 16)};
    for (size_t i = 0; i < 3; i++) {
        other.place = elsewhere[i];
        assert_int_equal(judge(book, &other), DRIFT_UNKNOWN);
        assert_non_null(strstr(drift_judge(book, &other).why, "nothing is expected"));
        assert_true(!strstr(drift_judge(book, &other).why, "PostgreSQL") == (i < 2));
    }
    drift_book_free(book);
}

static void test_the_last_word_counts(void **state)
{
    (void)state;
    DriftBook *book = expecting(7);
    DriftShard asked = shard(1, "a", 7);
    drift_expect(book, &(DriftExpectation){
                           .place = place(1, false, 15), .fingerprint = digest(8), .who = "bob"});
    assert_int_equal(drift_expectation_count(book), 1);
    assert_string_equal(drift_expectation_at(book, 0)->who, "bob");
    assert_int_equal(judge(book, &asked), DRIFT_DRIFTED);
    drift_book_free(book);
}

static void test_what_is_accepted_is_one_schema(void **state)
{
    (void)state;
    DriftBook *book = expecting(7);
    DriftShard first = shard(1, "a", 9), second = shard(2, "b", 9);
    accept_drift(book, 1, 9);
    assert_int_equal(judge(book, &first), DRIFT_ACCEPTED);
    assert_string_equal(drift_judge(book, &first).acceptance->who, "bob");
    assert_int_equal(judge(book, &second), DRIFT_DRIFTED);
    first.fingerprint = digest(10);
    assert_int_equal(judge(book, &first), DRIFT_DRIFTED);
    accept_drift(book, 0, 9); /* all of them */
    assert_int_equal(judge(book, &second), DRIFT_ACCEPTED);
    second.place = place(2, false, 15);
    assert_int_equal(judge(book, &second), DRIFT_UNKNOWN);
    drift_book_free(book);
}

static void test_a_word_on_a_shard_is_for_its_place(void **state)
{
    (void)state;
    DriftBook *book = drift_book_new();
    DriftShard asked = shard(1, "a", 9);
    const DriftPlace elsewhere[] = {place(2, false, 15), place(1, true, 15), place(1, false, 16)};
    accept_drift(book, 1, 9);
    assert_int_equal(judge(book, &asked), DRIFT_ACCEPTED);
    for (size_t i = 0; i < 3; i++) {
        asked.place = elsewhere[i];
        assert_int_equal(judge(book, &asked), DRIFT_UNKNOWN);
        drift_expect(book, &(DriftExpectation){
                               .place = elsewhere[i], .fingerprint = digest(7), .who = "alice"});
        assert_int_equal(judge(book, &asked), DRIFT_DRIFTED);
    }
    drift_book_free(book);
}

static void test_the_same_accepted_again_replaces(void **state)
{
    (void)state;
    DriftBook *book = drift_book_new();
    DriftShard asked = shard(1, "a", 9);
    DriftAcceptance word = {.place = place(1, false, 15), .fingerprint = digest(9), .who = "carol"};
    word.reason = "again";
    accept_drift(book, 1, 9);
    word.shard = asked.uuid;
    drift_accept(book, &word);
    assert_int_equal(drift_acceptance_count(book), 1);
    assert_string_equal(drift_judge(book, &asked).acceptance->reason, "again");
    accept_drift(book, 0, 9); /* the newest of both is told */
    assert_string_equal(drift_judge(book, &asked).acceptance->who, "bob");
    drift_accept(book, &word);
    assert_string_equal(drift_judge(book, &asked).acceptance->who, "carol");
    assert_int_equal(drift_acceptance_count(book), 2);
    drift_book_free(book);
}

static void test_many_words_are_told_apart(void **state)
{
    (void)state;
    enum { MANY = 20000 };
    DriftBook *book = drift_book_new();
    DriftAcceptance word = {.place = place(1, false, 15), .who = "bob", .reason = "ticket"};
    DriftShard asked = shard(0, "a", 1);
    for (uint32_t i = 1; i <= MANY; i++) {
        memcpy(&word.shard.bytes[4], &i, sizeof i);
        memcpy(&word.fingerprint, &i, sizeof i);
        drift_accept(book, &word);
        drift_expect(book, &(DriftExpectation){.place = place(1, false, 16 + i),
                                               .fingerprint = word.fingerprint,
                                               .who = "alice"});
    }
    assert_int_equal(drift_acceptance_count(book), MANY);
    assert_int_equal(drift_expectation_count(book), MANY);
    for (uint32_t i = 1; i <= MANY; i++) {
        memcpy(&asked.uuid.bytes[4], &i, sizeof i);
        memcpy(&asked.fingerprint, &i, sizeof i);
        asked.place = place(1, false, 15);
        assert_int_equal(judge(book, &asked), DRIFT_ACCEPTED);
        asked.place = place(1, false, 16 + i);
        assert_int_equal(judge(book, &asked), DRIFT_EXPECTED);
        asked.place = place(1, false, 17 + i);
        assert_int_not_equal(judge(book, &asked), DRIFT_ACCEPTED);
        assert_int_not_equal(judge(book, &asked), DRIFT_EXPECTED);
    }
    drift_book_free(book);
}

static void test_what_is_accepted_needs_no_expectation(void **state)
{
    (void)state;
    DriftBook *book = drift_book_new();
    DriftShard asked = shard(1, "a", 9);
    accept_drift(book, 0, 9);
    assert_int_equal(judge(book, &asked), DRIFT_ACCEPTED);
    drift_book_free(book);
}

static void test_classes(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    DriftBook *book = expecting(7);
    accept_drift(book, 5, 9);
    DriftShard shards[] = {
        shard(1, "h", 7), shard(2, "g", 8), shard(3, "f", 9), shard(4, "e", 9), shard(5, "d", 9),
        shard(6, "c", 0), shard(7, "b", 7), shard(8, "a", 7), shard(9, "z", 8),
    };
    shards[8].place = place(2, false, 15);
    DriftGroups groups = drift_group(arena, book, shards, 9);
    assert_int_equal(groups.count, 2);
    assert_int_equal(groups.shards[DRIFT_DRIFTED], 3);
    assert_int_equal(groups.shards[DRIFT_ACCEPTED], 1);
    assert_int_equal(groups.shards[DRIFT_EXPECTED], 3);
    assert_int_equal(groups.shards[DRIFT_UNKNOWN], 2);
    const DriftGroup *group = &groups.items[0];
    assert_int_equal(group->count, 8);
    assert_int_equal(group->class_count, 5);
    assert_int_equal(group->classes[0].verdict, DRIFT_DRIFTED); /* the larger one first */
    assert_int_equal(group->classes[0].count, 2);
    assert_string_equal(group->classes[0].names[0], "e");
    assert_string_equal(group->classes[0].names[1], "f");
    assert_int_equal(group->classes[1].count, 1);
    assert_int_equal(group->classes[2].verdict, DRIFT_ACCEPTED);
    assert_string_equal(group->classes[2].names[0], "d");
    assert_int_equal(group->classes[3].verdict, DRIFT_EXPECTED);
    assert_string_equal(group->classes[4].why, "not read yet");
    assert_null(groups.items[1].expectation);
    drift_book_free(book);
}

static void test_few_names_are_shown(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    DriftBook *book = drift_book_new();
    enum { MANY = 1000 };
    DriftShard shards[MANY];
    for (size_t i = 0; i < MANY; i++)
        shards[i] = shard((uint8_t)i, arena_printf(arena, "%04zu", MANY - i), 1);
    DriftGroups groups = drift_group(arena, book, shards, MANY);
    assert_int_equal(groups.items[0].classes[0].count, MANY);
    assert_int_equal(groups.items[0].classes[0].named, DRIFT_NAMES_SHOWN);
    assert_string_equal(groups.items[0].classes[0].names[0], "0001");
    assert_int_equal(drift_group(arena, book, shards, 0).count, 0);
    drift_book_free(book);
}

static void a_gate_passes_nothing_that_is_not_known(void **state)
{
    (void)state;
    assert_int_equal(drift_gate_verdict(DRIFT_EXPECTED), GATE_SUCCEEDED);
    assert_int_equal(drift_gate_verdict(DRIFT_ACCEPTED), GATE_SUCCEEDED);
    assert_int_equal(drift_gate_verdict(DRIFT_DRIFTED), GATE_FAILED);
    assert_int_equal(drift_gate_verdict(DRIFT_UNKNOWN), GATE_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gate_passes_nothing_that_is_not_known),
        cmocka_unit_test(test_an_expectation_is_for_its_place),
        cmocka_unit_test(test_the_last_word_counts),
        cmocka_unit_test(test_what_is_accepted_is_one_schema),
        cmocka_unit_test(test_a_word_on_a_shard_is_for_its_place),
        cmocka_unit_test(test_the_same_accepted_again_replaces),
        cmocka_unit_test(test_many_words_are_told_apart),
        cmocka_unit_test(test_what_is_accepted_needs_no_expectation),
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_few_names_are_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
