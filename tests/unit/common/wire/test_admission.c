#include "admission.h"
#include "wire_test.h"

typedef struct Case {
    Arena *arena;
    SecretKey *keys[6]; /* root release approver admin coordinator agent */
    Trust *trust;
    Admission admission;
} Case;

enum { ROOT, RELEASE, APPROVER, ADMIN, COORDINATOR, AGENT };

static int setup(void **state)
{
    static const char *const names[] = {"root", "release", "anna", "adam", "control", "host-a"};
    Case *c = calloc(1, sizeof *c);
    c->arena = arena_new();
    for (uint8_t i = 0; i < 6; i++) {
        c->keys[i] = fixed_key(names[i], (uint8_t)(i + 1));
    }
    const TrustOperator operators[] = {{*key_public(c->keys[APPROVER]), OPERATOR_ROLE_APPROVER},
                                       {*key_public(c->keys[ADMIN]), OPERATOR_ROLE_ADMIN}};
    TrustParts parts = {.fleet_id = {{7}},
                        .version = 1,
                        .created_unix_ms = 1,
                        .root = {1, key_public(c->keys[ROOT]), 1},
                        .release = {1, key_public(c->keys[RELEASE]), 1},
                        .operators = operators,
                        .operator_count = 2,
                        .coordinators = key_public(c->keys[COORDINATOR]),
                        .coordinator_count = 1};
    const SecretKey *root[] = {c->keys[ROOT]};
    uint8_t *bytes;
    size_t length;
    assert_ok(trust_encode(c->arena, &parts, &bytes, &length, err));
    assert_ok(envelope_sign(c->arena, MESSAGE_TRUST, bytes, length, root, 1, &bytes, &length, err));
    assert_ok(trust_open(bytes, length, 0, &c->trust, err));
    c->admission = (Admission){.fleet_id = parts.fleet_id,
                               .agent = *key_public(c->keys[AGENT]),
                               .serial = 1234,
                               .reason = "new host"};
    *state = c;
    return 0;
}

static int teardown(void **state)
{
    Case *c = *state;
    for (int i = 0; i < 6; i++) {
        key_free(c->keys[i]);
    }
    trust_free(c->trust);
    arena_free(c->arena);
    free(c);
    return 0;
}

static ErrCode sign_and_open(Case *c, int signer, Admission *out)
{
    uint8_t *bytes;
    size_t length;
    ErrCode code = admission_sign(c->arena, &c->admission, c->keys[signer], &bytes, &length, NULL);
    assert_int_equal(code, ERR_OK);
    return admission_open(c->arena, c->trust, bytes, length, out, NULL);
}

static void an_admin_admits(void **state)
{
    Case *c = *state;
    Admission out;
    assert_int_equal(sign_and_open(c, ADMIN, &out), ERR_OK);
    assert_memory_equal(&out.agent, key_public(c->keys[AGENT]), sizeof out.agent);
    assert_int_equal(out.serial, 1234);
    assert_false(out.revoked);
    assert_string_equal(out.reason, "new host");
    assert_string_equal(out.admitted_by, key_public(c->keys[ADMIN])->keyid);
    c->admission.revoked = true;
    assert_int_equal(sign_and_open(c, ADMIN, &out), ERR_OK);
    assert_true(out.revoked);
}

static void nobody_else_does(void **state)
{
    Case *c = *state;
    Admission out;
    assert_int_equal(sign_and_open(c, APPROVER, &out), ERR_REFUSED);
    assert_int_equal(sign_and_open(c, COORDINATOR, &out), ERR_KEY_UNKNOWN);
    assert_int_equal(sign_and_open(c, ROOT, &out), ERR_KEY_UNKNOWN);
    assert_int_equal(sign_and_open(c, AGENT, &out), ERR_KEY_UNKNOWN);
}

static void of_this_fleet_only(void **state)
{
    Case *c = *state;
    Admission out;
    c->admission.fleet_id.bytes[0] = 8;
    assert_int_equal(sign_and_open(c, ADMIN, &out), ERR_REFUSED);
}

static void a_key_with_a_role_is_no_agent(void **state)
{
    Case *c = *state;
    Admission out;
    c->admission.agent = *key_public(c->keys[COORDINATOR]);
    assert_int_equal(sign_and_open(c, ADMIN, &out), ERR_REFUSED);
    /* Only its CURVE half is the coordinator's: the connection would be mistaken. */
    c->admission.agent = *key_public(c->keys[AGENT]);
    memcpy(c->admission.agent.curve, key_public(c->keys[COORDINATOR])->curve, KEY_BYTES);
    assert_int_equal(sign_and_open(c, ADMIN, &out), ERR_REFUSED);
}

static void content_is_checked(void **state)
{
    Case *c = *state;
    Admission out;
    c->admission.serial = 0;
    assert_int_equal(sign_and_open(c, ADMIN, &out), ERR_PROTOCOL);
    c->admission.serial = 1;
    snprintf(c->admission.agent.name, KEY_NAME_SIZE, "Not A Name");
    assert_int_equal(sign_and_open(c, ADMIN, &out), ERR_PROTOCOL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(an_admin_admits),    TEST(nobody_else_does),
        TEST(of_this_fleet_only), TEST(a_key_with_a_role_is_no_agent),
        TEST(content_is_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
