/*
 * Scratch databases for trials: made from template0, with names of their own, dropped at the end
 * whatever happened. They live on the server of --scratch-url (else of --url, PGTIDE_URL), or, when
 * no url is given, on a temporary server that is started for it.
 */
#pragma once

#include "command.h"
#include "shard.h"
#include "wait.h"

typedef struct Scratch Scratch;

#define SCRATCH_OPTIONS                                                                            \
    {"url", 'u', "URL", "the server (PGTIDE_URL); its databases are left alone"},                  \
        {"scratch-url", 0, "URL", "the server for scratch databases, instead of --url"},           \
    {                                                                                              \
        "keep", 0, NULL, "keep the scratch database and say its name"                              \
    }

/* What --help says of them. */
#define SCRATCH_DETAILS                                                                            \
    "Works on a scratch database, made from template0 on the server of --scratch-url, --url or "   \
    "PGTIDE_URL and dropped at the end; the role needs CREATEDB. Without any url a temporary "     \
    "server is started from the PostgreSQL that is installed here."

/* ERR_CONNECT …, ERR_USAGE when a temporary server can't be had. Returns owned. */
ErrCode scratch_open(CommandContext *context, Wait *wait, Scratch **ret_scratch,
                     Error *err) MUST_CHECK;
/* On the server of this url; NULL = on a temporary one. */
ErrCode scratch_open_on(CommandContext *context, Wait *wait, const char *url, Scratch **ret_scratch,
                        Error *err) MUST_CHECK;
/* Drops what is left, unless it is to be kept; notes what could not be dropped. NULL-safe. */
void scratch_close(Scratch *scratch);

/* A new empty database. The target's texts live as long as the scratch. */
ErrCode scratch_make(Scratch *scratch, ShardTarget *ret_target, Error *err) MUST_CHECK;
/* The same as a copy of another database of the server, to which nobody may be connected; `clause`
 * is "TEMPLATE" and its quoted name. */
ErrCode scratch_make_copy(Scratch *scratch, const char *clause, ShardTarget *ret_target,
                          Error *err) MUST_CHECK;
/* Nobody of ours may be connected to it any more. */
void scratch_drop(Scratch *scratch, const char *database);

/* "NAME=value" of libpq's variables that lead to a database of it, ended by NULL, for pg_dump. */
const char *const *scratch_environment(Scratch *scratch, Arena *arena, const char *database);
/* The same of any server. */
const char *const *scratch_environment_of(Arena *arena, const PgKeyword *conninfo, size_t count,
                                          const char *database);
/* Where pg_dump and its kin are: a directory, or NULL for PATH. */
const char *scratch_bin(const Scratch *scratch);
Wait *scratch_wait(const Scratch *scratch);
