/*
 * A plan as JSON, from nothing but its header and shards: what the coordinator answers, what
 * `pgtide rollout plan` prints, and what an approver reads before signing are the same.
 *
 * plan_view_write() writes one object:
 *   {"plan_digest","rollout":UUID,"name","author_keyid","created":TIME,"expires":TIME,
 *    "bundle","bundle_digest","direction","target","rollback_of":UUID|null,
 *    "accept_data_loss":false,                         a restore that may lose what was written
 * since "select":TEXT,"order":TEXT,"seed":N|null,
 *    "shards":24,"already_there":0,"left_out":0,"left_out_shards":[{"shard","reason"},...],
 *    "approvals":1,"concurrency":{"fleet","host","cluster","database","labels":{}},
 *    "budget_fleet":1,"worst_case":5,
 *    "budgets":[{"scope":"host|label","label":TEXT|null,"percent":false,"value":1,
 *                "worst_case":9,"worst_at":TEXT},...],
 *    "on_shard_failure","on_failure","rollback_until_ms","unknown_deadline_ms","progress_deadline_ms",
 *    "lock_timeout_ms","lock_attempts","lock_budget_ms":N|null,                 null: no limit
 *    "statement_timeout_ms","locks_expected":null,
 *    "backup":{"method","compress","verify","keep","bytes","worst_host":TEXT|null,
 *              "worst_host_bytes"},
 *    "estimated":24,"estimate_ms":N|null,              shards with an estimate; bakes included
 *    "waves":[{"number":1,"name","shards":1,"bake_ms":0,"budget":0,"worst_case":1,
 *              "estimate_ms":N|null,"first":NAME,"first_shards":[NAME,...]},...],
 *    "steps":[{"revisions":[...],"shards":24},...],    the distinct lists of steps
 *    "irreversible":[{"revision","reason","shards":24},...],
 *    "windows":[{"days":127,"from_minute","to_minute","zone","cutoff_ms"},...],
 *    "gates":[{"name","kind","when":["after"],"text","success","failure","limit","waiting_max",
 *              "interval_ms","attempts","timeout_ms"},...]}
 *   and with `with_shards`
 *    "shard_list":[{"index":0,"wave":1,"name","uuid","host","cluster","agent","rows_before":[...],
 *      "steps":[...],"rows_after":[...],"size_bytes","estimated_ms":N|null,"backup_bytes",
 *      "restore_from":PATH|null},...]
 * A number that is not known is null, or 0 where 0 is no answer.
 */
#pragma once

#include "json.h"
#include "plan.h"

/* `shards` are the header's, in plan order. */
void plan_view_write(const PlanHeader *header, const PlanShard *shards, const Digest *digest,
                     bool with_shards, JsonWriter *json);
/* The same, as fields of an object that the caller has begun. */
void plan_view_fields(const PlanHeader *header, const PlanShard *shards, const Digest *digest,
                      bool with_shards, JsonWriter *json);
/* Each writes one field, an array: "budgets" (without the worst cases when `shards` is NULL, and
 * with what is allowed in one group now when `limits` is not), "windows", "gates". */
void plan_view_budgets(const PlanHeader *header, const PlanShard *shards, const uint32_t *limits,
                       JsonWriter *json);
void plan_view_windows(const PlanHeader *header, JsonWriter *json);
void plan_view_gates(const PlanHeader *header, JsonWriter *json);
/* "lock_budget_ms": a number, or null for no limit. */
void plan_view_lock_budget(const Policy *policy, JsonWriter *json);
void plan_view_contract(const PlanHeader *header, JsonWriter *json); /* "contract" */
void plan_view_requires(const PlanHeader *header, JsonWriter *json); /* "requires" */
