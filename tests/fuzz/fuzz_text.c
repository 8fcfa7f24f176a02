/*
 * Texts, through what splits SQL, reads revision files and binds placeholders. The first byte picks
 * the reader.
 */
#include "text_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    /* A copy of its own size, so that the address sanitizer sees a read past its end. */
    size_t length = size - 1;
    uint8_t *bytes = malloc(length > 0 ? length : 1);
    TEXT_REQUIRE(bytes != NULL);
    memcpy(bytes, data + 1, length);
    text_check((TextReader)(data[0] % TEXT_READER_COUNT), bytes, length);
    free(bytes);
    return 0;
}
