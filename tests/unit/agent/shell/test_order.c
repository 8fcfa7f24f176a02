#include "fleet_fixture.h"

static ErrCode open_plan(Fleet *f, OrderPlan *plan)
{
    return order_plan_open(f->arena, f->trust, &f->run, f->dossier, f->bundle, NOW_UNIX_MS, plan,
                           &f->err);
}

static ErrCode open_shard(Fleet *f, OrderShard *shard)
{
    OrderPlan *plan = ARENA_NEW(f->arena, OrderPlan);
    assert_ok(open_plan(f, plan));
    return order_shard_open(f->arena, plan, "here", &f->order, NOW_UNIX_MS, shard, &f->err);
}

static void refuses_plan(Fleet *f, ErrCode expected)
{
    OrderPlan plan = {.approved_until_unix_ms = 12345};
    ErrCode code = open_plan(f, &plan);
    assert_string_equal(err_code_name(code), err_code_name(expected));
    assert_int_equal(plan.approved_until_unix_ms, 12345); /* outputs untouched */
}

static void refuses_shard(Fleet *f, ErrCode expected)
{
    OrderShard shard = {.step_count = 12345};
    ErrCode code = open_shard(f, &shard);
    assert_string_equal(err_code_name(code), err_code_name(expected));
    assert_int_equal(shard.step_count, 12345);
}

static void reseal(Fleet *f)
{
    fleet_seal(f, f->people[ALICE]);
    fleet_approve(f, BOB);
    fleet_approve(f, CAROL);
    fleet_pack(f);
    fleet_make_order(f, 1);
}

/* Each byte of the bytes once with another value: none may be believed. */
static void flip(ByteSpan *span, Arena *arena, size_t at)
{
    uint8_t *copy = arena_memdup(arena, span->bytes, span->length);
    copy[at] ^= 0x20;
    span->bytes = copy;
}

/* --- plan ------------------------------------------------------------------------------------- */

static void believes_what_is_signed_and_approved(void **state)
{
    Fleet *f = *state;
    OrderPlan plan;
    OrderShard shard;
    assert_ok(open_plan(f, &plan));
    assert_int_equal(plan.approved_until_unix_ms, NOW_UNIX_MS + 1000);
    assert_ok(open_shard(f, &shard));
    assert_int_equal(shard.kind, JOB_FORWARD);
    assert_int_equal(shard.step_count, 2);
    assert_string_equal(shard.steps[0].revision, "r2");
    assert_string_equal(shard.steps[0].rows_before.items[0], "r1");
    assert_string_equal(shard.steps[1].rows_after.items[0], "r3");
}

static void no_byte_of_the_header_can_be_changed(void **state)
{
    Fleet *f = *state;
    ByteSpan good = f->header_envelope;
    for (size_t at = 0; at < good.length; at++) {
        OrderPlan plan;
        f->header_envelope = good;
        flip(&f->header_envelope, f->arena, at);
        fleet_pack(f);
        ErrCode code = open_plan(f, &plan);
        /* The key id in the envelope is only a hint; the rest counts. */
        if (code == ERR_OK)
            assert_memory_equal(&plan.digest, &f->run.plan_digest, sizeof plan.digest);
    }
    f->header_envelope = good;
    fleet_pack(f);
    flip(&f->dossier, f->arena, f->dossier.length / 2);
    OrderPlan plan;
    assert_int_not_equal(open_plan(f, &plan), ERR_OK);
}

static void refuses_another_plan_than_the_ordered(void **state)
{
    Fleet *f = *state;
    Digest ordered = f->run.plan_digest;
    f->header.name = "renamed";
    reseal(f);
    f->run.plan_digest = ordered;
    refuses_plan(f, ERR_DIGEST_MISMATCH);
}

static void refuses_plans_by_those_who_may_not_write_them(void **state)
{
    Fleet *f = *state;
    fleet_seal(f, f->stranger);
    fleet_approve(f, BOB);
    fleet_approve(f, CAROL);
    fleet_pack(f);
    refuses_plan(f, ERR_KEY_UNKNOWN);
    fleet_seal(f, f->release);
    fleet_pack(f);
    refuses_plan(f, ERR_KEY_UNKNOWN);
    f->header.author = f->operators[VICTOR].key.keyid; /* a viewer */
    fleet_seal(f, f->people[VICTOR]);
    fleet_approve(f, BOB);
    fleet_approve(f, CAROL);
    fleet_pack(f);
    refuses_plan(f, ERR_KEY_UNKNOWN);
    f->header.author = f->operators[ALICE].key.keyid; /* named, but another one signed */
    fleet_seal(f, f->people[BOB]);
    fleet_approve(f, CAROL);
    fleet_pack(f);
    refuses_plan(f, ERR_KEY_UNKNOWN);
}

static void refuses_plans_for_others(void **state)
{
    Fleet *f = *state;
    f->header.fleet_id.bytes[0]++;
    reseal(f);
    refuses_plan(f, ERR_REFUSED);
    f->header.fleet_id.bytes[0]--;
    f->header.rollout_id.bytes[0]++;
    reseal(f);
    refuses_plan(f, ERR_REFUSED);
}

/* --- looking ---------------------------------------------------------------------------------- */

static void looks_only_at_the_plans_own_shards(void **state)
{
    Fleet *f = *state;
    OrderPlan plan;
    PlanShard shard;
    assert_ok(open_plan(f, &plan));
    assert_ok(order_look_open(f->arena, &plan, "here", &f->order, &shard, &f->err));
    assert_int_equal(shard.index, 1);
    ErrCode code = order_look_open(f->arena, &plan, "elsewhere", &f->order, &shard, &f->err);
    assert_int_equal(code, ERR_REFUSED);
    ByteSpan good = f->order.plan_shard;
    for (size_t at = 0; at < good.length; at++) {
        f->order.plan_shard = good;
        flip(&f->order.plan_shard, f->arena, at);
        assert_int_not_equal(order_look_open(f->arena, &plan, "here", &f->order, &shard, &f->err),
                             ERR_OK);
    }
}

/* --- approvals -------------------------------------------------------------------------------- */

static void refuses_a_missing_approval(void **state)
{
    Fleet *f = *state;
    f->approval_count = 1;
    fleet_pack(f);
    refuses_plan(f, ERR_APPROVAL);
    f->approval_count = 0;
    fleet_pack(f);
    refuses_plan(f, ERR_APPROVAL);
}

static void the_author_approves_nothing(void **state)
{
    Fleet *f = *state;
    f->approval_count = 1;
    fleet_approve(f, ALICE);
    fleet_pack(f);
    refuses_plan(f, ERR_APPROVAL);
}

static void one_person_approves_once(void **state)
{
    Fleet *f = *state;
    f->approval_count = 0;
    fleet_approve(f, BOB);
    fleet_approve(f, BOB);
    fleet_pack(f);
    refuses_plan(f, ERR_APPROVAL);
}

static void roles_below_approver_approve_nothing(void **state)
{
    Fleet *f = *state;
    f->approval_count = 1;
    fleet_approve(f, OSCAR);
    fleet_approve(f, VICTOR);
    fleet_pack(f);
    refuses_plan(f, ERR_APPROVAL);
}

static void keys_without_a_role_approve_nothing(void **state)
{
    Fleet *f = *state;
    Approval approval = fleet_approval(f, VERDICT_APPROVED);
    f->approval_count = 1;
    fleet_add_approval(f, &approval, f->stranger);
    fleet_add_approval(f, &approval, f->coordinator);
    fleet_add_approval(f, &approval, f->release);
    fleet_pack(f);
    refuses_plan(f, ERR_APPROVAL);
}

static void a_veto_ends_it(void **state)
{
    Fleet *f = *state;
    Approval veto = fleet_approval(f, VERDICT_REJECTED);
    veto.expires_unix_ms = 2; /* a veto does not expire */
    fleet_add_approval(f, &veto, f->people[BOB]);
    fleet_pack(f);
    refuses_plan(f, ERR_APPROVAL);
    assert_non_null(strstr(f->err.message, "bob"));
}

static void a_veto_by_who_may_not_is_none(void **state)
{
    Fleet *f = *state;
    Approval veto = fleet_approval(f, VERDICT_REJECTED);
    fleet_add_approval(f, &veto, f->people[OSCAR]);
    fleet_add_approval(f, &veto, f->stranger);
    fleet_pack(f);
    OrderPlan plan;
    assert_ok(open_plan(f, &plan));
}

static void approvals_of_another_plan_count_for_nothing(void **state)
{
    Fleet *f = *state;
    Approval approval = fleet_approval(f, VERDICT_APPROVED);
    approval.plan_digest.bytes[0] ^= 1;
    f->approval_count = 1;
    fleet_add_approval(f, &approval, f->people[CAROL]);
    fleet_pack(f);
    refuses_plan(f, ERR_APPROVAL);
}

static void approvals_expire(void **state)
{
    Fleet *f = *state;
    Approval approval = fleet_approval(f, VERDICT_APPROVED);
    approval.expires_unix_ms = NOW_UNIX_MS;
    f->approval_count = 1;
    fleet_add_approval(f, &approval, f->people[CAROL]);
    fleet_pack(f);
    refuses_plan(f, ERR_APPROVAL);
}

static void no_byte_of_an_approval_can_be_changed(void **state)
{
    Fleet *f = *state;
    ByteSpan good = f->approvals[1];
    size_t refused = 0;
    for (size_t at = 0; at < good.length; at++) {
        OrderPlan plan;
        f->approvals[1] = good;
        flip(&f->approvals[1], f->arena, at);
        fleet_pack(f);
        refused += open_plan(f, &plan) == ERR_APPROVAL;
    }
    /* All but the key id, which is a hint. */
    assert_true(refused >= good.length - KEY_ID_TEXT_SIZE);
}

static void what_was_approved_holds_for_its_time(void **state)
{
    Fleet *f = *state;
    OrderPlan plan;
    OrderShard shard;
    assert_ok(open_plan(f, &plan));
    assert_ok(
        order_shard_open(f->arena, &plan, "here", &f->order, NOW_UNIX_MS + 999, &shard, &f->err));
    assert_int_equal(
        order_shard_open(f->arena, &plan, "here", &f->order, NOW_UNIX_MS + 1000, &shard, &f->err),
        ERR_APPROVAL);
    /* Taking back has a limit of its own (job_position.h). */
    f->order.direction = DIRECTION_DOWNGRADE;
    f->order.generation = 2;
    assert_ok(
        order_shard_open(f->arena, &plan, "here", &f->order, NOW_UNIX_MS + 1000, &shard, &f->err));
}

/* --- bundle ----------------------------------------------------------------------------------- */

static void refuses_a_swapped_bundle(void **state)
{
    Fleet *f = *state;
    Digest digest;
    f->bundle = fleet_bundle(f, f->release, true, &digest); /* signed, but another */
    refuses_plan(f, ERR_DIGEST_MISMATCH);
    f->run.bundle_digest = digest;
    refuses_plan(f, ERR_DIGEST_MISMATCH);
}

static void refuses_a_bundle_without_release_keys(void **state)
{
    Fleet *f = *state;
    Digest digest;
    f->bundle = fleet_bundle(f, f->stranger, false, &digest);
    assert_true(digest_equal(&digest, &f->bundle_digest));
    refuses_plan(f, ERR_KEY_UNKNOWN);
    f->bundle = fleet_bundle(f, f->coordinator, false, &digest);
    refuses_plan(f, ERR_KEY_UNKNOWN);
}

static void no_byte_of_the_bundle_can_be_changed(void **state)
{
    Fleet *f = *state;
    ByteSpan good = f->bundle;
    for (size_t at = 0; at < good.length; at += 7) {
        OrderPlan plan;
        f->bundle = good;
        flip(&f->bundle, f->arena, at);
        if (open_plan(f, &plan) == ERR_OK)
            assert_true(digest_equal(&plan.bundle.digest, &f->bundle_digest));
    }
}

/* --- shard ------------------------------------------------------------------------------------ */

static void refuses_a_changed_shard(void **state)
{
    Fleet *f = *state;
    PlanShard shard = fleet_shard(f, 1);
    shard.database = "other";
    uint8_t *bytes;
    size_t length;
    assert_ok(plan_shard_encode(f->arena, &shard, &bytes, &length, &f->err));
    f->order.plan_shard = (ByteSpan){bytes, length};
    refuses_shard(f, ERR_DIGEST_MISMATCH);
}

static void refuses_a_wrong_audit_path(void **state)
{
    Fleet *f = *state;
    f->order.audit_path[0].bytes[3] ^= 1;
    refuses_shard(f, ERR_DIGEST_MISMATCH);
    f->order.audit_path[0].bytes[3] ^= 1;
    f->order.audit_path_count--;
    refuses_shard(f, ERR_DIGEST_MISMATCH);
    fleet_make_order(f, 0);
    ShardOrder other = f->order;
    fleet_make_order(f, 1);
    f->order.audit_path = other.audit_path;
    refuses_shard(f, ERR_DIGEST_MISMATCH);
}

static void refuses_another_agents_shard(void **state)
{
    Fleet *f = *state;
    fleet_make_order(f, 2);
    refuses_shard(f, ERR_REFUSED);
}

static void refuses_steps_the_bundle_does_not_lead_by(void **state)
{
    Fleet *f = *state;
    PlanShard shard = fleet_shard(f, 1);
    shard.steps.count = 1; /* skips one */
    fleet_set_shard(f, &shard);
    reseal(f);
    refuses_shard(f, ERR_REFUSED);
    shard = fleet_shard(f, 1);
    shard.rows_after = fleet_rows(f, "r2");
    fleet_set_shard(f, &shard);
    reseal(f);
    refuses_shard(f, ERR_REFUSED);
}

/* --- direction -------------------------------------------------------------------------------- */

static void takes_back_only_when_policy_says_so(void **state)
{
    Fleet *f = *state;
    OrderShard shard;
    f->order.direction = DIRECTION_DOWNGRADE;
    refuses_shard(f, ERR_REFUSED); /* generation 1 is the plan's own direction */
    f->order.generation = 2;
    assert_ok(open_shard(f, &shard));
    assert_int_equal(shard.kind, JOB_TAKE_BACK);
    assert_true(shard.take_back_allowed);
    assert_int_equal(shard.take_back_within_ms, 60000);
    assert_true(uuid_equal(&shard.source_rollout, &f->header.rollout_id));
    f->header.policy.on_failure = ON_FAILURE_PAUSE;
    reseal(f);
    f->order.direction = DIRECTION_DOWNGRADE;
    f->order.generation = 2;
    refuses_shard(f, ERR_REFUSED);
    f->header.policy.on_shard_failure = ON_SHARD_FAILURE_ROLLBACK;
    reseal(f);
    f->order.direction = DIRECTION_DOWNGRADE;
    f->order.generation = 2;
    assert_ok(open_shard(f, &shard));
}

static void a_rollback_plan_takes_back_another_rollout(void **state)
{
    Fleet *f = *state;
    OrderShard shard;
    PlanShard plan = fleet_shard(f, 1);
    StrList steps = {0};
    strlist_add(f->arena, &steps, "r3");
    strlist_add(f->arena, &steps, "r2");
    plan.rows_before = fleet_rows(f, "r3");
    plan.rows_after = fleet_rows(f, "r1");
    plan.steps = steps;
    fleet_set_shard(f, &plan);
    f->header.rollback_of = (Uuid){{8, 8}};
    f->header.direction = DIRECTION_DOWNGRADE;
    f->header.target = "before rollout";
    reseal(f);
    assert_ok(open_shard(f, &shard));
    assert_int_equal(shard.kind, JOB_TAKE_BACK);
    assert_true(uuid_equal(&shard.source_rollout, &f->header.rollback_of));
    assert_int_equal(shard.take_back_within_ms, 0);
    assert_int_equal(shard.step_count, 2);
    assert_string_equal(shard.steps[0].revision, "r3");
}

static void an_order_needs_a_generation(void **state)
{
    Fleet *f = *state;
    f->order.generation = 0;
    refuses_shard(f, ERR_PROTOCOL);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fleet_setup, fleet_teardown)

/* --- restores --------------------------------------------------------------------------------- */

static void set_restore(Fleet *f, const char *path)
{
    PlanShard shard = fleet_shard(f, 1);
    f->header.direction = DIRECTION_RESTORE;
    f->order.direction = DIRECTION_RESTORE;
    shard.steps = (StrList){0};
    shard.restore = (RestoreFrom){.path = path, .size_bytes = 7};
    fleet_set_shard(f, &shard);
    reseal(f);
    f->order.direction = DIRECTION_RESTORE;
}

static const char *backup_path(Fleet *f, const char *ending)
{
    char uuid[UUID_TEXT_SIZE];
    PlanShard shard = fleet_shard(f, 1);
    uuid_format(&shard.uuid, uuid);
    return arena_printf(f->arena, "%s/00112233445566778899aabbccddeeff%s", uuid, ending);
}

static void restores_only_what_the_plan_names(void **state)
{
    Fleet *f = *state;
    OrderShard shard;
    set_restore(f, backup_path(f, ".dump"));
    assert_ok(open_shard(f, &shard));
    assert_int_equal(shard.kind, JOB_RESTORE);
    assert_false(shard.take_back_allowed);
    f->order.direction = DIRECTION_UPGRADE;
    refuses_shard(f, ERR_REFUSED);
    f->order.direction = DIRECTION_RESTORE;
    f->order.generation = 2;
    refuses_shard(f, ERR_REFUSED);
}

static void backups_of_every_method_are_named_alike(void **state)
{
    Fleet *f = *state;
    OrderShard shard;
    const char *const endings[] = {".dump", ".dump.age", ".dir", ".manifest"};
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        set_restore(f, backup_path(f, endings[i]));
        assert_ok(open_shard(f, &shard));
    }
    set_restore(f, backup_path(f, ".partial"));
    refuses_shard(f, ERR_REFUSED);
}

static void a_backup_is_of_the_shard_and_nowhere_else(void **state)
{
    Fleet *f = *state;
    const char *const wrong[] = {"",
                                 "x.dump",
                                 "../00112233445566778899aabbccddeeff.dump",
                                 backup_path(f, ""),
                                 backup_path(f, ".dump/../../x.dump"),
                                 arena_printf(f->arena, "x%s", backup_path(f, ".dump"))};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        set_restore(f, wrong[i]);
        refuses_shard(f, ERR_REFUSED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(looks_only_at_the_plans_own_shards),
        T(restores_only_what_the_plan_names),
        T(backups_of_every_method_are_named_alike),
        T(a_backup_is_of_the_shard_and_nowhere_else),
        T(believes_what_is_signed_and_approved),
        T(no_byte_of_the_header_can_be_changed),
        T(refuses_another_plan_than_the_ordered),
        T(refuses_plans_by_those_who_may_not_write_them),
        T(refuses_plans_for_others),
        T(refuses_a_missing_approval),
        T(the_author_approves_nothing),
        T(one_person_approves_once),
        T(roles_below_approver_approve_nothing),
        T(keys_without_a_role_approve_nothing),
        T(a_veto_ends_it),
        T(a_veto_by_who_may_not_is_none),
        T(approvals_of_another_plan_count_for_nothing),
        T(approvals_expire),
        T(no_byte_of_an_approval_can_be_changed),
        T(what_was_approved_holds_for_its_time),
        T(refuses_a_swapped_bundle),
        T(refuses_a_bundle_without_release_keys),
        T(no_byte_of_the_bundle_can_be_changed),
        T(refuses_a_changed_shard),
        T(refuses_a_wrong_audit_path),
        T(refuses_another_agents_shard),
        T(refuses_steps_the_bundle_does_not_lead_by),
        T(takes_back_only_when_policy_says_so),
        T(a_rollback_plan_takes_back_another_rollout),
        T(an_order_needs_a_generation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
