#include "drift_codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static void test_an_expectation_comes_back(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    DriftExpectation in = {.place = {.in_schema = true, .major = 16},
                           .fingerprint = {{1, 2}},
                           .dump = {{3, 4}},
                           .who = "alice",
                           .at_unix_ms = 5};
    DriftExpectation out;
    strlist_add(arena, &in.place.rows, "001_a");
    strlist_add(arena, &in.place.rows, "002_b");
    assert_int_equal(schema_expected_decode(arena, schema_expected_encode(arena, &in), &out, NULL),
                     ERR_OK);
    assert_true(drift_place_equal(&in.place, &out.place));
    assert_true(digest_equal(&in.fingerprint, &out.fingerprint));
    assert_true(digest_equal(&in.dump, &out.dump));
    assert_string_equal(out.who, "alice");
    assert_int_equal(out.at_unix_ms, 5);
}

static void test_an_acceptance_comes_back(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    DriftAcceptance in = {.shard = {{9}},
                          .place = {.major = 15},
                          .fingerprint = {{1, 2}},
                          .who = "bob",
                          .reason = "ticket 7",
                          .at_unix_ms = 6};
    DriftAcceptance out;
    for (int all = 0; all < 2; all++) {
        in.shard.bytes[0] = all ? 0 : 9;
        assert_int_equal(
            drift_accepted_decode(arena, drift_accepted_encode(arena, &in), &out, NULL), ERR_OK);
        assert_true(uuid_equal(&in.shard, &out.shard));
        assert_true(drift_place_equal(&in.place, &out.place));
        assert_true(digest_equal(&in.fingerprint, &out.fingerprint));
        assert_string_equal(out.who, "bob");
        assert_string_equal(out.reason, "ticket 7");
        assert_int_equal(out.at_unix_ms, 6);
    }
}

static void test_what_is_no_record_is_refused(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Error err;
    DriftExpectation expectation;
    DriftAcceptance acceptance;
    static const uint8_t unknown_field[] = {0xf8, 0x06, 0x01};
    static const uint8_t short_digest[] = {0x22, 0x02, 0x01, 0x02};
    const ByteSpan wrong[] = {{unknown_field, sizeof unknown_field},
                              {short_digest, sizeof short_digest}};
    for (size_t i = 0; i < 2; i++) {
        assert_int_not_equal(schema_expected_decode(arena, wrong[i], &expectation, &err), ERR_OK);
        assert_int_not_equal(drift_accepted_decode(arena, wrong[i], &acceptance, &err), ERR_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_expectation_comes_back),
        cmocka_unit_test(test_an_acceptance_comes_back),
        cmocka_unit_test(test_what_is_no_record_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
