/*
 * A directory of each test's own, for a journal and what becomes of it.
 */
#pragma once

#include "arena.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct Place {
    char directory[64];
    char path[96]; /* of the journal */
    char wal[112];
    char copy[96];
} Place;

static inline int make_place(void **state)
{
    Place *place = xcalloc(1, sizeof *place);
    snprintf(place->directory, sizeof place->directory, "/tmp/pgtide-journal-XXXXXX");
    if (mkdtemp(place->directory) == NULL)
        return -1;
    snprintf(place->path, sizeof place->path, "%s/journal.sqlite", place->directory);
    snprintf(place->wal, sizeof place->wal, "%s-wal", place->path);
    snprintf(place->copy, sizeof place->copy, "%s/copy.sqlite", place->directory);
    *state = place;
    return 0;
}

static inline int remove_place(void **state)
{
    Place *place = *state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", place->directory);
    int status = system(command);
    free(place);
    unsetenv("PGTIDE_TEST_CRASH_BEFORE_RECORD");
    unsetenv("PGTIDE_TEST_CRASH_AFTER_RECORD");
    return status;
}

#define PLACED(test) cmocka_unit_test_setup_teardown(test, make_place, remove_place)
