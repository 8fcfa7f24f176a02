#include "watch_facts.h"

#include "split_words.h"
#include "str.h"

#include <string.h>

enum { STATEMENT_BYTES_MAX = 60 };

/* --- sessions --------------------------------------------------------------------------------- */

const char *watch_query_class(Arena *arena, uint32_t pid, const WatchSession *session)
{
    if (pid == 0)
        return "prepared transaction";
    if (strcmp(session->query, "<insufficient privilege>") == 0)
        return "not visible";
    if (str_starts_with(session->backend_type, "autovacuum"))
        return "autovacuum";
    if (str_starts_with(session->state, "idle in transaction"))
        return "idle in transaction";
    Words words = {.at = session->query};
    while (words_next(&words)) {
        if (words.word[0] != '\0')
            return arena_strdup(arena, words.word);
    }
    return session->backend_type[0] == '\0' ? "not visible"
                                            : arena_strdup(arena, session->backend_type);
}

/* --- statements ------------------------------------------------------------------------------- */

static bool may_begin_a_value(const char *at)
{
    return strchr("'$(;=", *at) != NULL || (at[0] == '-' && at[1] == '-') ||
           (at[0] == '/' && at[1] == '*');
}

const char *watch_statement(Arena *arena, const char *query)
{
    AUTO_STR Str text = {0};
    const char *at = words_skip_blank(query);
    while (*at != '\0' && !may_begin_a_value(at)) {
        bool blank = words_is_space(*at);
        str_append_char(&text, blank ? ' ' : *at);
        at += blank ? strspn(at, " \t\r\n\f\v") : 1;
    }
    size_t length = text.length;
    if (length > STATEMENT_BYTES_MAX) {
        length = STATEMENT_BYTES_MAX;
        while (length > 0 && ((unsigned char)str_text(&text)[length] & 0xC0) == 0x80)
            length--;
    }
    while (length > 0 && str_text(&text)[length - 1] == ' ')
        length--;
    return arena_strndup(arena, str_text(&text), length);
}

/* --- builds ----------------------------------------------------------------------------------- */

/* What a phase reports of its own. */
typedef enum Measure { MEASURE_NONE, MEASURE_BLOCKS, MEASURE_TUPLES } Measure;

typedef struct Phase {
    const char *name;
    Measure measure;
    uint32_t from; /* percent, of a build that lets writers go on */
    uint32_t to;
    uint32_t alone_from; /* and of one that does not */
    uint32_t alone_to;
} Phase;

static const Phase phases[] = {
    {"initializing", MEASURE_NONE, 0, 0, 0, 0},
    {"waiting for writers before build", MEASURE_NONE, 0, 0, 0, 0},
    {"building index: scanning table", MEASURE_BLOCKS, 0, 40, 0, 60},
    {"building index: sorting live tuples", MEASURE_NONE, 40, 40, 60, 60},
    {"building index: loading tuples in tree", MEASURE_TUPLES, 45, 60, 65, 99},
    {"building index", MEASURE_BLOCKS, 0, 60, 0, 99}, /* of access methods without phases */
    {"waiting for writers before validation", MEASURE_NONE, 60, 60, 99, 99},
    {"index validation: scanning index", MEASURE_BLOCKS, 60, 70, 99, 99},
    {"index validation: sorting tuples", MEASURE_NONE, 70, 70, 99, 99},
    {"index validation: scanning table", MEASURE_BLOCKS, 72, 98, 99, 99},
    {"waiting for old snapshots", MEASURE_NONE, 98, 98, 99, 99},
    {"waiting for readers before marking dead", MEASURE_NONE, 99, 99, 99, 99},
    {"waiting for readers before dropping", MEASURE_NONE, 99, 99, 99, 99},
};

static uint64_t share(uint64_t done, uint64_t total, uint64_t of)
{
    if (total == 0)
        return 0;
    return done >= total ? of : (uint64_t)((double)done / (double)total * (double)of);
}

uint32_t watch_build_percent(const WatchBuild *build)
{
    bool is_concurrent = str_ends_with(build->command, "CONCURRENTLY");
    const Phase *phase = NULL;
    for (size_t i = 0; i < sizeof phases / sizeof *phases && phase == NULL; i++) {
        if (strcmp(phases[i].name, build->phase) == 0)
            phase = &phases[i];
    }
    if (phase == NULL)
        return 0;
    uint32_t from = is_concurrent ? phase->from : phase->alone_from;
    uint32_t to = is_concurrent ? phase->to : phase->alone_to;
    uint64_t within = 0;
    if (phase->measure == MEASURE_BLOCKS)
        within = share(build->blocks_done, build->blocks_total, to - from);
    else if (phase->measure == MEASURE_TUPLES)
        within = share(build->tuples_done, build->tuples_total, to - from);
    uint64_t percent = from + within;
    if (build->partitions_total > 0)
        percent = share(build->partitions_done, build->partitions_total, 99) +
                  percent / build->partitions_total;
    return percent > 99 ? 99 : (uint32_t)percent;
}
