#include "digest.h"

#include "file.h"
#include "libcrypto.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Fetched once: OpenSSL 3 looks an algorithm up by name each time otherwise. */
static EVP_MD *sha256_algorithm;
static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;

static _Noreturn void die_without_crypto(const char *what)
{
    fprintf(stderr, "pgtide: %s is not available from this system's libcrypto\n", what);
    abort();
}

static void sha256_fetch(void)
{
    sha256_algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (sha256_algorithm == NULL) {
        die_without_crypto("SHA-256");
    }
}

static void must(int result)
{
    if (result != 1) {
        die_without_crypto("SHA-256");
    }
}

void sha256_init(Sha256 *hash)
{
    pthread_once(&sha256_once, sha256_fetch);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context == NULL) {
        die_out_of_memory();
    }
    must(EVP_DigestInit_ex2(context, sha256_algorithm, NULL));
    hash->context = context;
}

void sha256_update(Sha256 *hash, const void *bytes, size_t length)
{
    if (length > 0) {
        must(EVP_DigestUpdate(hash->context, bytes, length));
    }
}

Digest sha256_next(Sha256 *hash)
{
    Digest digest;
    must(EVP_DigestFinal_ex(hash->context, digest.bytes, NULL));
    must(EVP_DigestInit_ex2(hash->context, sha256_algorithm, NULL));
    return digest;
}

Digest sha256_final(Sha256 *hash)
{
    Digest digest;
    must(EVP_DigestFinal_ex(hash->context, digest.bytes, NULL));
    sha256_abandon(hash);
    return digest;
}

void sha256_abandon(Sha256 *hash)
{
    EVP_MD_CTX_free(hash->context);
    hash->context = NULL;
}

Digest sha256_bytes(const void *bytes, size_t length)
{
    Sha256 hash;
    sha256_init(&hash);
    sha256_update(&hash, bytes, length);
    return sha256_final(&hash);
}

static ErrCode hash_descriptor(int fd, const char *path, uint64_t limit, Sha256 *hash,
                               uint64_t *ret_size, Error *err)
{
    uint8_t buffer[64 * 1024];
    uint64_t size = 0;
    for (;;) {
        ssize_t got = read(fd, buffer, sizeof buffer);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return err_set(err, ERR_IO, "can't read %s: %s", path, strerror(errno));
        }
        if (got == 0) {
            *ret_size = size;
            return ERR_OK;
        }
        size += (uint64_t)got;
        if (size > limit) {
            return err_set(err, ERR_LIMIT, "%s is larger than %llu bytes", path,
                           (unsigned long long)limit);
        }
        sha256_update(hash, buffer, (size_t)got);
    }
}

ErrCode sha256_file(const char *path, uint64_t limit, Digest *ret_digest, uint64_t *ret_size,
                    Error *err)
{
    int fd;
    ErrCode code = file_open(path, &fd, err);
    if (code != ERR_OK)
        return code;
    Sha256 hash;
    sha256_init(&hash);
    uint64_t size = 0;
    code = hash_descriptor(fd, path, limit, &hash, &size, err);
    close(fd);
    if (code != ERR_OK) {
        sha256_abandon(&hash);
        return code;
    }
    *ret_digest = sha256_final(&hash);
    if (ret_size != NULL) {
        *ret_size = size;
    }
    return ERR_OK;
}

bool secure_random(void *out, size_t length)
{
    uint8_t *at = out;
    while (length > 0) {
        int piece = length > 65536 ? 65536 : (int)length;
        if (RAND_bytes(at, piece) != 1) {
            return false;
        }
        at += piece;
        length -= (size_t)piece;
    }
    return true;
}

static void uuid_set_version(Uuid *uuid, uint8_t version)
{
    uuid->bytes[6] = (uint8_t)((uuid->bytes[6] & 0x0f) | (version << 4));
    uuid->bytes[8] = (uint8_t)((uuid->bytes[8] & 0x3f) | 0x80);
}

Uuid uuid_random(void)
{
    Uuid uuid;
    if (!secure_random(uuid.bytes, sizeof uuid.bytes)) {
        die_without_crypto("a random source");
    }
    uuid_set_version(&uuid, 4);
    return uuid;
}

static void update_be32(Sha256 *hash, uint32_t value)
{
    const uint8_t bytes[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
                              (uint8_t)value};
    sha256_update(hash, bytes, sizeof bytes);
}

static void update_text(Sha256 *hash, const char *text)
{
    sha256_update(hash, text, strlen(text));
}

Uuid shard_uuid(const Uuid *fleet, uint64_t system_identifier, uint32_t database_oid,
                const char *schema)
{
    Sha256 hash;
    sha256_init(&hash);
    update_text(&hash, "pgtide-shard-v1");
    sha256_update(&hash, fleet->bytes, sizeof fleet->bytes);
    update_be32(&hash, (uint32_t)(system_identifier >> 32));
    update_be32(&hash, (uint32_t)system_identifier);
    update_be32(&hash, database_oid);
    update_text(&hash, schema);
    Digest digest = sha256_final(&hash);
    Uuid uuid;
    memcpy(uuid.bytes, digest.bytes, sizeof uuid.bytes);
    uuid_set_version(&uuid, 8);
    return uuid;
}

OperationId operation_id(const Digest *plan, const Uuid *shard, uint32_t generation, uint32_t step,
                         Direction direction)
{
    const uint8_t direction_byte = (uint8_t)direction;
    Sha256 hash;
    sha256_init(&hash);
    update_text(&hash, "pgtide-op-v1");
    sha256_update(&hash, plan->bytes, sizeof plan->bytes);
    sha256_update(&hash, shard->bytes, sizeof shard->bytes);
    update_be32(&hash, generation);
    update_be32(&hash, step);
    sha256_update(&hash, &direction_byte, 1);
    Digest digest = sha256_final(&hash);
    OperationId operation;
    memcpy(operation.bytes, digest.bytes, sizeof operation.bytes);
    return operation;
}
