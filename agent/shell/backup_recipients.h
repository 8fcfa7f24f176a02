/*
 * The file of age recipients: whom backups are encrypted to. Their identities are offline, so
 * nothing here can decrypt what was encrypted.
 */
#pragma once

#include "str.h"

/* Checks the file and gives the sha256:<hex> of each recipient's text. ERR_CONFIG: others may write
 * it, it is empty, or it holds an identity, which belongs elsewhere. */
ErrCode recipients_load(Arena *arena, const char *path, StrList *ret_fingerprints,
                        Error *err) MUST_CHECK;
