/*
 * Seeds, changed again and again by a sequence that is the same each time, through the checks of
 * the fuzzer: what it would find in a second is found in each test run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../../fuzz/text_check.h"
#include "../../../fuzz/text_seeds.h"

enum {
    SEED_COUNT = sizeof text_seeds / sizeof text_seeds[0],
    WORD_COUNT = sizeof text_words / sizeof text_words[0],
    ROUNDS = 100000,
    CHANGES_MAX = 6,
    TEXT_MAX = 4096,
};

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static size_t below(uint64_t *state, size_t limit)
{
    return limit == 0 ? 0 : (size_t)(random_next(state) % limit);
}

static void insert(Str *text, size_t at, const char *bytes, size_t length)
{
    if (text->length + length > TEXT_MAX)
        return;
    Str out = {0};
    str_append_bytes(&out, text->data, at);
    str_append_bytes(&out, bytes, length);
    str_append_bytes(&out, text->data + at, text->length - at);
    str_free(text);
    *text = out;
}

static void cut(Str *text, size_t at, size_t length)
{
    memmove(text->data + at, text->data + at + length, text->length - at - length);
    text->length -= length;
    text->data[text->length] = '\0';
}

static void change(Str *text, uint64_t *state)
{
    size_t at = below(state, text->length + 1);
    const char *other = text_seeds[below(state, SEED_COUNT)];
    const char *word = text_words[below(state, WORD_COUNT)];
    size_t from = below(state, strlen(other));
    switch (below(state, 5)) {
    case 0:
        cut(text, at, below(state, text->length - at + 1));
        break;
    case 1:
        cut(text, at, text->length > at);
        break;
    case 2:
        insert(text, at, other + from, below(state, strlen(other) - from));
        break;
    default:
        insert(text, at, word, strlen(word));
    }
}

static void test_seeds(void **state)
{
    (void)state;
    for (size_t i = 0; i < SEED_COUNT; i++) {
        for (int reader = 0; reader < TEXT_READER_COUNT; reader++)
            text_check((TextReader)reader, (const uint8_t *)text_seeds[i], strlen(text_seeds[i]));
    }
}

static void test_changed_seeds(void **state)
{
    (void)state;
    uint64_t random = 0x9E3779B97F4A7C15u;
    for (int round = 0; round < ROUNDS; round++) {
        AUTO_STR Str text = {0};
        str_append(&text, text_seeds[below(&random, SEED_COUNT)]);
        for (size_t changes = 1 + below(&random, CHANGES_MAX); changes > 0; changes--)
            change(&text, &random);
        text_check((TextReader)(round % TEXT_READER_COUNT), (const uint8_t *)str_text(&text),
                   text.length);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seeds),
        cmocka_unit_test(test_changed_seeds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
