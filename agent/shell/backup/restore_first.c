/*
 * What the first halves of a restore have in common, whatever the shard is.
 */
#include "restore_parts.h"

#include "clock.h"

#include <sys/statvfs.h>

enum { RESTORE_SPARE_BYTES = 64 * 1024 * 1024 };

ErrCode restore_check_space(const char *data_directory, uint64_t bytes, Error *err)
{
    struct statvfs space;
    if (data_directory[0] == '\0' || statvfs(data_directory, &space) != 0)
        return ERR_OK;
    uint64_t free_bytes = (uint64_t)space.f_bavail * space.f_frsize;
    if (free_bytes >= bytes + RESTORE_SPARE_BYTES)
        return ERR_OK;
    char has[SIZE_TEXT_SIZE], needs[SIZE_TEXT_SIZE];
    size_format(free_bytes >> 20 << 20, has);
    size_format((bytes + RESTORE_SPARE_BYTES) >> 20 << 20, needs);
    return err_set(err, ERR_BACKUP, "%s are free for the server's data, the restore needs up to %s",
                   has, needs);
}

const char *restore_version_table(const PgConn *conn, Arena *arena, const char *schema)
{
    const char *quoted = pg_identifier(conn, arena, schema);
    return arena_printf(arena, "%s.alembic_version", quoted == NULL ? "\"\"" : quoted);
}

bool restore_rows_fail(Restore *restore, const PgResult *result)
{
    StrList rows = {0};
    bool read = pg_array_parse(restore->arena, pg_text(result, 0, 0), &rows);
    strlist_sort(&rows);
    if (read && strlist_equal(&rows, &restore->args.rows_after))
        return false;
    restore_fail(restore, JOB_FAILURE_FINAL, ERR_BACKUP,
                 "the backup holds rows {%.150s}, the plan says {%.150s}",
                 strlist_join(restore->arena, &rows, ", "),
                 strlist_join(restore->arena, &restore->args.rows_after, ", "));
    return true;
}

static void on_counted(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    Restore *restore = data;
    if (restore_fails(restore, reply, "what was restored"))
        return;
    restore->counts = arena_strdup(restore->arena, pg_text(&reply->results[0], 0, 0));
    restore_done(restore);
}

void restore_count(Restore *restore, PgConn *conn, const PgResult *query)
{
    PgBatch batch = pg_batch(restore->arena);
    pg_batch_add(&batch, arena_strdup(restore->arena, pg_text(query, 0, 0)));
    pg_send(conn, &batch, 0, on_counted, restore);
}
