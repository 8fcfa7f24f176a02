/*
 * How a cluster is connected to: its address and its credentials, in one place.
 */
#pragma once

#include "settings.h"
#include "shard.h"

/* Connects to one of its databases. `application` NULL = pgtide. Returns owned, as pg_conn_new().
 */
PgConn *cluster_connect(uv_loop_t *loop, const ClusterSettings *cluster, const char *database,
                        const char *application, uint32_t timeout_ms, PgConnectCb *cb, void *data);
/* What a session on a shard takes from its cluster; which shard is the caller's. Borrows. */
ShardTarget cluster_target(const ClusterSettings *cluster);
