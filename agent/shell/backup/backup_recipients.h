/*
 * The file of age recipients: whom backups are encrypted to; and that of an identity, which is kept
 * away from the agent's host but for as long as encrypted backups are to be restored.
 */
#pragma once

#include "str.h"

/* Checks the file and gives the sha256:<hex> of each recipient's text. ERR_CONFIG: others may write
 * it, it is empty, or it holds an identity, which belongs elsewhere. */
ErrCode recipients_load(Arena *arena, const char *path, StrList *ret_fingerprints,
                        Error *err) MUST_CHECK;
/* ERR_CONFIG: there is no such file, or others than its owner may read or write it. Nothing of it
 * is read. */
ErrCode identity_check(const char *path, Error *err) MUST_CHECK;
