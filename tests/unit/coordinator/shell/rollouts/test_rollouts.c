#include "../shell_world.h"

#include "named_limits.h"

static size_t count_sent(const World *world, CommandKind kind)
{
    size_t count = 0;
    for (size_t i = 0; i < world->sent_count; i++)
        count += world->sent[i].kind == kind ? 1 : 0;
    return count;
}

static const char *state_of(World *world, const char *name, char out[32])
{
    AUTO_ANSWER Answer view = world_view(world, VIEW_ROLLOUT, name);
    snprintf(out, 32, "%s", answer_string(&view, "state"));
    return out;
}

static json_int_t progress(const Answer *view, const char *key)
{
    return json_integer_value(json_object_get(json_object_get(view->result, "progress"), key));
}

static void prepare(World *world)
{
    world_fleet(world);
    world_put_bundle(world);
    world_approved_plan(world, "first");
}

static void a_plan_says_what_it_will_do(void **state)
{
    World *world = *state;
    world_fleet(world);
    world_put_bundle(world);
    world_list_shards(world, "chennai", 11, 3, "002_two");
    AUTO_ANSWER Answer made = world_make_plan(world, OTTO, "first", 1);
    assert_refused(made, "");
    const json_t *steps = json_object_get(made.result, "steps");
    const json_t *waves = json_object_get(made.result, "waves");
    assert_int_equal(json_integer_value(json_object_get(made.result, "shards")), 6);
    assert_int_equal(json_array_size(steps), 2);
    const json_t *two = json_object_get(json_array_get(steps, 0), "revisions");
    assert_int_equal(json_array_size(two), 2);
    assert_string_equal(json_string_value(json_array_get(two, 0)), "002_two");
    assert_string_equal(json_string_value(json_array_get(two, 1)), "003_three");
    assert_int_equal(json_array_size(waves), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(waves, 0), "first")),
                        "boston/tenant_01");
    /* Everybody at the target: nothing to plan. */
    world_list_shards(world, "boston", 1, 3, "003_three");
    world_list_shards(world, "chennai", 11, 3, "003_three");
    AUTO_ANSWER Answer nothing = world_make_plan(world, OTTO, "first", 1);
    assert_refused(nothing, "EMPTY_SELECTION");
}

static void nothing_is_sent_before_it_is_durable(void **state)
{
    World *world = *state;
    prepare(world);
    AUTO_ANSWER Answer answer = world_control(world, OTTO, "first", CONTROL(START));
    assert_refused(answer, "");
    assert_int_equal(count_sent(world, COMMAND_RUN), 0);
    world_settle(world);
    assert_int_equal(count_sent(world, COMMAND_RUN), 1);
    assert_string_equal(world->sent[0].agent, "boston");
    assert_int_equal(world->sent[0].orders, 1);
    assert_true(digest_equal(&world->sent[0].run.bundle_blob_digest, &world->bundle_blob));
    assert_true(blob_has(world->coordinator->blobs, &world->sent[0].run.dossier_digest));
}

static void a_rollout_goes_through_its_waves(void **state)
{
    World *world = *state;
    char text[32];
    prepare(world);
    world_start(world, "first");
    AUTO_ANSWER Answer canary = world_view(world, VIEW_ROLLOUT, "first");
    assert_string_equal(answer_string(&canary, "state"), "running");
    assert_int_equal(progress(&canary, "running"), 1);
    assert_int_equal(progress(&canary, "waiting"), 5);
    assert_int_equal(json_integer_value(json_object_get(canary.result, "wave")), 1);
    world_job_ends(world, "first", 0, OUTCOME_SUCCEEDED);
    AUTO_ANSWER Answer rest = world_view(world, VIEW_ROLLOUT, "first");
    assert_int_equal(progress(&rest, "done"), 1);
    assert_int_equal(progress(&rest, "running"), 5);
    for (uint32_t i = 1; i < 6; i++)
        world_job_ends(world, "first", i, OUTCOME_SUCCEEDED);
    assert_string_equal(state_of(world, "first", text), "succeeded");
    AUTO_ANSWER Answer shards = world_view(world, VIEW_SHARDS, "");
    const json_t *first = json_array_get(json_object_get(shards.result, "shards"), 0);
    assert_string_equal(json_string_value(json_object_get(first, "state")), "current");
    assert_string_equal(json_string_value(json_array_get(json_object_get(first, "rows"), 0)),
                        "003_three");
    assert_int_equal(count_sent(world, COMMAND_REFRESH), 2);
}

/* As if it had been killed after each record: what was decided stands, nothing is done twice. */
static void a_restart_goes_on_where_the_journal_ends(void **state)
{
    World *world = *state;
    char text[32];
    prepare(world);
    world_start(world, "first");
    world_job_ends(world, "first", 0, OUTCOME_SUCCEEDED);
    world_close(world);
    world->sent_count = 0;
    world_open(world);
    AUTO_ANSWER Answer before = world_view(world, VIEW_ROLLOUT, "first");
    assert_string_equal(answer_string(&before, "state"), "running");
    assert_int_equal(progress(&before, "done"), 1);
    assert_int_equal(progress(&before, "running"), 5);
    assert_int_equal(world->sent_count, 0); /* nobody is there yet */
    uint64_t records = journal_last_seq(world->coordinator->journal);
    world_agent_up(world, "boston");
    world_agent_up(world, "chennai");
    world_settle(world);
    size_t orders = 0;
    for (size_t i = 0; i < world->sent_count; i++) {
        assert_int_equal(world->sent[i].kind, COMMAND_RUN);
        assert_int_equal(world->sent[i].first_generation, 1);
        orders += world->sent[i].orders;
    }
    assert_int_equal(orders, 5); /* not the one that is done */
    assert_true(journal_last_seq(world->coordinator->journal) >= records);
    for (uint32_t i = 1; i < 6; i++)
        world_job_ends(world, "first", i, OUTCOME_SUCCEEDED);
    assert_string_equal(state_of(world, "first", text), "succeeded");
    world_close(world);
    world_open(world);
    assert_string_equal(state_of(world, "first", text), "succeeded");
}

static void a_start_needs_the_fleet_as_planned(void **state)
{
    World *world = *state;
    prepare(world);
    world_list_shards(world, "chennai", 11, 3, "002_two");
    AUTO_ANSWER Answer moved = world_control(world, OTTO, "first", CONTROL(START));
    assert_refused(moved, "OVERTAKEN");
    world_list_shards(world, "chennai", 11, 2, "001_one");
    AUTO_ANSWER Answer gone = world_control(world, OTTO, "first", CONTROL(START));
    assert_refused(gone, "BUSY");
    world_list_shards(world, "chennai", 11, 3, "001_one");
    world_approved_plan(world, "second");
    world_start(world, "first");
    AUTO_ANSWER Answer held = world_control(world, OTTO, "second", CONTROL(START));
    assert_refused(held, "STATE");
    AUTO_ANSWER Answer twice = world_control(world, OTTO, "first", CONTROL(START));
    assert_refused(twice, "STATE");
}

static void a_running_rollout_keeps_its_name(void **state)
{
    World *world = *state;
    char text[32];
    prepare(world);
    world_start(world, "first");
    world_approved_plan(world, "first");
    assert_string_equal(state_of(world, "first", text), "running");
    AUTO_ANSWER Answer aborted = world_control(world, OTTO, "first", CONTROL(ABORT));
    assert_refused(aborted, "");
    world_settle(world);
    AUTO_ANSWER Answer again = world_control(world, OTTO, "first", CONTROL(ABORT));
    assert_refused(again, "STATE");
    for (uint32_t i = 0; i < 6; i++)
        world_job_ends(world, "first", i, OUTCOME_STOPPED);
    assert_string_equal(state_of(world, "first", text), "approved"); /* the newer one's again */
}

/* Plans that can't be started any more do not use up what may be unfinished at once. */
static void vetoed_and_expired_plans_are_in_nobodys_way(void **state)
{
    World *world = *state;
    world_fleet(world);
    world_put_bundle(world);
    AUTO_ANSWER Answer made = world_make_plan(world, OTTO, "vetoed", 1);
    AUTO_ANSWER Answer submitted = world_submit(world, OTTO, &made);
    assert_refused(submitted, "");
    AUTO_ANSWER Answer rejected =
        world_approve(world, BOB, answer_string(&made, "plan_digest"), VERDICT_REJECTED);
    assert_refused(rejected, "");
    for (int i = 2; i < LIMIT_ROLLOUTS_OPEN; i++) {
        AUTO_ANSWER Answer draft = world_make_plan(world, OTTO, "draft", 1);
        AUTO_ANSWER Answer answer = world_submit(world, OTTO, &draft);
        assert_refused(answer, "");
    }
    world_approved_plan(world, "first");
    world_start(world, "first");
    world_approved_plan(world, "second");
    AUTO_ANSWER Answer full = world_control(world, OTTO, "second", CONTROL(START));
    assert_refused(full, "LIMIT");
    world->coordinator->unix_ms += world->settings.plan_ttl_ms;
    world_approved_plan(world, "third");
    AUTO_ANSWER Answer held = world_control(world, OTTO, "third", CONTROL(START));
    assert_refused(held, "STATE"); /* by the shards, which the first one has */
}

static void an_expired_plan_does_not_start(void **state)
{
    World *world = *state;
    prepare(world);
    world->coordinator->unix_ms += world->settings.plan_ttl_ms;
    AUTO_ANSWER Answer late = world_control(world, OTTO, "first", CONTROL(START));
    assert_refused(late, "STALE");
}

static void failures_beyond_the_budget_stop_it(void **state)
{
    World *world = *state;
    char text[32];
    prepare(world);
    world_start(world, "first");
    world_job_ends(world, "first", 0, OUTCOME_SUCCEEDED);
    world_job_ends(world, "first", 1, OUTCOME_FAILED);
    assert_string_equal(state_of(world, "first", text), "running");
    world_job_ends(world, "first", 2, OUTCOME_FAILED);
    assert_true(count_sent(world, COMMAND_STOP) > 0);
    for (uint32_t i = 3; i < 6; i++)
        world_job_ends(world, "first", i, OUTCOME_STOPPED);
    AUTO_ANSWER Answer view = world_view(world, VIEW_ROLLOUT, "first");
    assert_string_equal(answer_string(&view, "state"), "halted");
    assert_int_equal(progress(&view, "failed"), 2);
    assert_int_equal(progress(&view, "failures"), 2);
    const json_t *shard = json_array_get(json_object_get(view.result, "shards"), 1);
    assert_string_equal(json_string_value(json_object_get(shard, "sqlstate")), "23505");
}

static void a_quarantined_shard_is_in_no_plan(void **state)
{
    World *world = *state;
    prepare(world);
    world_start(world, "first");
    world_job_ends(world, "first", 0, OUTCOME_DIVERGED);
    AUTO_ANSWER Answer aborted = world_control(world, OTTO, "first", CONTROL(ABORT));
    assert_refused(aborted, "");
    world_settle(world);
    for (uint32_t i = 1; i < 6; i++)
        world_job_ends(world, "first", i, OUTCOME_STOPPED);
    /* It stays so over a restart. */
    world_close(world);
    world_open(world);
    world_agent_up(world, "boston");
    world_agent_up(world, "chennai");
    world_list_shards(world, "boston", 1, 3, "001_one");
    world_list_shards(world, "chennai", 11, 3, "001_one");
    AUTO_ANSWER Answer made = world_make_plan(world, OTTO, "second", 1);
    assert_refused(made, "");
    assert_int_equal(json_integer_value(json_object_get(made.result, "shards")), 5);
    assert_int_equal(json_integer_value(json_object_get(made.result, "left_out")), 1);
    AUTO_ANSWER Answer shards = world_view(world, VIEW_SHARDS, "");
    const json_t *first = json_array_get(json_object_get(shards.result, "shards"), 0);
    assert_string_equal(json_string_value(json_object_get(first, "state")), "diverged");
}

/* A veto stands when the one who said it has left and the coordinator was restarted since. */
static void a_rejection_outlives_its_signer(void **state)
{
    World *world = *state;
    prepare(world);
    RolloutEntry *entry;
    char digest[DIGEST_TEXT_SIZE];
    assert_ok(rollouts_find(world->coordinator->rollouts, "first", &entry, err));
    digest_format(&entry->plan_digest, digest);
    AUTO_ANSWER Answer rejected = world_approve(world, BETH, digest, VERDICT_REJECTED);
    assert_refused(rejected, "");
    world_settle(world);
    world_close(world);
    key_free(world->operators[BETH]);
    assert_ok(key_generate("beth", &world->operators[BETH], err));
    world_write_trust(world);
    world_open(world);
    world_agent_up(world, "boston");
    world_agent_up(world, "chennai");
    world_list_shards(world, "boston", 1, 3, "001_one");
    world_list_shards(world, "chennai", 11, 3, "001_one");
    AUTO_ANSWER Answer started = world_control(world, OTTO, "first", CONTROL(START));
    assert_refused(started, "APPROVAL");
}

static Answer make_rollback(World *world, const char *name)
{
    RequestMessage request = world_request(world);
    Pgtide__V1__MakeRollback make = PGTIDE__V1__MAKE_ROLLBACK__INIT;
    make.rollout = proto_from_text(name);
    request.body_case = PGTIDE__V1__REQUEST__BODY_MAKE_ROLLBACK;
    request.make_rollback = &make;
    return world_ask(world, OTTO, &request);
}

static void a_rollback_is_the_inverse_plan(void **state)
{
    World *world = *state;
    char text[32];
    prepare(world);
    AUTO_ANSWER Answer not_started = make_rollback(world, "first");
    assert_refused(not_started, "STATE");
    world_start(world, "first");
    AUTO_ANSWER Answer running = make_rollback(world, "first");
    assert_refused(running, "STATE");
    for (uint32_t i = 0; i < 6; i++)
        world_job_ends(world, "first", i, OUTCOME_SUCCEEDED);
    /* Half of them stand half-way: somebody has taken one step back there. */
    world->coordinator->now_ms += INVENTORY_JOB_ROWS_MS;
    world_list_shards(world, "boston", 1, 3, "003_three");
    world_list_shards(world, "chennai", 11, 3, "002_two");
    AUTO_ANSWER Answer made = make_rollback(world, "first");
    assert_refused(made, "");
    assert_string_equal(answer_string(&made, "direction"), "downgrade");
    assert_string_equal(answer_string(&made, "name"), "first-rollback");
    assert_int_equal(json_integer_value(json_object_get(made.result, "shards")), 6);
    const json_t *steps = json_object_get(made.result, "steps");
    assert_int_equal(json_array_size(steps), 2);
    const json_t *full = json_object_get(json_array_get(steps, 0), "revisions");
    const json_t *half = json_object_get(json_array_get(steps, 1), "revisions");
    assert_string_equal(json_string_value(json_array_get(full, 0)), "003_three");
    assert_string_equal(json_string_value(json_array_get(full, 1)), "002_two");
    assert_int_equal(json_array_size(half), 1);
    AUTO_ANSWER Answer submitted = world_submit(world, OTTO, &made);
    assert_refused(submitted, "");
    AUTO_ANSWER Answer approved =
        world_approve(world, BOB, answer_string(&made, "plan_digest"), VERDICT_APPROVED);
    assert_refused(approved, "");
    world_start(world, "first-rollback");
    assert_string_equal(state_of(world, "first-rollback", text), "running");
    const SentCommand *last = &world->sent[world->sent_count - 1];
    assert_int_equal(last->kind, COMMAND_RUN);
    assert_int_equal(last->first_direction, DIRECTION_DOWNGRADE);
}

static void lies_about_other_shards_are_not_heard(void **state)
{
    World *world = *state;
    prepare(world);
    world_start(world, "first");
    RolloutEntry *entry;
    assert_ok(rollouts_find(world->coordinator->rollouts, "first", &entry, err));
    JobReport lie = {.rollout_id = entry->header.rollout_id,
                     .shard = entry->shards[0].uuid,
                     .index = 0,
                     .generation = 1,
                     .direction = DIRECTION_UPGRADE,
                     .attempt = 1,
                     .phase = PHASE_DONE,
                     .outcome = OUTCOME_SUCCEEDED,
                     .steps_done = 2,
                     .steps_total = 2,
                     .revision = "",
                     .rows = entry->shards[0].rows_after,
                     .code = "",
                     .sqlstate = "",
                     .message = "",
                     .hint = ""};
    world_report(world, "chennai", &lie);
    lie.shard = entry->shards[5].uuid; /* its own shard in the other's place */
    world_report(world, "chennai", &lie);
    world_settle(world);
    AUTO_ANSWER Answer view = world_view(world, VIEW_ROLLOUT, "first");
    assert_int_equal(progress(&view, "running"), 1);
    assert_int_equal(progress(&view, "done"), 0);
}

static const char *activity_shown(const Answer *view, const char *key)
{
    const json_t *shard = json_array_get(json_object_get(view->result, "shards"), 0);
    return json_string_value(json_object_get(json_object_get(shard, "activity"), key));
}

static void what_a_job_is_at_is_shown_while_it_lasts(void **state)
{
    World *world = *state;
    prepare(world);
    world_start(world, "first");
    RolloutEntry *entry;
    assert_ok(rollouts_find(world->coordinator->rollouts, "first", &entry, err));
    JobReport report = {.rollout_id = entry->header.rollout_id,
                        .shard = entry->shards[0].uuid,
                        .generation = 1,
                        .direction = DIRECTION_UPGRADE,
                        .attempt = 1,
                        .phase = PHASE_STEP,
                        .revision = "",
                        .code = "",
                        .sqlstate = "",
                        .message = "",
                        .hint = "",
                        .activity = {.kind = ACTIVITY_LOCK_WAIT,
                                     .what = "ALTER TABLE users",
                                     .held_back = "",
                                     .has_blocker = true,
                                     .blocker = {4711, "app", "psql", "UPDATE", 0}}};
    world_report(world, "boston", &report);
    AUTO_ANSWER Answer waits = world_view(world, VIEW_ROLLOUT, "first");
    assert_string_equal(activity_shown(&waits, "kind"), "lock-wait");
    assert_string_equal(activity_shown(&waits, "text"),
                        "ALTER TABLE users, waits for a lock behind 4711 (app, psql, UPDATE)");
    const json_t *first = json_array_get(json_object_get(waits.result, "activities"), 0);
    assert_string_equal(json_string_value(json_object_get(first, "shard")), "boston/tenant_01");
    report.attempt = 2; /* of no job in flight */
    report.activity.kind = ACTIVITY_UNSPECIFIED;
    world_report(world, "boston", &report);
    AUTO_ANSWER Answer still = world_view(world, VIEW_ROLLOUT, "first");
    assert_string_equal(activity_shown(&still, "kind"), "lock-wait");
    report.attempt = 1;
    world_report(world, "boston", &report);
    AUTO_ANSWER Answer goes_on = world_view(world, VIEW_ROLLOUT, "first");
    assert_null(activity_shown(&goes_on, "kind"));
    assert_int_equal(json_array_size(json_object_get(goes_on.result, "activities")), 0);
}

/* An agent tells a restarted coordinator of every job it remembers. */
static void old_news_do_not_move_a_shard(void **state)
{
    World *world = *state;
    prepare(world);
    world_start(world, "first");
    RolloutEntry *entry;
    assert_ok(rollouts_find(world->coordinator->rollouts, "first", &entry, err));
    const PlanShard *shard = &entry->shards[0];
    JobReport end = {.rollout_id = entry->header.rollout_id,
                     .shard = shard->uuid,
                     .generation = 1,
                     .direction = DIRECTION_UPGRADE,
                     .attempt = 1,
                     .phase = PHASE_DONE,
                     .outcome = OUTCOME_SUCCEEDED,
                     .steps_done = 2,
                     .steps_total = 2,
                     .revision = "",
                     .rows = shard->rows_after,
                     .code = "",
                     .sqlstate = "",
                     .message = "",
                     .hint = ""};
    world_report(world, "boston", &end);
    world_settle(world);
    world->coordinator->now_ms += INVENTORY_JOB_ROWS_MS;
    world_list_shards(world, "boston", 1, 3, "002_two"); /* somebody has moved it since */
    world_report(world, "boston", &end);
    const FleetShard *now = inventory_find(world->coordinator->inventory, &shard->uuid);
    assert_string_equal(now->rows.items[0], "002_two");
    assert_int_equal(now->job_rows_ms, 0);
}

static void states_of_a_shard(void **state)
{
    World *world = *state;
    const char *message;
    world_fleet(world);
    world_list_shards(world, "boston", 1, 1, "");
    const FleetShard *shard = inventory_shard_at(world->coordinator->inventory, 0);
    assert_int_equal(coordinator_shard_state(world->coordinator, shard, &message, NULL), SHARD_NEW);
    roster_find(world->coordinator->roster, "boston")->connected = false;
    assert_int_equal(coordinator_shard_state(world->coordinator, shard, &message, NULL),
                     SHARD_UNREACHABLE);
    assert_string_equal(message, "its agent is not connected");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_plan_says_what_it_will_do),
        TEST(nothing_is_sent_before_it_is_durable),
        TEST(a_rejection_outlives_its_signer),
        TEST(a_rollout_goes_through_its_waves),
        TEST(a_restart_goes_on_where_the_journal_ends),
        TEST(a_start_needs_the_fleet_as_planned),
        TEST(a_running_rollout_keeps_its_name),
        TEST(vetoed_and_expired_plans_are_in_nobodys_way),
        TEST(an_expired_plan_does_not_start),
        TEST(failures_beyond_the_budget_stop_it),
        TEST(a_quarantined_shard_is_in_no_plan),
        TEST(a_rollback_is_the_inverse_plan),
        TEST(lies_about_other_shards_are_not_heard),
        TEST(what_a_job_is_at_is_shown_while_it_lasts),
        TEST(old_news_do_not_move_a_shard),
        TEST(states_of_a_shard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
