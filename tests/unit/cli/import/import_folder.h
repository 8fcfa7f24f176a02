/*
 * For the tests of readers: a directory to write another tool's project into, and what a reader
 * makes of it.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "import.h"

#include "file.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct Folder {
    Arena *arena;
    char path[64];
} Folder;

static int folder_make(void **state)
{
    Folder *folder = xcalloc(1, sizeof *folder);
    folder->arena = arena_new();
    snprintf(folder->path, sizeof folder->path, "/tmp/pgtide-import-XXXXXX");
    *state = folder;
    return mkdtemp(folder->path) == NULL ? -1 : 0;
}

static int entry_remove(const char *path, const struct stat *entry, int kind, struct FTW *walk)
{
    (void)entry;
    (void)kind;
    (void)walk;
    return remove(path);
}

static int folder_remove(void **state)
{
    Folder *folder = *state;
    int status = nftw(folder->path, entry_remove, 16, FTW_DEPTH | FTW_PHYS);
    arena_free(folder->arena);
    free(folder);
    return status;
}

static inline const char *in(Folder *folder, const char *name)
{
    return path_join(folder->arena, folder->path, name);
}

static inline void put(Folder *folder, const char *name, const char *text)
{
    const char *path = in(folder, name);
    assert_int_equal(dir_make(path_dirname(folder->arena, path), 0755, NULL), ERR_OK);
    assert_int_equal(file_write_atomic(path, text, strlen(text), 0644, NULL), ERR_OK);
}

static inline Import importing(Folder *folder, const char *path)
{
    return (Import){.arena = folder->arena, .tool = "", .path = path};
}

static inline const ImportedRevision *item_at(const Import *import, size_t index)
{
    assert_true(index < import->count);
    return &import->items[index];
}

/* The only note that has `text` in it. */
static inline const ImportNote *note_with(const Import *import, const char *text)
{
    const ImportNote *found = NULL;
    for (size_t i = 0; i < import->note_count; i++) {
        if (strstr(import->notes[i].text, text) == NULL)
            continue;
        assert_null(found);
        found = &import->notes[i];
    }
    if (found == NULL)
        fail_msg("no note with '%s'", text);
    return found;
}

static inline size_t problems(const Import *import)
{
    size_t count = 0;
    for (size_t i = 0; i < import->note_count; i++)
        count += import->notes[i].problem;
    return count;
}

/* Reads the folder as a project of this tool's; it must be one. */
static inline Import take_as(const char *tool, Folder *folder)
{
    Import import = importing(folder, folder->path);
    Error err = {0};
    if (import_tool(tool)->read(&import, &err) != ERR_OK)
        fail_msg("%s", err.message);
    return import;
}

/* A folder with nothing of the tool's in it is neither recognised nor read. */
static inline void check_nothing_there(const char *tool, Folder *folder)
{
    put(folder, "readme.txt", "nothing");
    Import import = importing(folder, folder->path);
    Error err = {0};
    assert_int_equal(import_tool(tool)->read(&import, &err), ERR_NOT_FOUND);
    assert_true(err.hint[0] != '\0');
    assert_false(import_tool(tool)->recognise(folder->arena, folder->path));
}
