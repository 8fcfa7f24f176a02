/*
 * A temporary PostgreSQL server of this user's, in a temporary directory, on a unix socket that
 * nobody else can reach, without any care for durability.
 */
#pragma once

#include "arena.h"
#include "wait.h"

typedef struct ScratchCluster {
    const char *bin;       /* where initdb, pg_ctl and pg_dump are */
    const char *directory; /* of the data, the log and the socket */
    const char *user;
    bool running;
} ScratchCluster;

/* Where the newest PostgreSQL's programs are; NULL = not found. */
const char *scratch_cluster_bin(Arena *arena, Wait *wait);
/* ERR_USAGE as root or without PostgreSQL, ERR_IO. After a failure nothing is left. */
ErrCode scratch_cluster_start(Arena *arena, Wait *wait, ScratchCluster *cluster,
                              Error *err) MUST_CHECK;
/* Stops it and removes its directory. */
ErrCode scratch_cluster_stop(Wait *wait, ScratchCluster *cluster, Error *err) MUST_CHECK;
