#include "delivery.h"

#include "draw.h"
#include "named_limits.h"
#include "str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static const DeliveryPolicy policy = {.attempts = 3, .max_age_ms = 100000, .retry_ms = 1000};

/* What the delivery asks for next, as a word or two. */
static const char *next(Delivery *delivery, uint64_t now_ms)
{
    static char text[128];
    DeliveryAct act = delivery_next(delivery, now_ms);
    switch (act.kind) {
    case DELIVERY_ACT_WAIT:
        snprintf(text, sizeof text, act.until_ms == 0 ? "wait" : "wait until %d",
                 (int)act.until_ms);
        break;
    case DELIVERY_ACT_LOOK:
        snprintf(text, sizeof text, "look after %d", (int)act.seq);
        break;
    case DELIVERY_ACT_TRY:
        snprintf(text, sizeof text, "try %d, %u", (int)act.seq, act.attempt);
        break;
    case DELIVERY_ACT_PERSIST:
        snprintf(text, sizeof text, "persist %s %d",
                 act.record.kind == DELIVERY_RECORD_POSITION  ? "position"
                 : act.record.kind == DELIVERY_RECORD_DEAD    ? "dead"
                 : act.record.kind == DELIVERY_RECORD_REVIVED ? "revived"
                                                              : "?",
                 (int)act.record.seq);
        break;
    }
    return text;
}

static Delivery *started(uint64_t newest)
{
    Delivery *delivery = delivery_new("ops");
    delivery_start(delivery, &policy, newest, 1);
    return delivery;
}

static void test_a_new_sink_starts_at_the_present(void **state)
{
    (void)state;
    Delivery *delivery = started(10);
    assert_string_equal(next(delivery, 0), "persist position 10");
    assert_string_equal(next(delivery, 0), "look after 10");
    delivery_none(delivery, 14, false);
    assert_string_equal(next(delivery, 0), "look after 14");
    /* Nothing was passed: there is nothing to record. */
    delivery_offer(delivery, 17, 0);
    assert_string_equal(next(delivery, 0), "try 17, 1");
    assert_string_equal(next(delivery, 0), "wait");
    delivery_result(delivery, DELIVERY_PASSED, "", 0, 0);
    assert_string_equal(next(delivery, 0), "look after 17");
    delivery_none(delivery, 17, false);
    assert_string_equal(next(delivery, 0), "persist position 17");
    assert_string_equal(next(delivery, 0), "look after 17");
    delivery_free(delivery);
}

static void test_failures_are_retried_with_longer_pauses_until_it_is_dead(void **state)
{
    (void)state;
    Delivery *delivery = started(0);
    assert_string_equal(next(delivery, 0), "persist position 0");
    assert_string_equal(next(delivery, 0), "look after 0");
    delivery_offer(delivery, 5, 1000);
    assert_string_equal(next(delivery, 0), "try 5, 1");
    delivery_result(delivery, DELIVERY_FAILED, "answered 500", 10, 2000);
    assert_int_equal(delivery_failing_since(delivery), 2000);
    assert_string_equal(delivery_message(delivery), "answered 500");
    uint64_t first = delivery_next(delivery, 10).until_ms - 10;
    assert_in_range(first, 500, 1000);
    assert_string_equal(next(delivery, 1010), "try 5, 2");
    delivery_result(delivery, DELIVERY_FAILED, "answered 502", 1010, 3000);
    assert_in_range(delivery_next(delivery, 1010).until_ms - 1010, 1000, 2000);
    assert_string_equal(next(delivery, 3010), "try 5, 3");
    delivery_result(delivery, DELIVERY_FAILED, "answered 503", 3010, 5000);
    assert_string_equal(next(delivery, 3010), "persist dead 5");
    assert_int_equal(delivery_dead_count(delivery), 1);
    assert_int_equal(delivery_dead(delivery, 0)->attempts, 3);
    assert_string_equal(delivery_dead(delivery, 0)->message, "answered 503");
    /* The next one has its turn; the sink counts as failing until one passes. */
    assert_string_equal(next(delivery, 3010), "look after 5");
    assert_int_equal(delivery_failing_since(delivery), 2000);
    delivery_offer(delivery, 6, 5000);
    assert_string_equal(next(delivery, 3010), "try 6, 1");
    delivery_result(delivery, DELIVERY_PASSED, "", 3010, 5000);
    assert_int_equal(delivery_failing_since(delivery), 0);
    assert_string_equal(delivery_message(delivery), "");
    delivery_free(delivery);
}

static void test_what_is_too_old_or_unwanted_dies_at_its_first_failure(void **state)
{
    (void)state;
    Delivery *delivery = started(0);
    next(delivery, 0);
    next(delivery, 0);
    delivery_offer(delivery, 5, 1000);
    next(delivery, 0);
    delivery_result(delivery, DELIVERY_FAILED, "late", 0, 101000);
    assert_string_equal(next(delivery, 0), "persist dead 5");
    next(delivery, 0);
    delivery_offer(delivery, 6, 101000);
    next(delivery, 0);
    delivery_result(delivery, DELIVERY_GONE, "answered 410", 0, 101000);
    assert_string_equal(next(delivery, 0), "persist dead 6");
    /* A clock that was set back makes nothing old. */
    next(delivery, 0);
    delivery_offer(delivery, 7, 900000);
    next(delivery, 0);
    delivery_result(delivery, DELIVERY_FAILED, "", 0, 101000);
    assert_int_equal(delivery_dead_count(delivery), 2);
    delivery_free(delivery);
}

static void test_dead_ones_are_tried_once_more_when_an_operator_says_so(void **state)
{
    (void)state;
    Delivery *delivery = delivery_new("ops");
    for (uint64_t seq = 3; seq > 0; seq--) /* in any order */
        delivery_apply(delivery,
                       &(DeliveryRecord){.kind = DELIVERY_RECORD_DEAD, .seq = seq, .attempts = 3});
    delivery_start(delivery, &policy, 99, 1);
    assert_string_equal(next(delivery, 0), "look after 3"); /* it is known: it goes on there */
    delivery_none(delivery, 3, false);
    delivery_apply(delivery, &(DeliveryRecord){.kind = DELIVERY_RECORD_AGAIN, .who = "alice"});
    assert_string_equal(next(delivery, 0), "try 1, 1");
    delivery_result(delivery, DELIVERY_PASSED, "", 0, 0);
    assert_string_equal(next(delivery, 0), "persist revived 1");
    assert_string_equal(next(delivery, 0), "try 2, 1");
    delivery_result(delivery, DELIVERY_FAILED, "still", 0, 7);
    assert_string_equal(next(delivery, 0), "persist dead 2");
    assert_string_equal(next(delivery, 0), "try 3, 1");
    delivery_result(delivery, DELIVERY_PASSED, "", 0, 0);
    assert_string_equal(next(delivery, 0), "persist revived 3");
    assert_string_equal(next(delivery, 0), "look after 3");
    assert_int_equal(delivery_dead_count(delivery), 1);
    assert_int_equal(delivery_dead(delivery, 0)->attempts, 4);
    assert_int_equal(delivery_dead(delivery, 0)->at_unix_ms, 7);
    assert_int_equal(delivery_failing_since(delivery), 0);
    delivery_free(delivery);
}

static void test_position_is_recorded_now_and_then_and_at_the_end(void **state)
{
    (void)state;
    Delivery *delivery = started(0);
    DeliveryRecord record;
    next(delivery, 0);
    for (uint64_t seq = 1; seq <= DELIVERY_POSITION_EVERY; seq++) {
        assert_int_equal(delivery_next(delivery, 0).kind, DELIVERY_ACT_LOOK);
        delivery_offer(delivery, seq, 0);
        assert_int_equal(delivery_next(delivery, 0).kind, DELIVERY_ACT_TRY);
        delivery_result(delivery, DELIVERY_PASSED, "", 0, 0);
    }
    assert_string_equal(next(delivery, 0), "persist position 64");
    assert_false(delivery_close(delivery, &record));
    next(delivery, 0);
    delivery_offer(delivery, 70, 0);
    next(delivery, 0);
    delivery_result(delivery, DELIVERY_PASSED, "", 0, 0);
    assert_true(delivery_close(delivery, &record));
    assert_int_equal(record.seq, 70);
    delivery_free(delivery);
}

static void test_the_list_of_dead_is_bounded(void **state)
{
    (void)state;
    Delivery *delivery = delivery_new("ops");
    for (uint64_t seq = 1; seq <= LIMIT_DEAD_LETTERS + 5; seq++)
        delivery_apply(delivery, &(DeliveryRecord){.kind = DELIVERY_RECORD_DEAD, .seq = seq});
    assert_int_equal(delivery_dead_count(delivery), LIMIT_DEAD_LETTERS);
    assert_int_equal(delivery_dead(delivery, 0)->seq, 6);
    delivery_free(delivery);
}

/* --- random receivers, and a process that dies at any moment ---------------------------------- */

enum { EVENTS = 60, RECORDS_MAX = 4000 };

typedef struct Story {
    uint64_t draw;
    DeliveryRecord records[RECORDS_MAX]; /* durable */
    size_t count;
    uint32_t seen[EVENTS + 1]; /* how often each event has passed */
    uint64_t highest;          /* passed or dead in this process's life, in order */
    uint64_t now_ms;
} Story;

static Delivery *reborn(Story *story)
{
    Delivery *delivery = delivery_new("ops");
    for (size_t i = 0; i < story->count; i++)
        delivery_apply(delivery, &story->records[i]);
    delivery_start(delivery, &policy, 0, story->draw);
    story->highest = 0;
    return delivery;
}

static bool chance(Story *story, unsigned in)
{
    return draw_next(&story->draw) % in == 0;
}

static void receive(Story *story, Delivery *delivery, const DeliveryAct *act)
{
    bool again = false;
    for (size_t i = 0; i < delivery_dead_count(delivery); i++)
        again = again || delivery_dead(delivery, i)->seq == act->seq;
    if (!again) { /* in order: only the one in hand comes more than once */
        assert_true(act->seq >= story->highest);
        story->highest = act->seq;
    }
    DeliveryOutcome outcome = chance(story, 2)   ? DELIVERY_PASSED
                              : chance(story, 8) ? DELIVERY_GONE
                                                 : DELIVERY_FAILED;
    story->seen[act->seq] += outcome == DELIVERY_PASSED ? 1 : 0;
    delivery_result(delivery, outcome, "no", story->now_ms, story->now_ms);
}

/* false: it is all told and stands still. */
static bool go_on(Story *story, Delivery *delivery)
{
    DeliveryAct act = delivery_next(delivery, story->now_ms);
    switch (act.kind) {
    case DELIVERY_ACT_WAIT:
        story->now_ms = act.until_ms;
        break;
    case DELIVERY_ACT_LOOK:
        if (act.seq >= EVENTS) {
            delivery_none(delivery, EVENTS, false);
            DeliveryRecord record;
            return delivery_close(delivery, &record);
        }
        delivery_offer(delivery, act.seq + 1, story->now_ms);
        break;
    case DELIVERY_ACT_TRY:
        receive(story, delivery, &act);
        break;
    case DELIVERY_ACT_PERSIST:
        assert_true(story->count < RECORDS_MAX);
        act.record.message = ""; /* it lived to the next call only */
        story->records[story->count++] = act.record;
        break;
    }
    return true;
}

static void test_none_is_lost_over_crashes(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        static Story story;
        memset(&story, 0, sizeof story);
        story.draw = seed;
        Delivery *delivery = reborn(&story);
        while (go_on(&story, delivery)) {
            if (chance(&story, 50)) {
                DeliveryRecord again = {.kind = DELIVERY_RECORD_AGAIN, .message = ""};
                story.records[story.count++] = again;
                delivery_apply(delivery, &again);
            }
            if (chance(&story, 40)) { /* what was not durable is forgotten */
                delivery_free(delivery);
                delivery = reborn(&story);
            }
        }
        size_t dead = 0;
        for (uint64_t seq = 1; seq <= EVENTS; seq++) {
            bool is_dead =
                dead < delivery_dead_count(delivery) && delivery_dead(delivery, dead)->seq == seq;
            dead += is_dead ? 1 : 0;
            assert_true(is_dead || story.seen[seq] > 0);
        }
        assert_int_equal(dead, delivery_dead_count(delivery));
        delivery_free(delivery);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_new_sink_starts_at_the_present),
        cmocka_unit_test(test_failures_are_retried_with_longer_pauses_until_it_is_dead),
        cmocka_unit_test(test_what_is_too_old_or_unwanted_dies_at_its_first_failure),
        cmocka_unit_test(test_dead_ones_are_tried_once_more_when_an_operator_says_so),
        cmocka_unit_test(test_position_is_recorded_now_and_then_and_at_the_end),
        cmocka_unit_test(test_the_list_of_dead_is_bounded),
        cmocka_unit_test(test_none_is_lost_over_crashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
