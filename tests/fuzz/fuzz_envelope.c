/*
 * Bytes from the network, through everything that reads them. The first byte picks the reader, the
 * rest is its input: envelopes of every type, and the payloads behind a signature, since a holder
 * of a key may be the attacker.
 *
 * Beyond "does not crash": what was decoded can be encoded and decodes again, and an envelope is
 * never opened, because no signature of the one key that the lookup knows is in the input.
 */
#include "envelope.h"
#include "fuzz_choice.h"
#include "message_codec.h"
#include "plan_codec.h"
#include "trust.h"

#include <stdlib.h>
#include <string.h>

/* The public key of RFC 8032, test 1: nobody signs with it here. */
static const uint8_t known_key[KEY_BYTES] = {
    0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a,
    0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a};

static const uint8_t *lookup(void *context, const char *keyid)
{
    (void)context;
    (void)keyid; /* every key id leads to the key, so that verification is reached */
    return known_key;
}

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void fuzz_envelope(Arena *arena, MessageType type, const uint8_t *bytes, size_t length)
{
    const uint8_t *payload = NULL;
    size_t payload_length = 0;
    size_t signatures = 0;
    Signers signers;
    Error err;
    require(envelope_open(arena, bytes, length, type, lookup, NULL, &payload, &payload_length,
                          &signers, &err) != ERR_OK);
    require(payload == NULL);
    if (envelope_peek_unverified(arena, bytes, length, type, &payload, &payload_length, &signatures,
                                 &err) == ERR_OK) {
        require(payload_length <= length && signatures <= LIMIT_SIGNATURES);
    }
}

static void fuzz_trust(const uint8_t *bytes, size_t length)
{
    Trust *trust = NULL;
    Signers signers;
    Error err;
    if (trust_open(bytes, length, 1, &trust, &err) == ERR_OK) {
        require(trust_parts(trust)->root.threshold <= trust_parts(trust)->root.key_count);
        trust_free(trust);
    }
    if (trust_open_unverified(bytes, length, &trust, &signers, &err) == ERR_OK) {
        require(trust_parts(trust)->root.threshold > 0);
        trust_free(trust);
    }
}

#define FUZZ_CODEC(Type, name)                                                                     \
    static void fuzz_##name(Arena *arena, const uint8_t *bytes, size_t length)                     \
    {                                                                                              \
        Type first;                                                                                \
        Type second;                                                                               \
        uint8_t *again;                                                                            \
        size_t again_length;                                                                       \
        Error err;                                                                                 \
        if (name##_decode(arena, bytes, length, &first, &err) == ERR_OK) {                         \
            require(name##_encode(arena, &first, &again, &again_length, &err) == ERR_OK);          \
            require(name##_decode(arena, again, again_length, &second, &err) == ERR_OK);           \
        }                                                                                          \
    }

FUZZ_CODEC(Command, command)
FUZZ_CODEC(Report, report)
FUZZ_CODEC(PlanHeader, plan_header)
FUZZ_CODEC(PlanShard, plan_shard)
FUZZ_CODEC(Approval, approval)
FUZZ_CODEC(PlanFile, plan_file)
FUZZ_CODEC(PlanDossier, plan_dossier)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const codecs[CHOICE_TRUST])(Arena *, const uint8_t *, size_t) = {
        [CHOICE_COMMAND] = fuzz_command,           [CHOICE_REPORT] = fuzz_report,
        [CHOICE_PLAN_HEADER] = fuzz_plan_header,   [CHOICE_PLAN_SHARD] = fuzz_plan_shard,
        [CHOICE_APPROVAL] = fuzz_approval,         [CHOICE_PLAN_FILE] = fuzz_plan_file,
        [CHOICE_PLAN_DOSSIER] = fuzz_plan_dossier,
    };
    if (size == 0) {
        return 0;
    }
    AUTO_ARENA Arena *arena = arena_new();
    unsigned choice = data[0] % CHOICE_COUNT;
    /* A copy of its own size, so that the address sanitizer sees a read past its end. */
    uint8_t *bytes = malloc(size - 1 > 0 ? size - 1 : 1);
    require(bytes != NULL);
    size_t length = size - 1;
    memcpy(bytes, data + 1, length);
    if (choice < CHOICE_TRUST) {
        codecs[choice](arena, bytes, length);
    } else if (choice == CHOICE_TRUST) {
        fuzz_trust(bytes, length);
    } else {
        fuzz_envelope(arena, (MessageType)(choice - CHOICE_TRUST), bytes, length);
    }
    free(bytes);
    return 0;
}
