/*
 * Putting a finished backup in place: hashed, synced, renamed, described. Blocks: for the thread
 * pool.
 */
#pragma once

#include "manifest.h"

/* Reads and hashes what `partial` holds (a file, or a directory of files), syncs it, renames it to
 * `final`, and writes the manifest, whose file, digest, size, files and finish are filled in here.
 * `partial` NULL: there is nothing but the manifest. */
ErrCode backup_place(Arena *arena, const char *directory, const char *partial, const char *final,
                     Manifest *manifest, Error *err) MUST_CHECK;
/* Reads what the manifest names in full and compares sizes and digests. ERR_BACKUP: what is wrong.
 */
ErrCode backup_compare(const char *directory, const Manifest *manifest, Error *err) MUST_CHECK;

/* The file or the directory with its files; harmless when it is not there. */
void backup_remove_path(const char *path);
/* A backup's files, then its manifest. */
void backup_remove(const char *directory, const Manifest *manifest);
