#include "chain.h"

#include "digest.h"

static void put_be(uint8_t *out, uint64_t number, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        out[i] = (uint8_t)(number >> (8 * (bytes - 1 - i)));
    }
}

Digest chain_hash(const Digest *previous, uint64_t seq, uint64_t epoch, uint32_t kind,
                  const Digest *payload_digest)
{
    uint8_t numbers[20];
    put_be(numbers, seq, 8);
    put_be(numbers + 8, epoch, 8);
    put_be(numbers + 16, kind, 4);
    Sha256 hash;
    sha256_init(&hash);
    sha256_update(&hash, previous->bytes, sizeof previous->bytes);
    sha256_update(&hash, numbers, sizeof numbers);
    sha256_update(&hash, payload_digest->bytes, sizeof payload_digest->bytes);
    return sha256_final(&hash);
}
