#include "envelope.h"
#include "wire_test.h"

#include "envelope.pb-c.h"

typedef struct Known {
    const SecretKey *keys[4];
    size_t count;
    const char *also; /* a second key id for keys[0] */
} Known;

static const uint8_t *known_lookup(void *context, const char *keyid)
{
    const Known *known = context;
    if (known->also != NULL && strcmp(known->also, keyid) == 0) {
        return key_public(known->keys[0])->ed25519;
    }
    for (size_t i = 0; i < known->count; i++) {
        if (strcmp(key_public(known->keys[i])->keyid, keyid) == 0) {
            return key_public(known->keys[i])->ed25519;
        }
    }
    return NULL;
}

typedef struct Opened {
    const uint8_t *payload;
    size_t length;
    Signers signers;
} Opened;

static ErrCode open_as(Arena *arena, const void *bytes, size_t length, MessageType type,
                       Known *known, Opened *opened)
{
    memset(opened, 0, sizeof *opened);
    return envelope_open(arena, bytes, length, type, known_lookup, known, &opened->payload,
                         &opened->length, &opened->signers, NULL);
}

/* The vector of the DSSE protocol description. */
static void pae_of_the_dsse_document(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    static const char expected[] = "DSSEv1 29 http://example.com/HelloWorld 11 hello world";
    size_t length;
    uint8_t *bytes =
        envelope_pae(arena, "http://example.com/HelloWorld", "hello world", 11, &length);
    assert_int_equal(length, sizeof expected - 1);
    assert_memory_equal(bytes, expected, length);
    bytes = envelope_pae(arena, "", "", 0, &length);
    assert_int_equal(length, strlen("DSSEv1 0  0 "));
    assert_memory_equal(bytes, "DSSEv1 0  0 ", length);
}

static void types_have_names_and_limits(void **state)
{
    (void)state;
    for (int i = MESSAGE_UNSPECIFIED + 1; i < MESSAGE_TYPE_COUNT; i++) {
        MessageType type = (MessageType)i;
        const char *text = message_type_payload_type(type);
        char expected[80];
        snprintf(expected, sizeof expected, "application/vnd.pgtide.%s.v1+protobuf",
                 message_type_name(type));
        assert_string_equal(text, expected);
        assert_int_equal(message_type_from_payload_type(text), type);
        assert_true(message_type_max_bytes(type) > 1024);
        assert_true(message_type_max_bytes(type) <= LIMIT_ENVELOPE_BYTES);
    }
    assert_int_equal(message_type_from_payload_type(""), MESSAGE_UNSPECIFIED);
    assert_int_equal(message_type_from_payload_type("application/json"), MESSAGE_UNSPECIFIED);
}

static void signed_bytes_come_back(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    AUTO_KEY SecretKey *key = fixed_key("alice", 1);
    Known known = {{key}, 1, NULL};
    const SecretKey *keys[] = {key};
    uint8_t *bytes;
    size_t length;
    Opened opened;
    assert_ok(envelope_sign(arena, MESSAGE_PLAN, "a\0b", 3, keys, 1, &bytes, &length, err));
    assert_int_equal(open_as(arena, bytes, length, MESSAGE_PLAN, &known, &opened), ERR_OK);
    assert_int_equal(opened.length, 3);
    assert_memory_equal(opened.payload, "a\0b", 3);
    assert_int_equal(opened.signers.count, 1);
    assert_string_equal(opened.signers.items[0].keyid, key_public(key)->keyid);
    assert_true(signers_have(&opened.signers, key_public(key)->ed25519));
}

static void every_flipped_bit_is_refused(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    AUTO_KEY SecretKey *key = fixed_key("alice", 1);
    Known known = {{key}, 1, NULL};
    const SecretKey *keys[] = {key};
    uint8_t *bytes;
    size_t length;
    assert_ok(envelope_sign(arena, MESSAGE_COMMAND, "payload", 7, keys, 1, &bytes, &length, err));
    AUTO_ARENA Arena *scratch = arena_new();
    for (size_t i = 0; i < length; i++) {
        for (int bit = 0; bit < 8; bit++) {
            Opened opened;
            bytes[i] ^= (uint8_t)(1 << bit);
            ErrCode code = open_as(scratch, bytes, length, MESSAGE_COMMAND, &known, &opened);
            if (code == ERR_OK || opened.payload != NULL) {
                fail_msg("byte %zu bit %d changed, and it was opened", i, bit);
            }
            bytes[i] ^= (uint8_t)(1 << bit);
        }
        arena_reset(scratch);
    }
    for (size_t cut = 0; cut < length; cut++) {
        Opened opened;
        assert_int_not_equal(open_as(scratch, bytes, cut, MESSAGE_COMMAND, &known, &opened),
                             ERR_OK);
    }
    Opened opened;
    assert_int_equal(open_as(scratch, bytes, length, MESSAGE_COMMAND, &known, &opened), ERR_OK);
}

/* The type is signed with the payload: an approval never passes for a command. */
static void another_type_is_refused(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    AUTO_KEY SecretKey *key = fixed_key("alice", 1);
    Known known = {{key}, 1, NULL};
    const SecretKey *keys[] = {key};
    uint8_t *bytes;
    size_t length;
    Opened opened;
    assert_ok(envelope_sign(arena, MESSAGE_REPORT, "x", 1, keys, 1, &bytes, &length, err));
    for (int i = MESSAGE_UNSPECIFIED + 1; i < MESSAGE_TYPE_COUNT; i++) {
        ErrCode code = open_as(arena, bytes, length, (MessageType)i, &known, &opened);
        assert_int_equal(code, i == MESSAGE_REPORT ? ERR_OK : ERR_PROTOCOL);
    }
    char *type = memmem(bytes, length, "report", 6);
    assert_non_null(type);
    memcpy(type, "respon", 6);
    assert_int_not_equal(open_as(arena, bytes, length, MESSAGE_REPORT, &known, &opened), ERR_OK);
}

static void relabelled_signature_does_not_hold(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    AUTO_KEY SecretKey *key = fixed_key("alice", 1);
    Known known = {{key}, 1, NULL};
    const SecretKey *keys[] = {key};
    uint8_t *bytes;
    size_t length;
    Opened opened;
    assert_ok(envelope_sign(arena, MESSAGE_REQUEST, "x", 1, keys, 1, &bytes, &length, err));
    Pgtide__V1__Envelope *envelope = pgtide__v1__envelope__unpack(NULL, length, bytes);
    assert_non_null(envelope);
    char *old_type = envelope->payload_type;
    envelope->payload_type = (char *)(uintptr_t)message_type_payload_type(MESSAGE_COMMAND);
    uint8_t *other = arena_alloc(arena, pgtide__v1__envelope__get_packed_size(envelope));
    size_t other_length = pgtide__v1__envelope__pack(envelope, other);
    envelope->payload_type = old_type;
    pgtide__v1__envelope__free_unpacked(envelope, NULL);
    assert_int_equal(open_as(arena, other, other_length, MESSAGE_COMMAND, &known, &opened),
                     ERR_SIGNATURE_INVALID);
}

static void unknown_and_missing_signers(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    AUTO_KEY SecretKey *alice = fixed_key("alice", 1);
    AUTO_KEY SecretKey *bob = fixed_key("bob", 2);
    Known known = {{alice}, 1, NULL};
    const SecretKey *keys[] = {bob};
    uint8_t *bytes;
    size_t length;
    size_t count = 9;
    Opened opened;
    assert_ok(envelope_sign(arena, MESSAGE_BUNDLE, "x", 1, keys, 1, &bytes, &length, err));
    assert_int_equal(open_as(arena, bytes, length, MESSAGE_BUNDLE, &known, &opened),
                     ERR_KEY_UNKNOWN);
    assert_null(opened.payload);
    assert_ok(
        envelope_add_signature(arena, bytes, length, MESSAGE_BUNDLE, alice, &bytes, &length, err));
    assert_int_equal(open_as(arena, bytes, length, MESSAGE_BUNDLE, &known, &opened), ERR_OK);
    assert_int_equal(opened.signers.count, 1);
    assert_ok(envelope_sign(arena, MESSAGE_BUNDLE, "x", 1, NULL, 0, &bytes, &length, err));
    assert_int_equal(open_as(arena, bytes, length, MESSAGE_BUNDLE, &known, &opened),
                     ERR_SIGNATURE_INVALID);
    assert_ok(envelope_peek_unverified(arena, bytes, length, MESSAGE_BUNDLE, &opened.payload,
                                       &opened.length, &count, err));
    assert_int_equal(count, 0);
    assert_int_equal(opened.length, 1);
}

static void a_bad_signature_of_a_known_key_spoils_all(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    AUTO_KEY SecretKey *alice = fixed_key("alice", 1);
    AUTO_KEY SecretKey *bob = fixed_key("bob", 2);
    Known known = {{alice, bob}, 2, NULL};
    const SecretKey *keys[] = {alice, bob};
    uint8_t *bytes;
    size_t length;
    Opened opened;
    assert_ok(envelope_sign(arena, MESSAGE_TRUST, "x", 1, keys, 2, &bytes, &length, err));
    assert_int_equal(open_as(arena, bytes, length, MESSAGE_TRUST, &known, &opened), ERR_OK);
    assert_int_equal(opened.signers.count, 2);
    bytes[length - 1] ^= 1;
    assert_int_equal(open_as(arena, bytes, length, MESSAGE_TRUST, &known, &opened),
                     ERR_SIGNATURE_INVALID);
}

/* Two signatures, two key ids, one key: one signer. */
static void the_same_key_counts_once(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    AUTO_KEY SecretKey *alice = fixed_key("alice", 1);
    Known known = {{alice}, 1, "ed25519:00000000000000000000000000000000"};
    const SecretKey *keys[] = {alice, alice};
    uint8_t *bytes;
    size_t length;
    Opened opened;
    assert_ok(envelope_sign(arena, MESSAGE_TRUST, "x", 1, keys, 2, &bytes, &length, err));
    assert_int_equal(open_as(arena, bytes, length, MESSAGE_TRUST, &known, &opened), ERR_OK);
    assert_int_equal(opened.signers.count, 1);
    char *last = NULL;
    for (char *at = (char *)bytes;
         (at = memmem(at, length - (size_t)(at - (char *)bytes), "ed25519:", 8)) != NULL; at++) {
        last = at;
    }
    assert_non_null(last);
    memset(last + 8, '0', 32);
    assert_int_equal(open_as(arena, bytes, length, MESSAGE_TRUST, &known, &opened), ERR_OK);
    assert_int_equal(opened.signers.count, 1);
    assert_code(ERR_EXISTS, envelope_add_signature(arena, bytes, length, MESSAGE_TRUST, alice,
                                                   &bytes, &length, err));
}

static void limits_are_kept(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    AUTO_KEY SecretKey *alice = fixed_key("alice", 1);
    Known known = {{alice}, 1, NULL};
    const SecretKey *keys[LIMIT_SIGNATURES + 1];
    for (size_t i = 0; i <= LIMIT_SIGNATURES; i++) {
        keys[i] = alice;
    }
    uint8_t *bytes;
    size_t length;
    Opened opened;
    assert_code(ERR_LIMIT, envelope_sign(arena, MESSAGE_BUNDLE, "x", 1, keys, LIMIT_SIGNATURES + 1,
                                         &bytes, &length, err));
    /* A command comes from one coordinator; more signatures only cost time. */
    assert_code(ERR_LIMIT,
                envelope_sign(arena, MESSAGE_COMMAND, "x", 1, keys, 2, &bytes, &length, err));
    uint8_t *large = arena_alloc(arena, LIMIT_COMMAND_BYTES);
    assert_code(ERR_LIMIT, envelope_sign(arena, MESSAGE_COMMAND, large, LIMIT_COMMAND_BYTES, keys,
                                         1, &bytes, &length, err));
    assert_ok(envelope_sign(arena, MESSAGE_COMMAND, large, LIMIT_COMMAND_BYTES - 1024, keys, 1,
                            &bytes, &length, err));
    assert_int_equal(open_as(arena, bytes, length, MESSAGE_COMMAND, &known, &opened), ERR_OK);
    assert_int_equal(
        open_as(arena, large, LIMIT_COMMAND_BYTES + 1, MESSAGE_COMMAND, &known, &opened),
        ERR_LIMIT);
}

/* More signatures than the type takes, as another program would send them. */
static void too_many_signatures_are_not_verified(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    AUTO_KEY SecretKey *alice = fixed_key("alice", 1);
    Known known = {{alice}, 1, NULL};
    const SecretKey *keys[] = {alice, alice};
    uint8_t *bytes;
    size_t length;
    Opened opened;
    assert_ok(envelope_sign(arena, MESSAGE_TRUST, "x", 1, keys, 2, &bytes, &length, err));
    Pgtide__V1__Envelope *envelope = pgtide__v1__envelope__unpack(NULL, length, bytes);
    char *old_type = envelope->payload_type;
    envelope->payload_type = (char *)(uintptr_t)message_type_payload_type(MESSAGE_REPORT);
    uint8_t *other = arena_alloc(arena, pgtide__v1__envelope__get_packed_size(envelope));
    size_t other_length = pgtide__v1__envelope__pack(envelope, other);
    envelope->payload_type = old_type;
    pgtide__v1__envelope__free_unpacked(envelope, NULL);
    assert_int_equal(open_as(arena, other, other_length, MESSAGE_REPORT, &known, &opened),
                     ERR_LIMIT);
}

static void unknown_fields_are_refused(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    AUTO_KEY SecretKey *alice = fixed_key("alice", 1);
    Known known = {{alice}, 1, NULL};
    const SecretKey *keys[] = {alice};
    uint8_t *bytes;
    size_t length;
    Opened opened;
    assert_ok(envelope_sign(arena, MESSAGE_REPORT, "x", 1, keys, 1, &bytes, &length, err));
    uint8_t *more = arena_alloc(arena, length + 2);
    memcpy(more, bytes, length);
    more[length] = 4 << 3; /* field 4, varint */
    assert_int_equal(open_as(arena, more, length + 2, MESSAGE_REPORT, &known, &opened),
                     ERR_PROTOCOL);
    /* The payload a second time: protobuf would take the last one. */
    more[length] = 2 << 3 | 2;
    assert_int_equal(open_as(arena, more, length + 2, MESSAGE_REPORT, &known, &opened),
                     ERR_PROTOCOL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pae_of_the_dsse_document),
        cmocka_unit_test(types_have_names_and_limits),
        cmocka_unit_test(signed_bytes_come_back),
        cmocka_unit_test(every_flipped_bit_is_refused),
        cmocka_unit_test(another_type_is_refused),
        cmocka_unit_test(relabelled_signature_does_not_hold),
        cmocka_unit_test(unknown_and_missing_signers),
        cmocka_unit_test(a_bad_signature_of_a_known_key_spoils_all),
        cmocka_unit_test(the_same_key_counts_once),
        cmocka_unit_test(limits_are_kept),
        cmocka_unit_test(too_many_signatures_are_not_verified),
        cmocka_unit_test(unknown_fields_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
