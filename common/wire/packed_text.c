#include "packed_text.h"

#include "libcrypto.h"

#include <string.h>
#include <zlib.h>

void packed_text_write(Str *out, const void *bytes, size_t length)
{
    AUTO_ARENA Arena *arena = arena_new();
    uLongf packed_length = compressBound(length);
    uint8_t *packed = arena_alloc(arena, packed_length);
    if (compress2(packed, &packed_length, bytes, length, Z_BEST_COMPRESSION) != Z_OK)
        abort(); /* the room was enough: there is no memory */
    char *text = arena_alloc(arena, (packed_length + 2) / 3 * 4 + 1);
    EVP_EncodeBlock((unsigned char *)text, packed, (int)packed_length);
    str_append(out, text);
}

ErrCode packed_text_read(Arena *arena, const char *text, size_t length, uint8_t **ret_bytes,
                         Error *err)
{
    size_t text_length = strlen(text);
    uLongf found = length;
    uint8_t *packed = arena_alloc(arena, text_length / 4 * 3 + 1);
    uint8_t *bytes = arena_alloc(arena, length + 1);
    int packed_length =
        text_length > INT_MAX || text_length % 4 != 0
            ? -1
            : EVP_DecodeBlock(packed, (const unsigned char *)text, (int)text_length);
    /* The padding's zeros follow the stream's end, where zlib does not look. */
    if (packed_length <= 0 || uncompress(bytes, &found, packed, (uLong)packed_length) != Z_OK ||
        found != length)
        return err_set(err, ERR_PROTOCOL, "a packed text is damaged");
    bytes[length] = '\0';
    *ret_bytes = bytes;
    return ERR_OK;
}
