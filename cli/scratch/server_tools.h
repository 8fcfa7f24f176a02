/*
 * PostgreSQL's own pg_dump and pg_restore, for copies and baselines.
 */
#pragma once

#include "scratch.h"

/* The directory (NULL: they are found in PATH) of a pg_dump that is not older than the server:
 * beside the scratch server's programs, in PATH, or else where packages put them; rather one whose
 * pg_restore serves it too. ERR_STATE, with what to install, when each is older. */
ErrCode server_tools_find(Arena *arena, const Scratch *scratch, uint32_t server_version,
                          const char **ret_directory, Error *err) MUST_CHECK;
/* One of them there. */
const char *server_tools_program(Arena *arena, const char *directory, const char *name);
