#include "planning.h"

#include "plan_view.h"

void view_plan_summary(const PlanSummary *summary, JsonWriter *json)
{
    json_object_begin(json);
    json_field_digest(json, "plan_blob_digest", &summary->plan_blob);
    json_field_digest(json, "bundle_blob_digest", &summary->bundle_blob);
    plan_view_fields(summary->header, summary->shards, &summary->plan_digest, false, json);
    json_object_end(json);
}
