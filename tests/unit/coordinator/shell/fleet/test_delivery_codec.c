#include "../../../common/wire/wire_test.h"

#include "delivery_codec.h"

static void both_messages_come_back(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    DeliveryRecord record = {.kind = DELIVERY_RECORD_DEAD,
                             .sink = "ops",
                             .seq = 1234567890123,
                             .attempts = 20,
                             .message = "answered 500",
                             .who = "alice",
                             .at_unix_ms = 1700000000000};
    DeliveryRecord back;
    assert_ok(
        delivery_record_decode(arena, false, delivery_record_encode(arena, &record), &back, err));
    assert_int_equal(back.kind, DELIVERY_RECORD_DEAD);
    assert_string_equal(back.sink, "ops");
    assert_int_equal(back.seq, record.seq);
    assert_int_equal(back.attempts, 20);
    assert_string_equal(back.message, "answered 500");
    assert_string_equal(back.who, "alice");
    assert_int_equal(back.at_unix_ms, record.at_unix_ms);
    record = (DeliveryRecord){.kind = DELIVERY_RECORD_POSITION, .sink = "ops", .seq = 9};
    assert_ok(
        delivery_record_decode(arena, true, delivery_record_encode(arena, &record), &back, err));
    assert_int_equal(back.kind, DELIVERY_RECORD_POSITION);
    assert_int_equal(back.seq, 9);
}

static void an_unknown_kind_is_refused(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    for (int kind = 0; kind <= DELIVERY_RECORD_KIND_COUNT; kind += DELIVERY_RECORD_KIND_COUNT) {
        DeliveryRecord record = {.kind = (DeliveryRecordKind)kind, .sink = "ops"};
        DeliveryRecord back;
        ByteSpan payload = delivery_record_encode(arena, &record);
        assert_int_equal(delivery_record_decode(arena, false, payload, &back, NULL), ERR_JOURNAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_messages_come_back),
        cmocka_unit_test(an_unknown_kind_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
