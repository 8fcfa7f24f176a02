#include "digest.h"
#include "trust.h"
#include "wire_test.h"

/* A fleet's keys: two of three roots, two of two release keys, one operator of each role. */
typedef struct Fleet {
    Arena *arena;
    SecretKey *roots[4];
    SecretKey *releases[2];
    SecretKey *people[4];
    SecretKey *coordinator;
    PublicKeyInfo root_keys[4];
    PublicKeyInfo release_keys[2];
    TrustOperator operators[4];
    PublicKeyInfo coordinators[1];
    TrustParts parts;
} Fleet;

static int setup(void **state)
{
    Fleet *fleet = calloc(1, sizeof *fleet);
    static const char *const names[] = {"victor", "olga", "anna", "adam"};
    fleet->arena = arena_new();
    for (uint8_t i = 0; i < 4; i++) {
        char name[16];
        snprintf(name, sizeof name, "root%d", i);
        fleet->roots[i] = fixed_key(name, (uint8_t)(10 + i));
        fleet->root_keys[i] = *key_public(fleet->roots[i]);
        fleet->people[i] = fixed_key(names[i], (uint8_t)(30 + i));
        fleet->operators[i].key = *key_public(fleet->people[i]);
        fleet->operators[i].role = (OperatorRole)(i + 1);
    }
    for (uint8_t i = 0; i < 2; i++) {
        char name[16];
        snprintf(name, sizeof name, "release%d", i);
        fleet->releases[i] = fixed_key(name, (uint8_t)(20 + i));
        fleet->release_keys[i] = *key_public(fleet->releases[i]);
    }
    fleet->coordinator = fixed_key("control", 40);
    fleet->coordinators[0] = *key_public(fleet->coordinator);
    fleet->parts = (TrustParts){
        .fleet_id = {{1, 2, 3}},
        .version = 1,
        .created_unix_ms = 1000,
        .expires_unix_ms = 5000,
        .root = {2, fleet->root_keys, 3},
        .release = {2, fleet->release_keys, 2},
        .operators = fleet->operators,
        .operator_count = 4,
        .coordinators = fleet->coordinators,
        .coordinator_count = 1,
    };
    *state = fleet;
    return 0;
}

static int teardown(void **state)
{
    Fleet *fleet = *state;
    for (int i = 0; i < 4; i++) {
        key_free(fleet->roots[i]);
        key_free(fleet->people[i]);
    }
    key_free(fleet->releases[0]);
    key_free(fleet->releases[1]);
    key_free(fleet->coordinator);
    arena_free(fleet->arena);
    free(fleet);
    return 0;
}

/* `mask`: which of the four root keys sign. */
static uint8_t *sign(Fleet *fleet, unsigned mask, size_t *ret_length)
{
    const SecretKey *keys[4];
    size_t count = 0;
    for (unsigned i = 0; i < 4; i++) {
        if ((mask >> i & 1) != 0) {
            keys[count++] = fleet->roots[i];
        }
    }
    uint8_t *payload;
    uint8_t *bytes = NULL;
    size_t length;
    assert_ok(trust_encode(fleet->arena, &fleet->parts, &payload, &length, err));
    assert_ok(envelope_sign(fleet->arena, MESSAGE_TRUST, payload, length, keys, count, &bytes,
                            ret_length, err));
    return bytes;
}

static Trust *open_trust(Fleet *fleet, unsigned mask)
{
    size_t length;
    Trust *trust = NULL;
    uint8_t *bytes = sign(fleet, mask, &length);
    assert_ok(trust_open(bytes, length, 2000, &trust, err));
    return trust;
}

static void roles_are_found(void **state)
{
    Fleet *fleet = *state;
    AUTO_TRUST Trust *trust = open_trust(fleet, 3);
    assert_int_equal(trust_version(trust), 1);
    assert_true(uuid_equal(trust_fleet_id(trust), &fleet->parts.fleet_id));
    for (int i = 0; i < 4; i++) {
        const TrustOperator *who = trust_find_operator(trust, fleet->operators[i].key.keyid);
        assert_non_null(who);
        assert_string_equal(who->key.name, fleet->operators[i].key.name);
        assert_int_equal(who->role, i + 1);
        assert_memory_equal(&who->key, &fleet->operators[i].key, sizeof who->key);
    }
    assert_true(trust_is_coordinator(trust, fleet->coordinators[0].keyid));
    assert_false(trust_is_coordinator(trust, fleet->operators[0].key.keyid));
    assert_null(trust_find_operator(trust, fleet->coordinators[0].keyid));
    assert_null(trust_find_operator(trust, fleet->root_keys[0].keyid));
    assert_null(trust_lookup_release(trust, fleet->root_keys[0].keyid));
    assert_non_null(trust_lookup_release(trust, fleet->release_keys[1].keyid));
    assert_null(trust_lookup_root(trust, fleet->root_keys[3].keyid));
    assert_null(trust_lookup_coordinator(trust, "ed25519:"));
    assert_true(trust_has_key(trust, &fleet->operators[2].key));
    assert_false(trust_has_key(trust, &fleet->root_keys[3]));
}

static void peers_are_those_with_connections(void **state)
{
    Fleet *fleet = *state;
    AUTO_TRUST Trust *trust = open_trust(fleet, 3);
    TrustPeer peer;
    size_t coordinators = 0;
    size_t count = 0;
    while (trust_peer_at(trust, count, &peer)) {
        assert_true(peer.key->has_curve);
        coordinators += peer.is_coordinator ? 1 : 0;
        count++;
    }
    assert_int_equal(count, 5);
    assert_int_equal(coordinators, 1);
}

static void root_threshold_decides(void **state)
{
    Fleet *fleet = *state;
    for (unsigned mask = 0; mask < 16; mask++) {
        size_t length;
        Trust *trust = NULL;
        uint8_t *bytes = sign(fleet, mask, &length);
        ErrCode code = trust_open(bytes, length, 2000, &trust, NULL);
        bool enough = __builtin_popcount(mask & 7) >= 2; /* the fourth is no root key */
        assert_int_equal(code == ERR_OK, enough);
        assert_int_equal(trust != NULL, enough);
        trust_free(trust);
    }
}

static void the_same_root_twice_is_one(void **state)
{
    Fleet *fleet = *state;
    const SecretKey *keys[] = {fleet->roots[0], fleet->roots[0]};
    uint8_t *payload;
    uint8_t *bytes;
    size_t length;
    Trust *trust = NULL;
    assert_ok(trust_encode(fleet->arena, &fleet->parts, &payload, &length, err));
    assert_ok(
        envelope_sign(fleet->arena, MESSAGE_TRUST, payload, length, keys, 2, &bytes, &length, err));
    assert_code(ERR_SIGNATURE_INVALID, trust_open(bytes, length, 2000, &trust, err));
    assert_null(trust);
}

static void release_threshold_counts_release_keys(void **state)
{
    Fleet *fleet = *state;
    AUTO_TRUST Trust *trust = open_trust(fleet, 3);
    const SecretKey *one[] = {fleet->releases[0], fleet->releases[0], fleet->roots[0]};
    const SecretKey *both[] = {fleet->releases[0], fleet->releases[1]};
    uint8_t *bytes;
    size_t length;
    const uint8_t *payload;
    size_t payload_length;
    Signers signers;
    assert_ok(envelope_sign(fleet->arena, MESSAGE_BUNDLE, "x", 1, one, 3, &bytes, &length, err));
    assert_ok(envelope_open(fleet->arena, bytes, length, MESSAGE_BUNDLE, trust_lookup_release,
                            trust, &payload, &payload_length, &signers, err));
    assert_int_equal(signers.count, 1);
    assert_code(ERR_SIGNATURE_INVALID, trust_release_threshold_met(trust, &signers, err));
    assert_ok(envelope_sign(fleet->arena, MESSAGE_BUNDLE, "x", 1, both, 2, &bytes, &length, err));
    assert_ok(envelope_open(fleet->arena, bytes, length, MESSAGE_BUNDLE, trust_lookup_release,
                            trust, &payload, &payload_length, &signers, err));
    assert_ok(trust_release_threshold_met(trust, &signers, err));
    /* Two signers that are no release keys do not make a release. */
    Signers strangers = {.count = 2};
    memcpy(strangers.items[0].ed25519, fleet->root_keys[0].ed25519, KEY_BYTES);
    memcpy(strangers.items[1].ed25519, fleet->root_keys[1].ed25519, KEY_BYTES);
    assert_code(ERR_SIGNATURE_INVALID, trust_release_threshold_met(trust, &strangers, err));
}

static void expired_file_is_refused(void **state)
{
    Fleet *fleet = *state;
    size_t length;
    Trust *trust = NULL;
    uint8_t *bytes = sign(fleet, 3, &length);
    assert_code(ERR_STALE, trust_open(bytes, length, 5000, &trust, err));
    assert_null(trust);
    assert_ok(trust_open(bytes, length, 4999, &trust, err));
    assert_true(trust_is_expired(trust, 5000));
    trust_free(trust);
    assert_ok(trust_open(bytes, length, 0, &trust, err));
    trust_free(trust);
}

/* Version 2 takes root0 away and brings root3: signed by 1+2 of the old and 1+3 of the new. */
static void rotation_needs_both_thresholds(void **state)
{
    Fleet *fleet = *state;
    AUTO_TRUST Trust *current = open_trust(fleet, 7);
    fleet->parts.version = 2;
    fleet->parts.root.keys = &fleet->root_keys[1];
    for (unsigned mask = 0; mask < 16; mask++) {
        size_t length;
        Trust *next = NULL;
        uint8_t *bytes = sign(fleet, mask, &length);
        ErrCode code = trust_open_next(current, bytes, length, 2000, &next, NULL);
        bool old_enough = __builtin_popcount(mask & 7) >= 2;
        bool new_enough = __builtin_popcount(mask & 14) >= 2;
        assert_int_equal(code == ERR_OK, old_enough && new_enough);
        trust_free(next);
    }
}

static void rotation_goes_one_version_up(void **state)
{
    Fleet *fleet = *state;
    AUTO_TRUST Trust *current = open_trust(fleet, 7);
    for (uint64_t version = 1; version <= 3; version++) {
        size_t length;
        Trust *next = NULL;
        fleet->parts.version = version;
        uint8_t *bytes = sign(fleet, 7, &length);
        ErrCode code = trust_open_next(current, bytes, length, 2000, &next, NULL);
        assert_int_equal(code, version == 2 ? ERR_OK : ERR_STALE);
        trust_free(next);
    }
    fleet->parts.version = 2;
    fleet->parts.fleet_id.bytes[15] = 9;
    size_t length;
    Trust *next = NULL;
    uint8_t *bytes = sign(fleet, 7, &length);
    assert_code(ERR_REFUSED, trust_open_next(current, bytes, length, 2000, &next, err));
    assert_null(next);
}

static void assert_parts_refused(Fleet *fleet)
{
    uint8_t *payload;
    size_t length;
    assert_code(ERR_CONFIG, trust_encode(fleet->arena, &fleet->parts, &payload, &length, err));
}

static void thresholds_must_be_reachable(void **state)
{
    Fleet *fleet = *state;
    fleet->parts.root.threshold = 0;
    assert_parts_refused(fleet);
    fleet->parts.root.threshold = 4;
    assert_parts_refused(fleet);
    fleet->parts.root.threshold = 3;
    fleet->parts.release.threshold = 0;
    assert_parts_refused(fleet);
    fleet->parts.release.threshold = 3;
    assert_parts_refused(fleet);
    fleet->parts.release.threshold = 1;
    uint8_t *payload;
    size_t length;
    assert_ok(trust_encode(fleet->arena, &fleet->parts, &payload, &length, err));
}

static void no_key_or_name_in_two_roles(void **state)
{
    Fleet *fleet = *state;
    PublicKeyInfo saved = fleet->release_keys[0];
    fleet->release_keys[0] = fleet->root_keys[1];
    assert_parts_refused(fleet); /* key and name */
    snprintf(fleet->release_keys[0].name, KEY_NAME_SIZE, "other-name");
    assert_parts_refused(fleet); /* key alone */
    fleet->release_keys[0] = saved;
    snprintf(fleet->release_keys[0].name, KEY_NAME_SIZE, "%s", fleet->operators[0].key.name);
    assert_parts_refused(fleet); /* name alone */
    fleet->release_keys[0] = saved;
    memcpy(fleet->coordinators[0].curve, fleet->operators[1].key.curve, KEY_BYTES);
    assert_parts_refused(fleet); /* CURVE half alone */
}

static void who_connects_needs_a_curve_key(void **state)
{
    Fleet *fleet = *state;
    fleet->operators[0].key.has_curve = false;
    assert_parts_refused(fleet);
    fleet->operators[0].key.has_curve = true;
    fleet->coordinators[0].has_curve = false;
    assert_parts_refused(fleet);
}

/* What an attacker could send is judged by decoding, too, not only when made here. */
static void a_signed_but_wrong_content_is_refused(void **state)
{
    Fleet *fleet = *state;
    uint8_t *payload;
    uint8_t *bytes;
    size_t length;
    size_t payload_length;
    Trust *trust = NULL;
    const SecretKey *keys[] = {fleet->roots[0], fleet->roots[1]};
    assert_ok(trust_encode(fleet->arena, &fleet->parts, &payload, &payload_length, err));
    uint8_t *name = memmem(payload, payload_length, "victor", 6);
    memcpy(name, "vict\0r", 6);
    assert_ok(envelope_sign(fleet->arena, MESSAGE_TRUST, payload, payload_length, keys, 2, &bytes,
                            &length, err));
    assert_code(ERR_PROTOCOL, trust_open(bytes, length, 2000, &trust, err));
    assert_null(trust);
    /* A second operator with the first one's name, which trust_encode would not make. */
    memcpy(name, "victor", 6);
    memcpy(memmem(payload, payload_length, "olga", 4), "adam", 4);
    assert_ok(envelope_sign(fleet->arena, MESSAGE_TRUST, payload, payload_length, keys, 2, &bytes,
                            &length, err));
    assert_code(ERR_CONFIG, trust_open(bytes, length, 2000, &trust, err));
    assert_null(trust);
}

static void an_unfinished_file_can_be_shown(void **state)
{
    Fleet *fleet = *state;
    for (unsigned mask = 0; mask < 8; mask++) {
        size_t length;
        AUTO_TRUST Trust *trust = NULL;
        Signers signers;
        uint8_t *bytes = sign(fleet, mask, &length);
        assert_ok(trust_open_unverified(bytes, length, &trust, &signers, err));
        assert_int_equal(signers.count, __builtin_popcount(mask));
        if (mask == 1) {
            bytes[length - 1] ^= 1;
            Trust *spoilt = NULL;
            assert_code(ERR_SIGNATURE_INVALID,
                        trust_open_unverified(bytes, length, &spoilt, &signers, err));
        }
    }
}

static void roles_are_nested(void **state)
{
    (void)state;
    assert_true(operator_role_covers(OPERATOR_ROLE_ADMIN, OPERATOR_ROLE_VIEWER));
    assert_true(operator_role_covers(OPERATOR_ROLE_APPROVER, OPERATOR_ROLE_APPROVER));
    assert_false(operator_role_covers(OPERATOR_ROLE_OPERATOR, OPERATOR_ROLE_APPROVER));
    assert_false(operator_role_covers(OPERATOR_ROLE_ADMIN, OPERATOR_ROLE_UNSPECIFIED));
    for (int i = OPERATOR_ROLE_VIEWER; i < OPERATOR_ROLE_COUNT; i++) {
        assert_int_equal(operator_role_from_name(operator_role_name((OperatorRole)i)), i);
    }
    assert_int_equal(operator_role_from_name("unspecified"), OPERATOR_ROLE_UNSPECIFIED);
    assert_int_equal(operator_role_from_name("root"), OPERATOR_ROLE_UNSPECIFIED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(roles_are_found),
        TEST(peers_are_those_with_connections),
        TEST(root_threshold_decides),
        TEST(the_same_root_twice_is_one),
        TEST(release_threshold_counts_release_keys),
        TEST(expired_file_is_refused),
        TEST(rotation_needs_both_thresholds),
        TEST(rotation_goes_one_version_up),
        TEST(thresholds_must_be_reachable),
        TEST(no_key_or_name_in_two_roles),
        TEST(who_connects_needs_a_curve_key),
        TEST(a_signed_but_wrong_content_is_refused),
        TEST(an_unfinished_file_can_be_shown),
        cmocka_unit_test(roles_are_nested),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
