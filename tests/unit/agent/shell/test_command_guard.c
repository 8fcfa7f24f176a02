#include "fleet_fixture.h"

#include "command_guard.h"
#include "message_codec.h"

static const BootNonce boot = {{4, 2}};

static CommandGuard make_guard(const Fleet *f)
{
    return (CommandGuard){.trust = f->trust, .agent = "here", .boot = boot};
}

static Command make_command(const Fleet *f)
{
    return (Command){
        .fleet_id = *trust_fleet_id(f->trust),
        .agent = "here",
        .agent_boot = boot,
        .epoch = 5,
        .sequence = 1,
        .not_after_uptime_ms = 2000,
        .sent_unix_ms = NOW_UNIX_MS,
        .kind = COMMAND_HEARTBEAT,
    };
}

static ByteSpan seal(Fleet *f, const Command *command, const SecretKey *key)
{
    uint8_t *bytes;
    size_t length;
    assert_ok(command_encode(f->arena, command, &bytes, &length, &f->err));
    return fleet_sign(f, MESSAGE_COMMAND, bytes, length, key);
}

static const CommandClock now = {.uptime_ms = 1000, .unix_ms = NOW_UNIX_MS, .epoch = 5};

static ErrCode check_bytes(Fleet *f, const CommandGuard *guard, const CommandClock *clock,
                           ByteSpan bytes, Command *ret_command, const char **ret_keyid)
{
    uint64_t sequence;
    return command_guard_check(guard, f->arena, clock, bytes.bytes, bytes.length, ret_command,
                               ret_keyid, &sequence, &f->err);
}

static void expect(Fleet *f, const CommandGuard *guard, const CommandClock *clock,
                   const Command *command, ErrCode expected)
{
    Command out;
    const char *keyid;
    ErrCode code = check_bytes(f, guard, clock, seal(f, command, f->coordinator), &out, &keyid);
    assert_string_equal(err_code_name(code), err_code_name(expected));
}

static void believes_its_coordinator(void **state)
{
    Fleet *f = *state;
    CommandGuard guard = make_guard(f);
    Command command = make_command(f), out;
    const char *keyid;
    assert_ok(check_bytes(f, &guard, &now, seal(f, &command, f->coordinator), &out, &keyid));
    assert_string_equal(keyid, f->coordinator_key.keyid);
    assert_int_equal(out.sequence, 1);
}

static void believes_nobody_else(void **state)
{
    Fleet *f = *state;
    CommandGuard guard = make_guard(f);
    Command command = make_command(f), out;
    const char *keyid;
    const SecretKey *others[] = {f->stranger, f->people[ALICE], f->release, f->root};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(check_bytes(f, &guard, &now, seal(f, &command, others[i]), &out, &keyid),
                         ERR_KEY_UNKNOWN);
    /* Another type of message with the same bytes. */
    uint8_t *bytes;
    size_t length;
    assert_ok(command_encode(f->arena, &command, &bytes, &length, &f->err));
    ByteSpan other = fleet_sign(f, MESSAGE_REPORT, bytes, length, f->coordinator);
    assert_int_not_equal(check_bytes(f, &guard, &now, other, &out, &keyid), ERR_OK);
}

static void no_byte_can_be_changed(void **state)
{
    Fleet *f = *state;
    CommandGuard guard = make_guard(f);
    Command command = make_command(f), out;
    const char *keyid;
    ByteSpan good = seal(f, &command, f->coordinator);
    for (size_t at = 0; at < good.length; at++) {
        uint8_t *bytes = arena_memdup(f->arena, good.bytes, good.length);
        bytes[at] ^= 1;
        ByteSpan bad = {bytes, good.length};
        if (check_bytes(f, &guard, &now, bad, &out, &keyid) == ERR_OK) { /* the hint */
            assert_int_equal(out.sequence, 1);
            assert_int_equal(out.epoch, 5);
        }
    }
}

static void refuses_what_is_for_others(void **state)
{
    Fleet *f = *state;
    CommandGuard guard = make_guard(f);
    Command command = make_command(f);
    command.agent = "there";
    expect(f, &guard, &now, &command, ERR_REFUSED);
    command = make_command(f);
    command.fleet_id.bytes[5]++;
    expect(f, &guard, &now, &command, ERR_REFUSED);
    command = make_command(f);
    command.agent_boot.bytes[0]++;
    expect(f, &guard, &now, &command, ERR_STALE);
}

static void a_welcome_is_for_this_life_too(void **state)
{
    Fleet *f = *state;
    CommandGuard guard = make_guard(f);
    Command command = make_command(f);
    command.kind = COMMAND_WELCOME;
    command.agent_boot = (BootNonce){{0}};
    command.welcome =
        (Welcome){.agent_boot = boot, .heartbeat_ms = 500, .silence_deadline_ms = 1000};
    expect(f, &guard, &now, &command, ERR_OK);
    command.welcome.agent_boot.bytes[3]++;
    expect(f, &guard, &now, &command, ERR_STALE);
}

static void sequences_rise(void **state)
{
    Fleet *f = *state;
    CommandGuard guard = make_guard(f);
    Command command = make_command(f);
    command.sequence = 7;
    expect(f, &guard, &now, &command, ERR_OK);
    expect(f, &guard, &now, &command, ERR_OK); /* checked only: not counted */
    command_guard_accept(&guard, &command, f->coordinator_key.keyid);
    expect(f, &guard, &now, &command, ERR_STALE);
    command.sequence = 6;
    expect(f, &guard, &now, &command, ERR_STALE);
    command.sequence = 8;
    expect(f, &guard, &now, &command, ERR_OK);
    command.epoch = 6; /* counts anew */
    command.sequence = 1;
    expect(f, &guard, &now, &command, ERR_OK);
    command_guard_accept(&guard, &command, f->coordinator_key.keyid);
    command.epoch = 5;
    command.sequence = 100;
    expect(f, &guard, &now, &command, ERR_STALE); /* even if the ledger knew only 5 */
}

static void epochs_do_not_fall(void **state)
{
    Fleet *f = *state;
    CommandGuard guard = make_guard(f);
    Command command = make_command(f);
    command.epoch = 4;
    expect(f, &guard, &now, &command, ERR_STALE);
    command.epoch = 6;
    expect(f, &guard, &now, &command, ERR_OK);
}

static void commands_have_a_deadline(void **state)
{
    Fleet *f = *state;
    CommandGuard guard = make_guard(f);
    Command command = make_command(f);
    CommandClock clock = now;
    clock.uptime_ms = 2000;
    expect(f, &guard, &clock, &command, ERR_OK);
    clock.uptime_ms = 2001;
    expect(f, &guard, &clock, &command, ERR_STALE);
}

/* The wall clock counts only where approvals expire by it. */
static void orders_are_refused_while_clocks_differ(void **state)
{
    Fleet *f = *state;
    CommandGuard guard = make_guard(f);
    Command command = make_command(f);
    CommandClock clock = now;
    clock.unix_ms = NOW_UNIX_MS + LIMIT_CLOCK_SKEW_MS + 1;
    expect(f, &guard, &clock, &command, ERR_OK);
    command.kind = COMMAND_RUN;
    command.run = f->run;
    command.run.dossier_digest.bytes[0] = 1;
    command.run.bundle_blob_digest.bytes[0] = 1;
    command.run.orders = &f->order;
    command.run.order_count = 1;
    expect(f, &guard, &clock, &command, ERR_STALE);
    clock.unix_ms = NOW_UNIX_MS - LIMIT_CLOCK_SKEW_MS - 1;
    expect(f, &guard, &clock, &command, ERR_STALE);
    clock.unix_ms = NOW_UNIX_MS - LIMIT_CLOCK_SKEW_MS;
    expect(f, &guard, &clock, &command, ERR_OK);
}

static void garbage_is_refused(void **state)
{
    Fleet *f = *state;
    CommandGuard guard = make_guard(f);
    Command out;
    const char *keyid;
    assert_int_not_equal(check_bytes(f, &guard, &now, (ByteSpan){0}, &out, &keyid), ERR_OK);
    ByteSpan garbage = {(const uint8_t *)"\xff\xff\xff\xff", 4};
    assert_int_not_equal(check_bytes(f, &guard, &now, garbage, &out, &keyid), ERR_OK);
    ByteSpan sealed = fleet_sign(f, MESSAGE_COMMAND, "\xff\xff", 2, f->coordinator);
    assert_int_equal(check_bytes(f, &guard, &now, sealed, &out, &keyid), ERR_PROTOCOL);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fleet_setup, fleet_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(believes_its_coordinator),
        T(believes_nobody_else),
        T(no_byte_can_be_changed),
        T(refuses_what_is_for_others),
        T(a_welcome_is_for_this_life_too),
        T(sequences_rise),
        T(epochs_do_not_fall),
        T(commands_have_a_deadline),
        T(orders_are_refused_while_clocks_differ),
        T(garbage_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
