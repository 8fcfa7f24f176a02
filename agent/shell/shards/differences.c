#include "differences.h"

#include "clock.h"
#include "named_limits.h"
#include "proto_read.h"
#include "schema_canon.h"
#include "schema_diff_json.h"
#include "schema_json.h"
#include "shard_schema.h"
#include "task_shard.h"

#include <stdlib.h>
#include <string.h>

#define APPLICATION_NAME "pgtide-agent drift"

enum {
    TOLD_BYTES = LIMIT_TASK_RESULT_BYTES / 3, /* each way; as JSON a text grows */
};

typedef struct Comparison {
    struct Differences *owner;
    Task *task;
    ShardTarget target;
    Digest expected; /* fingerprint */
    Digest blob;
    ShardSession *session; /* NULL: the blob is not there yet */
    struct Comparison *next;
} Comparison;

struct Differences {
    DifferencesSettings settings;
    Comparison *comparisons;
};

Differences *differences_new(const DifferencesSettings *settings)
{
    Differences *differences = xcalloc(1, sizeof *differences);
    differences->settings = *settings;
    return differences;
}

static void comparison_free(Comparison *comparison)
{
    Comparison **at = &comparison->owner->comparisons;
    while (*at != comparison)
        at = &(*at)->next;
    *at = comparison->next;
    shard_close(comparison->session);
    free(comparison);
}

void differences_free(Differences *differences)
{
    if (differences == NULL)
        return;
    while (differences->comparisons != NULL)
        comparison_free(differences->comparisons);
    free(differences);
}

static void fail(Comparison *comparison, const Error *err)
{
    task_failed(comparison->task, err);
    comparison_free(comparison);
}

/* --- comparing -------------------------------------------------------------------------------- */

static ErrCode read_expected(Comparison *comparison, Arena *arena, SchemaModel *ret_model,
                             Error *err)
{
    uint8_t *bytes;
    size_t length;
    char is[FINGERPRINT_TEXT_SIZE], wanted[FINGERPRINT_TEXT_SIZE];
    const BlobStore *blobs = comparison->owner->settings.blobs;
    ErrCode code = blob_read(blobs, arena, &comparison->blob, &bytes, &length, err);
    if (code == ERR_OK)
        code = schema_json_read(arena, (const char *)bytes, length, ret_model, err);
    if (code != ERR_OK)
        return err_wrap(err, "the expected schema");
    schema_fingerprint(ret_model, is);
    fingerprint_format(&comparison->expected, wanted);
    if (strcmp(is, wanted) == 0)
        return ERR_OK;
    err_set(err, ERR_STATE, "the expected schema's fingerprint is %s here, and not %s", is, wanted);
    err_hint(err, "Use the same version of pgtide everywhere, and record it anew with "
                  "`pgtide drift expect`.");
    return ERR_STATE;
}

static void write_way(JsonWriter *json, const char *key, const char *untold_key,
                      const SchemaDiff *diff)
{
    size_t told = schema_diff_json(json, key, diff, TOLD_BYTES);
    json_field_uint(json, untold_key, diff->count - told);
}

static ErrCode compare(Comparison *comparison, const SchemaModel *now, Arena *arena, Str *out,
                       Error *err)
{
    SchemaModel expected;
    SchemaDiff repair, drift;
    char fingerprint[FINGERPRINT_TEXT_SIZE];
    ErrCode code = read_expected(comparison, arena, &expected, err);
    if (code == ERR_OK)
        code = schema_diff(arena, now, &expected, NULL, 0, &repair, err);
    if (code == ERR_OK)
        code = schema_diff(arena, &expected, now, NULL, 0, &drift, err);
    if (code != ERR_OK)
        return code;
    schema_fingerprint(now, fingerprint);
    JsonWriter json = json_writer(out);
    json_object_begin(&json);
    json_field_string(&json, "fingerprint", fingerprint);
    json_field_time(&json, "read", clock_unix_ms());
    json_field_uint(&json, "cannot", repair.cannot);
    write_way(&json, "drift", "drift_untold", &drift);
    write_way(&json, "repair", "repair_untold", &repair);
    json_object_end(&json);
    return ERR_OK;
}

static void on_model(ShardSession *session, const SchemaModel *model, const Error *err, void *data)
{
    (void)session;
    Comparison *comparison = data;
    AUTO_ARENA Arena *arena = arena_new();
    AUTO_STR Str text = {0};
    Error wrong;
    if (err == NULL && compare(comparison, model, arena, &text, &wrong) != ERR_OK)
        err = &wrong;
    if (err != NULL) {
        fail(comparison, err);
        return;
    }
    task_done(comparison->task, str_text(&text));
    comparison_free(comparison);
}

static void on_opened(ShardSession *session, const Error *err, void *data)
{
    Comparison *comparison = data;
    if (err != NULL)
        fail(comparison, err);
    else
        shard_read_model(session, comparison->target.schema, 0, on_model, comparison);
}

static void open_shard(Comparison *comparison)
{
    comparison->session =
        shard_open(comparison->owner->settings.loop, &comparison->target, on_opened, comparison);
}

/* --- requests --------------------------------------------------------------------------------- */

static ErrCode read_request(const Differences *differences, Comparison *comparison, Error *err)
{
    const Pgtide__V1__ReadDrift *in = comparison->task->request->read_drift;
    TaskShard shard;
    ErrCode code = proto_digest(&in->fingerprint, "fingerprint", &comparison->expected, err);
    if (code == ERR_OK)
        code = proto_digest(&in->dump_blob_digest, "dump", &comparison->blob, err);
    if (code == ERR_OK)
        code =
            task_shard_find(differences->settings.settings, differences->settings.shards,
                            in->cluster, in->database, in->schema, APPLICATION_NAME, &shard, err);
    if (code == ERR_OK)
        comparison->target = shard.target;
    return code;
}

void differences_handle(void *context, Task *task)
{
    Differences *differences = context;
    Comparison *comparison = xcalloc(1, sizeof *comparison);
    Error err;
    *comparison =
        (Comparison){.owner = differences, .task = task, .next = differences->comparisons};
    differences->comparisons = comparison;
    if (read_request(differences, comparison, &err) != ERR_OK)
        fail(comparison, &err);
    else if (blob_has(differences->settings.blobs, &comparison->blob))
        open_shard(comparison);
    else
        fetch_want(differences->settings.fetch, &comparison->blob);
}

void differences_blob(Differences *differences, const Digest *digest, const Error *err)
{
    Comparison *next;
    for (Comparison *at = differences->comparisons; at != NULL; at = next) {
        next = at->next;
        if (at->session != NULL || !digest_equal(&at->blob, digest))
            continue;
        if (err != NULL)
            fail(at, err);
        else
            open_shard(at);
    }
}
