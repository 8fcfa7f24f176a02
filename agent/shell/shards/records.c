#include "records.h"

#include "shard_record.h"
#include "task_shard.h"

#include <stdlib.h>
#include <string.h>

#define APPLICATION_NAME "pgtide-agent why"

enum { READ_DEADLINE_MS = 10000 };

typedef struct Reading {
    struct Records *owner;
    Task *task;
    ShardSession *session;
    struct Reading *next;
} Reading;

struct Records {
    RecordsSettings settings;
    Reading *readings;
};

Records *records_new(const RecordsSettings *settings)
{
    Records *records = xcalloc(1, sizeof *records);
    records->settings = *settings;
    return records;
}

static void reading_free(Reading *reading)
{
    Reading **at = &reading->owner->readings;
    while (*at != reading)
        at = &(*at)->next;
    *at = reading->next;
    shard_close(reading->session);
    free(reading);
}

void records_free(Records *records)
{
    if (records == NULL)
        return;
    while (records->readings != NULL)
        reading_free(records->readings);
    free(records);
}

static void on_read(ShardSession *session, const DatabaseReading *found, const Error *err,
                    void *data)
{
    (void)session;
    Reading *reading = data;
    AUTO_STR Str text = {0};
    if (err != NULL) {
        task_failed(reading->task, err);
    } else {
        JsonWriter json = json_writer(&text);
        shard_record_write(&json, found);
        task_done(reading->task, str_text(&text));
    }
    reading_free(reading);
}

static void on_opened(ShardSession *session, const Error *err, void *data)
{
    Reading *reading = data;
    ReadArgs args = shard_record_args();
    args.deadline_ms = READ_DEADLINE_MS;
    if (err == NULL) {
        shard_read(session, &args, on_read, reading);
        return;
    }
    task_failed(reading->task, err);
    reading_free(reading);
}

void records_handle(void *context, Task *task)
{
    Records *records = context;
    const Pgtide__V1__ReadRecord *in = task->request->read_record;
    TaskShard shard;
    Error err;
    if (task_shard_find(records->settings.settings, records->settings.shards, in->cluster,
                        in->database, in->schema, APPLICATION_NAME, &shard, &err) != ERR_OK) {
        task_failed(task, &err);
        return;
    }
    Reading *reading = xcalloc(1, sizeof *reading);
    reading->owner = records;
    reading->task = task;
    reading->next = records->readings;
    records->readings = reading;
    reading->session = shard_open(records->settings.loop, &shard.target, on_opened, reading);
}
