#include "planning.h"

#include "digest.h"
#include "plan_view.h"

static void write_digest(JsonWriter *json, const char *key, const Digest *digest)
{
    char text[DIGEST_TEXT_SIZE];
    digest_format(digest, text);
    json_field_string(json, key, text);
}

void view_plan_summary(const PlanSummary *summary, JsonWriter *json)
{
    json_object_begin(json);
    write_digest(json, "plan_blob_digest", &summary->plan_blob);
    write_digest(json, "bundle_blob_digest", &summary->bundle_blob);
    plan_view_fields(summary->header, summary->shards, &summary->plan_digest, false, json);
    json_object_end(json);
}
