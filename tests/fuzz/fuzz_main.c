/*
 * What libFuzzer is to a target, for compilers that have none: every file of the directories given,
 * then so many of them changed at random. The same seed makes the same inputs everywhere, but
 * nothing learns from what they reach: that is what the nights with libFuzzer are for.
 *
 *   fuzz_NAME -runs=N -seed=N -max_len=BYTES DIRECTORY...
 *
 * An input that ends the process is left in the file fuzz-NAME.found of the working directory.
 */
#include "file.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUTS_MAX = 1000, LENGTH_MAX = 1 << 20, CHANGES_MAX = 8, PIECE_MAX = 64 };

typedef struct Input {
    uint8_t *bytes;
    size_t length;
} Input;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__asan_default_options(void);

static Input inputs[INPUTS_MAX];
static size_t input_count;
static uint64_t state;
static Input now; /* what is being tried */
static char found[256];

/* So that an error of the sanitizer's comes by on_abort() too. */
const char *__asan_default_options(void)
{
    return "abort_on_error=1";
}

static void on_abort(int number)
{
    FILE *file = fopen(found, "wb"); /* not safe in a handler, and better than nothing */
    if (file != NULL) {
        fwrite(now.bytes, 1, now.length, file);
        fclose(file);
        fprintf(stderr, "the input is in %s\n", found);
    }
    signal(number, SIG_DFL);
    raise(number);
}

/* xorshift64*: the same everywhere, which rand() is not. */
static size_t draw(size_t below)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    uint64_t drawn = (state * UINT64_C(2685821657736338717)) >> 16;
    return below == 0 ? 0 : (size_t)(drawn % below);
}

static void fail(const char *what, const char *name)
{
    fprintf(stderr, "fuzz: %s '%s'\n", what, name);
    exit(2);
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void read_directory(Arena *arena, const char *directory)
{
    struct dirent **entries;
    int count = scandir(directory, &entries, is_visible, alphasort);
    if (count < 0)
        fail("can't read", directory);
    for (int i = 0; i < count; i++) {
        Error err;
        Input *input = &inputs[input_count];
        if (input_count == INPUTS_MAX)
            fail("too many inputs in", directory);
        if (file_read_all(arena, path_join(arena, directory, entries[i]->d_name), LENGTH_MAX,
                          &input->bytes, &input->length, &err) != ERR_OK)
            fail("can't read", err.message);
        input_count++;
        free(entries[i]);
    }
    free(entries);
}

static void remove_at(size_t at, size_t length)
{
    memmove(now.bytes + at, now.bytes + at + length, now.length - at - length);
    now.length -= length;
}

/* Some of `from`, at `at`, as far as there is room. */
static void insert_at(size_t at, const Input *from, size_t length_max)
{
    size_t start = draw(from->length);
    size_t length = draw(from->length - start + 1);
    length = length > PIECE_MAX ? PIECE_MAX : length;
    if (length > length_max - now.length)
        length = length_max - now.length;
    uint8_t piece[PIECE_MAX];
    memcpy(piece, from->bytes + start, length);
    memmove(now.bytes + at + length, now.bytes + at, now.length - at);
    memcpy(now.bytes + at, piece, length);
    now.length += length;
}

static void change(size_t length_max)
{
    static const uint8_t edges[] = {0, 1, 0x7f, 0x80, 0xff, '\n', '\'', '$', ';', ':'};
    size_t at = draw(now.length);
    switch (draw(6)) {
    case 0:
        now.bytes[at] ^= (uint8_t)(1u << draw(8));
        break;
    case 1:
        now.bytes[at] = (uint8_t)draw(256);
        break;
    case 2:
        now.bytes[at] = edges[draw(sizeof edges)];
        break;
    case 3:
        remove_at(at, draw(now.length - at < PIECE_MAX ? now.length - at : PIECE_MAX));
        break;
    case 4:
        insert_at(at, &now, length_max);
        break;
    default:
        insert_at(at, &inputs[draw(input_count)], length_max);
    }
}

static void try(const Input *input, size_t changes, size_t length_max)
{
    now.length = input->length < length_max ? input->length : length_max;
    memcpy(now.bytes, input->bytes, now.length);
    for (size_t i = 0; i < changes && now.length > 0; i++)
        change(length_max);
    (void)LLVMFuzzerTestOneInput(now.bytes, now.length);
}

static bool take_number(const char *argument, const char *name, size_t *ret_number)
{
    size_t length = strlen(name);
    if (strncmp(argument, name, length) != 0)
        return false;
    *ret_number = strtoul(argument + length, NULL, 10);
    return true;
}

int main(int argc, char **argv)
{
    AUTO_ARENA Arena *arena = arena_new();
    size_t runs = 0, seed = 1, length_max = LENGTH_MAX;
    for (int i = 1; i < argc; i++) {
        if (take_number(argv[i], "-runs=", &runs) || take_number(argv[i], "-seed=", &seed) ||
            take_number(argv[i], "-max_len=", &length_max))
            continue;
        if (argv[i][0] == '-')
            fail("no such option:", argv[i]);
        read_directory(arena, argv[i]);
    }
    if (input_count == 0 || length_max == 0 || length_max > LENGTH_MAX)
        fail("nothing to begin with:", argv[0]);
    snprintf(found, sizeof found, "%.200s.found", path_basename(argv[0]));
    state = seed + UINT64_C(0x9E3779B97F4A7C15);
    now.bytes = arena_alloc(arena, length_max);
    signal(SIGABRT, on_abort);
    for (size_t i = 0; i < input_count; i++)
        try(&inputs[i], 0, length_max);
    for (size_t i = 0; i < runs; i++)
        try(&inputs[draw(input_count)], 1 + draw(CHANGES_MAX), length_max);
    printf("%zu inputs and %zu changed ones\n", input_count, runs);
    return 0;
}
