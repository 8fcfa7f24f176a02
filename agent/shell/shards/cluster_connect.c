#include "cluster_connect.h"

PgConn *cluster_connect(uv_loop_t *loop, const ClusterSettings *cluster, const char *database,
                        const char *application, uint32_t timeout_ms, PgConnectCb *cb, void *data)
{
    PgKeyword keywords[CLUSTER_KEYWORDS_MAX + 2];
    size_t count = 0;
    for (; count < cluster->conninfo_count; count++)
        keywords[count] = cluster->conninfo[count];
    keywords[count++] = (PgKeyword){"dbname", database};
    if (application != NULL)
        keywords[count++] = (PgKeyword){"application_name", application};
    PgConn *conn = pg_conn_new(loop);
    pg_use_passwords(conn, cluster->passwords);
    pg_connect(conn, keywords, count, timeout_ms, cb, data);
    return conn;
}

ShardTarget cluster_target(const ClusterSettings *cluster)
{
    return (ShardTarget){
        .conninfo = cluster->conninfo,
        .conninfo_count = cluster->conninfo_count,
        .passwords = cluster->passwords,
        .shared_schemas = cluster->shared_schemas,
    };
}
