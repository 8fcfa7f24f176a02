#include "../shell_world.h"

static void the_newest_serial_wins(void **state)
{
    World *world = *state;
    AUTO_ANSWER Answer first = world_admit(world, ALICE, world->agent_keys[0], 100, false);
    assert_refused(first, "");
    AUTO_ANSWER Answer older = world_admit(world, ALICE, world->agent_keys[0], 99, true);
    assert_refused(older, "STALE");
    AUTO_ANSWER Answer revoked = world_admit(world, ALICE, world->agent_keys[0], 101, true);
    assert_refused(revoked, "");
    const PublicKeyInfo *key = key_public(world->agent_keys[0]);
    assert_true(roster_find(world->coordinator->roster, key->name)->revoked);
}

static void a_revoked_key_never_comes_back(void **state)
{
    World *world = *state;
    AUTO_ANSWER Answer first = world_admit(world, ALICE, world->agent_keys[0], 100, false);
    AUTO_ANSWER Answer revoked = world_admit(world, ALICE, world->agent_keys[0], 101, true);
    AUTO_ANSWER Answer again = world_admit(world, ALICE, world->agent_keys[0], 102, false);
    assert_refused(first, "");
    assert_refused(revoked, "");
    assert_refused(again, "REFUSED");
    world_close(world);
    world_open(world);
    AUTO_ANSWER Answer after = world_admit(world, ALICE, world->agent_keys[0], 103, false);
    assert_refused(after, "REFUSED");
}

static void a_new_key_replaces_the_old_one_for_good(void **state)
{
    World *world = *state;
    AUTO_KEY SecretKey *next = fixed_key("boston", 40);
    AUTO_ANSWER Answer first = world_admit(world, ALICE, world->agent_keys[0], 100, false);
    AUTO_ANSWER Answer second = world_admit(world, ALICE, next, 101, false);
    AUTO_ANSWER Answer back = world_admit(world, ALICE, world->agent_keys[0], 102, false);
    assert_refused(first, "");
    assert_refused(second, "");
    assert_refused(back, "REFUSED");
    assert_int_equal(roster_count(world->coordinator->roster), 1);
    assert_string_equal(roster_find(world->coordinator->roster, "boston")->key.keyid,
                        key_public(next)->keyid);
}

static void a_key_has_one_name_and_one_owner(void **state)
{
    World *world = *state;
    AUTO_KEY SecretKey *renamed = fixed_key("austin", 4);       /* boston's */
    AUTO_KEY SecretKey *operator_key = fixed_key("dallas", 10); /* alice's connection key */
    AUTO_ANSWER Answer first = world_admit(world, ALICE, world->agent_keys[0], 100, false);
    AUTO_ANSWER Answer other = world_admit(world, ALICE, renamed, 101, false);
    AUTO_ANSWER Answer alice = world_admit(world, ALICE, operator_key, 101, false);
    assert_refused(first, "");
    assert_refused(other, "REFUSED");
    assert_refused(alice, "REFUSED");
    AUTO_ANSWER Answer unknown = world_admit(world, ALICE, world->agent_keys[1], 101, true);
    assert_refused(unknown, "NOT_FOUND");
}

static void a_former_start_does_not_come_back(void **state)
{
    World *world = *state;
    RosterAgent agent = {.sequence_seen = 0};
    BootNonce first = {{1}};
    BootNonce second = {{2}};
    (void)world;
    assert_ok(roster_new_boot(&agent, &first, err));
    agent.sequence_seen = 9;
    assert_ok(roster_new_boot(&agent, &second, err));
    assert_int_equal(agent.sequence_seen, 0);
    assert_code(ERR_STALE, roster_new_boot(&agent, &first, err));
    assert_true(uuid_equal(&agent.boot, &second));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_newest_serial_wins),
        TEST(a_revoked_key_never_comes_back),
        TEST(a_new_key_replaces_the_old_one_for_good),
        TEST(a_key_has_one_name_and_one_owner),
        TEST(a_former_start_does_not_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
