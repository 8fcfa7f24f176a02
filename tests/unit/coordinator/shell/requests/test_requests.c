#include "../shell_world.h"

#include "named_limits.h"

static Answer ask_view_as(World *world, Who signer, const char *keyid, uint64_t created_unix_ms)
{
    RequestMessage request = world_request(world);
    Pgtide__V1__View view = PGTIDE__V1__VIEW__INIT;
    size_t length;
    view.kind = PGTIDE__V1__VIEW_KIND__VIEW_KIND_FLEET;
    request.body_case = PGTIDE__V1__REQUEST__BODY_VIEW;
    request.view = &view;
    request.created_unix_ms = created_unix_ms;
    const uint8_t *payload = proto_pack(world->arena, &request.base, &length);
    const uint8_t *bytes =
        world_sign(world, MESSAGE_REQUEST, payload, length, world->operators[signer], &length);
    return world_deliver(world, keyid, bytes, length);
}

static const char *keyid_of(const World *world, Who who)
{
    return key_public(world->operators[who])->keyid;
}

static void a_request_is_signed_by_the_key_that_sent_it(void **state)
{
    World *world = *state;
    uint64_t now = world->coordinator->unix_ms;
    AUTO_ANSWER Answer own = ask_view_as(world, VERA, keyid_of(world, VERA), now);
    assert_refused(own, "");
    AUTO_ANSWER Answer borrowed = ask_view_as(world, ALICE, keyid_of(world, VERA), now);
    assert_refused(borrowed, "REFUSED");
}

static void a_damaged_or_foreign_signature_is_refused(void **state)
{
    World *world = *state;
    RequestMessage request = world_request(world);
    Pgtide__V1__View view = PGTIDE__V1__VIEW__INIT;
    size_t length;
    view.kind = PGTIDE__V1__VIEW_KIND__VIEW_KIND_FLEET;
    request.body_case = PGTIDE__V1__REQUEST__BODY_VIEW;
    request.view = &view;
    const uint8_t *payload = proto_pack(world->arena, &request.base, &length);
    size_t signed_length;
    uint8_t *bytes =
        world_sign(world, MESSAGE_REQUEST, payload, length, world->operators[VERA], &signed_length);
    bytes[signed_length - 1] ^= 1; /* in the signature */
    AUTO_ANSWER Answer damaged = world_deliver(world, keyid_of(world, VERA), bytes, signed_length);
    assert_refused(damaged, "SIGNATURE_INVALID");
    /* A coordinator's or an agent's key is no operator's. */
    bytes =
        world_sign(world, MESSAGE_REQUEST, payload, length, world->agent_keys[0], &signed_length);
    AUTO_ANSWER Answer stranger =
        world_deliver(world, key_public(world->agent_keys[0])->keyid, bytes, signed_length);
    assert_int_not_equal(stranger.code[0], '\0');
    /* A signature over the same bytes as another kind of message does not count. */
    bytes = world_sign(world, MESSAGE_APPROVAL, payload, length, world->operators[VERA],
                       &signed_length);
    AUTO_ANSWER Answer other = world_deliver(world, keyid_of(world, VERA), bytes, signed_length);
    assert_refused(other, "PROTOCOL");
}

static void old_and_early_requests_are_refused(void **state)
{
    World *world = *state;
    uint64_t now = world->coordinator->unix_ms;
    const char *keyid = keyid_of(world, VERA);
    AUTO_ANSWER Answer old = ask_view_as(world, VERA, keyid, now - LIMIT_CLOCK_SKEW_MS - 1);
    assert_refused(old, "STALE");
    AUTO_ANSWER Answer early = ask_view_as(world, VERA, keyid, now + LIMIT_CLOCK_SKEW_MS + 1);
    assert_refused(early, "STALE");
    AUTO_ANSWER Answer edge = ask_view_as(world, VERA, keyid, now - LIMIT_CLOCK_SKEW_MS);
    assert_refused(edge, "");
}

static void roles_say_who_may_ask_what(void **state)
{
    World *world = *state;
    world_fleet(world);
    world_put_bundle(world);
    AUTO_ANSWER Answer viewer_plans = world_make_plan(world, VERA, "nope", 1);
    assert_refused(viewer_plans, "REFUSED");
    AUTO_ANSWER Answer approver_admits = world_admit(world, BOB, world->agent_keys[0], 900, false);
    assert_int_not_equal(approver_admits.code[0], '\0');
    AUTO_ANSWER Answer made = world_make_plan(world, OTTO, "first", 1);
    assert_refused(made, "");
    AUTO_ANSWER Answer submitted = world_submit(world, OTTO, &made);
    assert_refused(submitted, "");
    const char *digest = answer_string(&made, "plan_digest");
    AUTO_ANSWER Answer operator_approves = world_approve(world, OTTO, digest, VERDICT_APPROVED);
    assert_refused(operator_approves, "REFUSED");
    AUTO_ANSWER Answer viewer_starts = world_control(world, VERA, "first", CONTROL(START));
    assert_refused(viewer_starts, "REFUSED");
}

static void a_changing_request_is_acted_on_once(void **state)
{
    World *world = *state;
    RequestMessage request = world_request(world);
    Pgtide__V1__Admit admit = PGTIDE__V1__ADMIT__INIT;
    Admission admission = {.fleet_id = *trust_fleet_id(world->coordinator->trust),
                           .agent = *key_public(world->agent_keys[0]),
                           .serial = 100,
                           .reason = ""};
    uint8_t *bytes;
    size_t length;
    assert_ok(
        admission_sign(world->arena, &admission, world->operators[ALICE], &bytes, &length, err));
    admit.envelope = proto_bytes(bytes, length);
    request.body_case = PGTIDE__V1__REQUEST__BODY_ADMIT;
    request.admit = &admit;
    AUTO_ANSWER Answer first = world_ask(world, ALICE, &request);
    assert_refused(first, "");
    uint64_t seq = journal_last_seq(world->coordinator->journal);
    /* Sent again: the same answer, nothing journalled. */
    AUTO_ANSWER Answer second = world_ask(world, ALICE, &request);
    assert_refused(second, "");
    assert_true(json_equal(first.result, second.result));
    assert_int_equal(journal_last_seq(world->coordinator->journal), seq);
    /* After a restart the answer is gone, that it was done is not. */
    world_close(world);
    world_open(world);
    request.fleet_id = proto_from_uuid(trust_fleet_id(world->coordinator->trust));
    AUTO_ANSWER Answer third = world_ask(world, ALICE, &request);
    assert_refused(third, "STALE");
    assert_int_equal(roster_count(world->coordinator->roster), 1);
}

static void approvals_have_rules(void **state)
{
    World *world = *state;
    world_fleet(world);
    world_put_bundle(world);
    AUTO_ANSWER Answer too_few = world_make_plan(world, BOB, "free", 0);
    assert_refused(too_few, "REFUSED");
    AUTO_ANSWER Answer made = world_make_plan(world, BOB, "first", 2);
    assert_refused(made, "");
    const char *digest = answer_string(&made, "plan_digest");
    AUTO_ANSWER Answer unknown = world_approve(world, BETH, digest, VERDICT_APPROVED);
    assert_refused(unknown, "NOT_FOUND");
    /* Somebody else's signature does not submit it. */
    AUTO_ANSWER Answer stolen = world_submit(world, ALICE, &made);
    assert_refused(stolen, "REFUSED");
    AUTO_ANSWER Answer submitted = world_submit(world, BOB, &made);
    assert_refused(submitted, "");
    assert_string_equal(answer_string(&submitted, "state"), "draft");
    AUTO_ANSWER Answer author = world_approve(world, BOB, digest, VERDICT_APPROVED);
    assert_refused(author, "APPROVAL");
    AUTO_ANSWER Answer beth = world_approve(world, BETH, digest, VERDICT_APPROVED);
    assert_refused(beth, "");
    assert_string_equal(answer_string(&beth, "state"), "draft");
    AUTO_ANSWER Answer again = world_approve(world, BETH, digest, VERDICT_APPROVED);
    assert_refused(again, "APPROVAL");
    AUTO_ANSWER Answer early = world_control(world, BOB, "first", CONTROL(START));
    assert_refused(early, "APPROVAL");
    AUTO_ANSWER Answer alice = world_approve(world, ALICE, digest, VERDICT_APPROVED);
    assert_refused(alice, "");
    assert_string_equal(answer_string(&alice, "state"), "approved");
}

static void one_rejection_vetoes(void **state)
{
    World *world = *state;
    world_fleet(world);
    world_put_bundle(world);
    world_approved_plan(world, "first");
    AUTO_ANSWER Answer view = world_view(world, VIEW_ROLLOUT, "first");
    const char *digest = answer_string(&view, "plan_digest");
    AUTO_ANSWER Answer rejected = world_approve(world, BETH, digest, VERDICT_REJECTED);
    assert_refused(rejected, "");
    assert_string_equal(answer_string(&rejected, "state"), "draft");
    assert_true(json_is_true(json_object_get(rejected.result, "vetoed")));
    AUTO_ANSWER Answer more = world_approve(world, ALICE, digest, VERDICT_APPROVED);
    assert_refused(more, "APPROVAL");
    AUTO_ANSWER Answer start = world_control(world, OTTO, "first", CONTROL(START));
    assert_refused(start, "APPROVAL");
}

static void a_watcher_waits_until_the_view_changes(void **state)
{
    World *world = *state;
    RequestMessage request = world_request(world);
    Pgtide__V1__View view = PGTIDE__V1__VIEW__INIT;
    RequestResult result;
    size_t length;
    view.kind = PGTIDE__V1__VIEW_KIND__VIEW_KIND_FLEET;
    view.seen_revision = world->coordinator->revision;
    view.wait_ms = 10 * 1000;
    request.body_case = PGTIDE__V1__REQUEST__BODY_VIEW;
    request.view = &view;
    const uint8_t *payload = proto_pack(world->arena, &request.base, &length);
    const uint8_t *bytes =
        world_sign(world, MESSAGE_REQUEST, payload, length, world->operators[VERA], &length);
    requests_handle(world->coordinator, keyid_of(world, VERA), bytes, length, world->arena,
                    &result);
    assert_int_equal(result.outcome, REQUEST_WAIT);
    WaitingView waiting = result.waiting;
    assert_false(requests_look_again(world->coordinator, &waiting, world->arena, &result));
    coordinator_changed(world->coordinator);
    assert_true(requests_look_again(world->coordinator, &waiting, world->arena, &result));
    AUTO_ANSWER Answer changed = world_read_answer(world, &result);
    assert_int_equal(changed.revision, view.seen_revision + 1);
    /* Or until its time is over. */
    waiting.seen_revision = world->coordinator->revision;
    assert_false(requests_look_again(world->coordinator, &waiting, world->arena, &result));
    world->coordinator->now_ms += 10 * 1000;
    assert_true(requests_look_again(world->coordinator, &waiting, world->arena, &result));
    AUTO_ANSWER Answer same = world_read_answer(world, &result);
    assert_int_equal(same.revision, waiting.seen_revision);
}

static void who_is_outranked_only_reads(void **state)
{
    World *world = *state;
    world_fleet(world);
    world_put_bundle(world);
    world_approved_plan(world, "first");
    RosterAgent *agent = roster_find(world->coordinator->roster, "boston");
    coordinator_note_epoch(world->coordinator, agent,
                           journal_epoch(world->coordinator->journal) + 1);
    AUTO_ANSWER Answer start = world_control(world, OTTO, "first", CONTROL(START));
    assert_refused(start, "STATE");
    AUTO_ANSWER Answer plan = world_make_plan(world, OTTO, "second", 1);
    assert_refused(plan, "STATE");
    AUTO_ANSWER Answer view = world_view(world, VIEW_FLEET, "");
    const json_t *shown = json_object_get(view.result, "coordinator");
    assert_true(json_is_true(json_object_get(shown, "read_only")));
    /* Without the agent that says so there is no reason left. */
    AUTO_ANSWER Answer revoked = world_admit(world, ALICE, world->agent_keys[0], 200, true);
    assert_refused(revoked, "");
    AUTO_ANSWER Answer plan_again = world_make_plan(world, OTTO, "second", 1);
    assert_refused(plan_again, "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_request_is_signed_by_the_key_that_sent_it),
        TEST(a_damaged_or_foreign_signature_is_refused),
        TEST(old_and_early_requests_are_refused),
        TEST(roles_say_who_may_ask_what),
        TEST(a_changing_request_is_acted_on_once),
        TEST(approvals_have_rules),
        TEST(one_rejection_vetoes),
        TEST(a_watcher_waits_until_the_view_changes),
        TEST(who_is_outranked_only_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
