/*
 * pgtide_flip_evidence FILE TRUST: changes one bit of each byte of an evidence file in turn. None
 * may pass. Prints each kind of refusal once, with the numbers taken out, and how often it came.
 */
#include "evidence_check.h"
#include "file.h"
#include "named_limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KINDS_MAX = 200, ALL_BYTES = 60000 };

typedef struct Kind {
    char words[256];
    size_t count;
} Kind;

static Kind kinds[KINDS_MAX];
static size_t kind_count;

static void note(const char *message)
{
    static const char record[] = "journal record ";
    const char *rest = message;
    char words[sizeof kinds[0].words];
    const char *head = "";
    bool is_record = strncmp(message, record, sizeof record - 1) == 0;
    if (is_record) {
        head = "a journal record";
        rest += sizeof record - 1 + strspn(message + sizeof record - 1, "0123456789");
    }
    snprintf(words, sizeof words, "%s%.200s", head, rest);
    for (size_t i = 0; i < kind_count; i++) {
        if (strcmp(kinds[i].words, words) == 0) {
            kinds[i].count++;
            return;
        }
    }
    if (kind_count == KINDS_MAX)
        return;
    kinds[kind_count].count = 1;
    memcpy(kinds[kind_count++].words, words, sizeof words);
}

static bool passes(const uint8_t *bytes, size_t length, const Trust *trust, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    EvidenceSummary summary;
    if (evidence_check(arena, bytes, length, trust, &summary, err) != ERR_OK)
        return false;
    evidence_summary_done(&summary);
    return true;
}

int main(int argc, char **argv)
{
    AUTO_ARENA Arena *arena = arena_new();
    AUTO_TRUST Trust *trust = NULL;
    uint8_t *bytes;
    size_t length;
    size_t passed = 0;
    Error err = {0};
    if (argc != 3 ||
        file_read_all(arena, argv[1], LIMIT_EVIDENCE_BYTES, &bytes, &length, &err) != ERR_OK ||
        trust_load(argv[2], 0, &trust, &err) != ERR_OK || !passes(bytes, length, trust, &err)) {
        printf("%s\n", err.message);
        return 2;
    }
    size_t stride = length / ALL_BYTES + 1;
    for (size_t at = 0; at < length; at += stride) {
        bytes[at] ^= (uint8_t)(1u << at % 8);
        if (passes(bytes, length, trust, &err)) {
            printf("byte %zu of %zu was changed, and nobody noticed\n", at, length);
            passed++;
        } else {
            note(err.message);
        }
        bytes[at] ^= (uint8_t)(1u << at % 8);
    }
    for (size_t i = 0; i < kind_count; i++)
        printf("%6zu %s\n", kinds[i].count, kinds[i].words);
    printf("%zu bytes, every %zu. changed\n", length, stride);
    return passed == 0 ? 0 : 1;
}
