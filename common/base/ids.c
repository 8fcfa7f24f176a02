#include "ids.h"

#include "named_limits.h"

#include <string.h>

void hex_encode(const uint8_t *bytes, size_t length, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < length; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * length] = '\0';
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

bool hex_decode(const char *text, uint8_t *out, size_t length)
{
    if (strlen(text) != 2 * length)
        return false;
    for (size_t i = 0; i < length; i++) {
        int high = hex_value(text[2 * i]);
        int low = hex_value(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high * 16 + low);
    }
    return true;
}

static const size_t uuid_groups[] = {4, 2, 2, 2, 6};

void uuid_format(const Uuid *uuid, char out[UUID_TEXT_SIZE])
{
    const uint8_t *from = uuid->bytes;
    for (size_t group = 0; group < 5; group++) {
        if (group > 0)
            *out++ = '-';
        hex_encode(from, uuid_groups[group], out);
        from += uuid_groups[group];
        out += 2 * uuid_groups[group];
    }
}

bool uuid_parse(const char *text, Uuid *out)
{
    if (strlen(text) != UUID_TEXT_SIZE - 1)
        return false;
    Uuid parsed;
    uint8_t *to = parsed.bytes;
    for (size_t group = 0; group < 5; group++) {
        if (group > 0 && *text++ != '-')
            return false;
        char part[13];
        memcpy(part, text, 2 * uuid_groups[group]);
        part[2 * uuid_groups[group]] = '\0';
        if (!hex_decode(part, to, uuid_groups[group]))
            return false;
        to += uuid_groups[group];
        text += 2 * uuid_groups[group];
    }
    *out = parsed;
    return true;
}

bool uuid_equal(const Uuid *a, const Uuid *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

bool uuid_is_nil(const Uuid *uuid)
{
    static const Uuid nil;
    return uuid_equal(uuid, &nil);
}

int uuid_compare(const Uuid *a, const Uuid *b)
{
    return memcmp(a, b, sizeof *a);
}

void digest_hex(const Digest *digest, char out[DIGEST_HEX_SIZE])
{
    hex_encode(digest->bytes, sizeof digest->bytes, out);
}

void digest_format(const Digest *digest, char out[DIGEST_TEXT_SIZE])
{
    memcpy(out, "sha256:", 7);
    digest_hex(digest, out + 7);
}

bool digest_parse(const char *text, Digest *out)
{
    return strncmp(text, "sha256:", 7) == 0 && hex_decode(text + 7, out->bytes, sizeof out->bytes);
}

void fingerprint_format(const Digest *fingerprint, char out[FINGERPRINT_TEXT_SIZE])
{
    memcpy(out, "f1:", 3);
    digest_hex(fingerprint, out + 3);
}

bool fingerprint_parse(const char *text, Digest *out)
{
    return strncmp(text, "f1:", 3) == 0 && hex_decode(text + 3, out->bytes, sizeof out->bytes);
}

bool digest_equal(const Digest *a, const Digest *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

bool digest_is_zero(const Digest *digest)
{
    static const Digest zero;
    return digest_equal(digest, &zero);
}

void operation_format(const OperationId *operation, char out[OPERATION_TEXT_SIZE])
{
    hex_encode(operation->bytes, sizeof operation->bytes, out);
}

static bool is_lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool name_is_valid(const char *name)
{
    size_t length = strlen(name);
    if (length == 0 || length > LIMIT_NAME_BYTES || !is_lower_alnum(name[0]))
        return false;
    for (size_t i = 1; i < length; i++) {
        if (!is_lower_alnum(name[i]) && name[i] != '_' && name[i] != '-')
            return false;
    }
    return true;
}

bool revision_id_is_valid(const char *id)
{
    size_t length = strlen(id);
    if (length == 0 || length > LIMIT_REVISION_ID_BYTES)
        return false;
    for (size_t i = 0; i < length; i++) {
        char c = id[i];
        if (!is_lower_alnum(c) && !(c >= 'A' && c <= 'Z') && c != '_' && c != '.')
            return false;
    }
    return true;
}

bool key_id_is_valid(const char *text)
{
    uint8_t ignored[16];
    return strncmp(text, "ed25519:", 8) == 0 && hex_decode(text + 8, ignored, sizeof ignored);
}
