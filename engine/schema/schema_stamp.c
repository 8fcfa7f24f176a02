#include "schema_stamp.h"

#include "stamp_sql.h"

#include <string.h>

enum { ANSWER_BEGIN, ANSWER_PATH, ANSWER_STAMP, ANSWER_COMMIT, ANSWER_COUNT };

void schema_stamp_queries(PgBatch *batch)
{
    pg_batch_add(batch, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    pg_batch_add(batch, "SELECT pg_catalog.set_config('search_path', 'pg_catalog', true),"
                        " pg_catalog.set_config('jit', 'off', true)");
    pg_batch_add(batch, stamp_sql);
    pg_batch_add(batch, "COMMIT");
}

ErrCode schema_stamp_answer(const PgReply *reply, char out[SCHEMA_STAMP_SIZE], Error *err)
{
    if (reply->count != ANSWER_COUNT || pg_rows(&reply->results[ANSWER_STAMP]) != 1)
        return err_set(err, ERR_INTERNAL, "a stamp's answers are not those to its queries");
    const char *stamp = pg_text(&reply->results[ANSWER_STAMP], 0, 0);
    if (strlen(stamp) >= SCHEMA_STAMP_SIZE)
        return err_set(err, ERR_INTERNAL, "a stamp of %zu characters", strlen(stamp));
    memcpy(out, stamp, strlen(stamp) + 1);
    return ERR_OK;
}
