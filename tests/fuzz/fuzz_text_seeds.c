/*
 * Writes the inputs that fuzz_text begins with, and its dictionary, into a directory.
 */
#include "text_check.h"
#include "text_seeds.h"

#include "file.h"

static void must(ErrCode code, const Error *err)
{
    if (code != ERR_OK) {
        fprintf(stderr, "fuzz_text_seeds: %s\n", err->message);
        exit(1);
    }
}

static void write_dictionary(Arena *arena, const char *path)
{
    AUTO_STR Str out = {0};
    Error err;
    for (size_t i = 0; i < sizeof text_words / sizeof text_words[0]; i++) {
        str_append_char(&out, '"');
        for (const char *at = text_words[i]; *at != '\0'; at++)
            str_printf(&out, "\\x%02x", (unsigned)(unsigned char)*at);
        str_append(&out, "\"\n");
    }
    must(file_write_atomic(arena_strdup(arena, path), out.data, out.length, 0644, &err), &err);
}

int main(int argc, char **argv)
{
    Error err;
    if (argc != 3) {
        fprintf(stderr, "usage: fuzz_text_seeds DIRECTORY DICTIONARY\n");
        return 2;
    }
    AUTO_ARENA Arena *arena = arena_new();
    must(dir_make(argv[1], 0700, &err), &err);
    for (size_t i = 0; i < sizeof text_seeds / sizeof text_seeds[0]; i++) {
        for (int reader = 0; reader < TEXT_READER_COUNT; reader++) {
            const char *name = arena_printf(arena, "text-%zu-%d", i, reader);
            const char *bytes = arena_printf(arena, "%c%s", '0' + reader, text_seeds[i]);
            must(file_write_atomic(path_join(arena, argv[1], name), bytes, strlen(bytes), 0644,
                                   &err),
                 &err);
        }
    }
    write_dictionary(arena, argv[2]);
    return 0;
}
