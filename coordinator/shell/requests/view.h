/*
 * What the coordinator shows, as JSON: the `result` object of every answer. This is the only place
 * where its state becomes text, for the command line and for the page alike.
 *
 * Times are RFC 3339 or null, digests "sha256:<hex>", ids texts, percent and counts numbers. Every
 * key named here is always there; "|null" marks what may be null. COUNTS is
 *   {"total":24,"new":0,"current":24,"pending":0,"running":0,"failed":0,"unknown":0,"diverged":0,
 *    "rollback-failed":0,"quarantined":0,"unreachable":0}: every shard in exactly one.
 *
 * VIEW_KIND_FLEET
 *   {"fleet":UUID, "time":TIME,
 *    "coordinator":{"name","keyid","version","epoch":1,"started":TIME,"read_only":false,
 *                   "read_only_reason":TEXT|null},
 *    "agents":{"admitted":3,"connected":3,"revoked":0}, "hosts":3, "clusters":3, "shards":COUNTS,
 *    "standbys":0, "stale":0,                          copies on standbys; listed too long ago
 *    "rows":[{"rows":["008_add_user_title"],"shards":24},...],      most shards first, at most 50
 *    "sinks":[{"name","kind":"webhook|command","position":12,"failing_since":TIME|null,
 *      "attempts":0,"message":TEXT,"dead":0},...],       all events up to position are done with
 *    "rollouts":[SUMMARY,...]}                                      those that are not over
 *
 * VIEW_KIND_HOSTS
 *   {"hosts":[{"name","agents":[NAME,...],"connected":true,"clusters":1,"shards":COUNTS,
 *     "stale":0,"listed":TIME|null},...]}                the newest listing of its agents
 *
 * VIEW_KIND_CLUSTERS
 *   {"clusters":[{"name","host","agent","system_identifier":TEXT,"server_version":150020,
 *     "pg_dump_version":150020,"reachable":true,"role":"primary|standby"|null,"timeline":1,
 *     "pooled":false,"message":TEXT,"labels":{KEY:VALUE,...},"shards":COUNTS,
 *     "listed":TIME,"age_ms":0,"stale":false},...]}
 *   COUNTS of a standby are of its copies; everywhere else copies are not counted.
 *
 * VIEW_KIND_SHARDS (`select` filters)
 *   {"shards":[{"name":"cluster/database[/schema]","uuid","host","cluster","database","schema",
 *     "agent","labels":{...},"rows":[...],"adopted":true,"state":WORD,"message":TEXT,
 *     "size_bytes":0,"server_version":150020,"role":"primary|standby",
 *     "identity":{"system_identifier":TEXT,"database_oid":5,"schema_oid":0,"matches":true,
 *       "foreign":false,"row_system_identifier":TEXT,"row_database_oid":5,"row_schema_oid":0,
 *       "row_fleet":UUID|null,"former":NAME|null,"former_schema":NAME|null,
 *       "former_uuid":UUID|null},"fault":WORD|null,
 *     "left_out":WORD|null,"rollout":NAME|null,"seen":TIME|null,"age_ms":0,"stale":false},...],
 *    "missing":[{"name","uuid","reason":"gone|unlisted"},...],       known, and not listed
 *    "total":24}                                                    of the fleet, unfiltered
 *   `rollout` is the open one that holds the shard. `message` says why when the state is not a
 *   healthy one. `seen` is when its agent has read it, `age_ms` how long ago it was listed;
 *   `stale` when that is longer than `inventory-limit`. `left_out` is why no plan would have it:
 *   quarantined, identity, standby, pooled, unreachable, stale.
 *
 * VIEW_KIND_AGENTS
 *   {"agents":[{"name","keyid","host":TEXT|null,"version":TEXT|null,"connected":true,
 *     "last_seen":TIME|null,"uptime_ms":0,"epoch":1,"jobs_running":0,"clusters":1,"shards":8,
 *     "listed":TIME|null,"stale":false,"revoked":false,"reason":TEXT,"admitted":TIME,"admitted_by":NAME},...]}
 *
 * SUMMARY
 *   {"id":UUID,"name","state":WORD,"reason":TEXT,"who":TEXT,"stopping":false,"terminal":false,
 *    "vetoed":false,"plan_digest","plan_blob_digest","bundle":NAME,"bundle_digest",
 *    "direction":"upgrade","target","rollback_of":UUID|null,"author":NAME,"author_keyid",
 *    "created":TIME,"expires":TIME,"started":TIME|null,"finished":TIME|null,
 *    "approvals":{"needed":1,"given":1,"rejected":0},
 *    "wave":2,"wave_count":3,                                           opened last (0: none), of
 *    "progress":{"total":24,"done":6,"running":4,"waiting":14,"failed":0,"unknown":0,
 *                "rolled_back":0,"failures":0,"budget":1}}
 *   done + running + waiting + failed + unknown + rolled_back = total; `failures` is what counts
 *   against `budget`. `who` is the operator behind the state, '' = the rollout itself.
 *
 * VIEW_KIND_BACKUPS (`select` and `shard` filter)
 *   {"backups":[{"id","shard":NAME,"uuid","agent":NAME,"rollout_id","rollout":NAME|null,
 *      "method":WORD,"command":NAME|null,"command_id":TEXT|null,"path","sha256","size_bytes":1,
 *      "database_bytes":1,"rows":[...],"encrypted":false,"duration_ms":1,"restore_test_ms":0,
 *      "started":TIME,"finished":TIME,"state":"verified|unverified|damaged","verified":TIME|null,
 *      "checked":TIME|null,"damage":TEXT|null,"kept":TEXT|null},...],   null: it may go
 *    "agents":[{"agent":NAME,"connected":true,"listings":1},...]}
 *   `listings` rises with each listing of an agent.
 *
 * VIEW_KIND_ROLLOUTS
 *   {"rollouts":[SUMMARY,...]}                                      newest first
 *
 * VIEW_KIND_ROLLOUT: the SUMMARY's keys, and
 *    "policy":{"concurrency":{"fleet","host","cluster","database"},"budget_fleet":1,
 *      "on_shard_failure":"stay|rollback","on_failure":"pause|rollback-wave|rollback-rollout",
 *      "backup":{"method":"none|dump|directory|command","compress":1,"verify":true,"keep":3,
 *        "command":NAME|null,"jobs":2,"encrypt":false,"restore_test":false},
 *      "lock_timeout_ms":500,"lock_attempts":30,"lock_budget_ms":1000|null,"statement_timeout_ms":0,"approvals":1,
 *      "rollback_until_ms":86400000},
 *    "gates":[{"name","kind":"sql|lag|load|prometheus|command|person","when":["after"],
 *      "waits":false,"looking":false,"verdict":"succeeded|failed|inconclusive|error"|null,
 *      "message":TEXT,"looked":TIME|null,"wave":1,"errors_in_a_row":0,
 *      "looks":{"succeeded":2,"failed":0,"inconclusive":0,"error":0}},...],   since the start
 *    "worst_case":5,                                                budget and jobs in flight
 *    "waves":[{"number":1,"name":"canary","state":"waiting|open|baking|done","shards":1,
 *      "bake_ms":0,"bake_left_ms":0,"budget":0,"failures":0,"rolled_back":0,"in_flight":0,
 *      "done":1,"counts":COUNTS},...],
 *    "activities":[{"shard":NAME,"revision":TEXT, and the keys of ACTIVITY},...],   at most 20
 *    "activities_untold":0,
 *    "approval_list":[{"operator":NAME,"keyid","verdict":"approved|rejected","created":TIME,
 *      "expires":TIME,"reason":TEXT,"flaw":TEXT|null},...],       why it does not count now
 *    "log":[{"time":TIME,"who":NAME,"what":TEXT,"reason":TEXT},...],  '' = the rollout itself
 *    "log_untold":0,"same_name":0                                   others with this name
 *   and with `with_shards`
 *    "newcomers":0,"newcomer_names":[NAME,...],     selected shards that came after the plan
 *    "shards":[{"index":0,"name","uuid","host","cluster","agent","wave":1,"state":WORD,
 *      "phase":WORD|null,"direction":WORD|null,"generation":1,"attempt":1,"in_flight":false,
 *      "rolled_back":false,"overdue":false,"steps_done":8,"steps_total":8,"revision":TEXT,
 *      "outcome":WORD|null,"rows":[...],"rows_before":[...],"rows_after":[...],"code":TEXT,
 *      "sqlstate":TEXT,"message":TEXT,"duration_ms":12,"activity":ACTIVITY|null,
 *      "longest":{"revision","line":7,"what","duration_ms","lock_wait_ms","wal_bytes","rows",
 *        "failed":false}|null,
 *      "backup":{"path","sha256","size_bytes","duration_ms","method":WORD,"encrypted":false,
 *        "verified":true,"restore_test_ms":0}|null},...]
 *   ACTIVITY is {"kind":"lock-wait|build|backfill","text":TEXT,"what":TEXT,"unit":0,"unit_count":0,
 *      "done":0,"total":0,"percent":0,"rate_per_s":0,"eta_ms":0,"held_back":TEXT,
 *      "waiting_behind":0,"blocker":{"pid":1,"user","application","query_class","since_ms"}|null}
 *   `phase` is null while no job is at work, `rows` are as the agent last read them.
 *
 * VIEW_KIND_DRIFT (`select` filters)
 *   {"counts":{"drifted":1,"accepted":0,"expected":3,"unknown":0},
 *    "groups":[{"rows":[...],"scope":"database|schema","server_major":15,"shards":4,
 *      "expected":FINGERPRINT|null,"dump_blob_digest":TEXT|null,"expected_by":NAME|null,
 *      "expected_at":TIME|null,
 *      "classes":[{"verdict":"drifted|accepted|expected|unknown","fingerprint":FINGERPRINT|null,
 *        "why":TEXT,"shards":1,"names":[NAME,...],"accepted_by":NAME|null,
 *        "accepted_reason":TEXT|null,"accepted_at":TIME|null},...],      at most 5 names
 *      "classes_untold":0},...],"groups_untold":0}
 *   `why` is of unknown ones. Copies on standbys are not counted. With `shard`
 *   {"shard":{"name","uuid","cluster","database","schema","rows":[...],"scope","server_major",
 *     "verdict","why","fingerprint","seen":TIME|null, and the keys of expectation and acceptance}}
 *
 * VIEW_KIND_EVENTS (`since`, `types`, `rollout` filter)
 *   {"events":[EVENT,...],"next":12,"more":false}                  EVENT: view_events.h
 *   `next` is the number to ask on from; with `more` there are records after it already. Its
 *   `Response.revision` is the number of the newest durable record: one who has seen up to there
 *   waits with `seen_revision` = `next`. With `dead`
 *   {"dead":[{"sink":NAME,"attempts":20,"died":TIME,"wanted":false,"message":TEXT,
 *     "event":EVENT|null},...],"next":100,"more":false}            wanted: to be tried again
 *
 * VIEW_KIND_SHARD (`shard`)
 *   {"shard":{as in SHARDS},"reason":TEXT,            why no plan would have it; '' = nothing
 *    "rollouts":[{"rollout":NAME,"id":UUID,"rollout_state":WORD,"rollout_reason":TEXT,
 *      "started":TIME|null,"finished":TIME|null,"bundle":NAME,"target":TEXT,"in_it":true,
 *      "left_out":TEXT,"shard":{as in ROLLOUT}|null},...]}   newest first, at most 20
 *   One that is known and that no agent lists: `agent` is '', `rows` are empty, `reason` says so.
 *   Of a rollout without the shard `left_out` says why, '' = it was not selected, or had nothing to
 *   do.
 *
 * Answers to other requests
 *   RETRY_SINK       {"sink":NAME,"again":3}
 *   ADMIT            {"agent":NAME,"keyid","revoked":false}
 *   BLOB_PUT         {"offset":262144,"complete":false}     what has arrived; an empty piece asks
 *   BLOB_GET         {"offset":0,"length":262144}           Response.bytes and .total
 *   MAKE_PLAN, MAKE_ROLLBACK, MAKE_RESTORE
 *     {"plan_blob_digest","bundle_blob_digest", and the keys of common/wire/plan_view.h}
 *   READ_RECORD      {engine/shard/shard_record.h}, when the agent has answered
 *   READ_SOURCE      {engine/shard/copy_facts.h, dump_bytes, dump}, likewise
 *   ADOPT            {"shard":NAME,"uuid":UUID,"agent":NAME}, when the agent has answered
 *   CONTROL_FLEET with FORGET   {"shards":[{"uuid","forgotten":true},...]}
 *   SUBMIT_PLAN, SUBMIT_APPROVAL, CONTROL
 *     SUMMARY
 *   MAKE_EVIDENCE
 *     {"ready":false,"records":2000,"of":9000,"state":WORD,"evidence_blob_digest":TEXT|null,
 *      "bytes":0}                                       of the journal, read so far; ask again
 *
 * `Response.revision` is a number that changes whenever what the view shows does; a request with
 * `seen_revision` equal to it waits up to `wait_ms`.
 */
#pragma once

#include "arena.h"
#include "inventory.h"
#include "json.h"
#include "select.h"

typedef struct Coordinator Coordinator;
typedef struct RolloutEntry RolloutEntry;

typedef enum ViewKind {
    VIEW_UNSPECIFIED,
    VIEW_FLEET,
    VIEW_HOSTS,
    VIEW_SHARDS,
    VIEW_AGENTS,
    VIEW_ROLLOUTS,
    VIEW_ROLLOUT,
    VIEW_CLUSTERS,
    VIEW_BACKUPS,
    VIEW_EVENTS,
    VIEW_SHARD,
    VIEW_DRIFT,
    VIEW_KIND_COUNT
} ViewKind;

typedef struct ViewRequest {
    ViewKind kind;
    const char *rollout; /* name or id; kind ROLLOUT; kind EVENTS, '' = all */
    const char *select;  /* kinds SHARDS and BACKUPS; '' = all */
    const char *shard;   /* kind BACKUPS: a shard's name or uuid, or a backup's id; '' = all;
                            kind SHARD: which */
    const char *types;   /* kind EVENTS: patterns, separated by commas; '' = all */
    uint64_t since;      /* kind EVENTS: those after this number */
    bool dead;           /* kind EVENTS: those that sinks gave up; `since` counts them */
    bool with_shards;    /* kind ROLLOUT */
    uint64_t now_ms;
    uint64_t unix_ms;
} ViewRequest;

/* Appends the `result` object. ERR_NOT_FOUND: no such rollout. ERR_USAGE: a wrong selection. */
ErrCode view_render(const Coordinator *coordinator, const ViewRequest *request, Arena *arena,
                    Str *out, Error *err) MUST_CHECK;
/* The number for Response.revision. ERR_NOT_FOUND: no such rollout. */
ErrCode view_revision(const Coordinator *coordinator, const ViewRequest *request,
                      uint64_t *ret_revision, Error *err) MUST_CHECK;

/* view_backups.c. ERR_NOT_FOUND: the shard or backup that is named has none. */
ErrCode view_backups(const Coordinator *coordinator, const ViewRequest *request, Arena *arena,
                     JsonWriter *json, Error *err) MUST_CHECK;
/* A shard's name or uuid, or the backup's id. */
bool view_backup_is(const FleetBackup *backup, const char *name);
bool view_backup_matches(const Coordinator *coordinator, const FleetBackup *backup,
                         const Selection *selection);

/* view.c and view_rollout.c: an element of SHARDS, and of ROLLOUT's shards. */
void view_shard_listed(const Coordinator *coordinator, const FleetShard *shard, JsonWriter *json);
void view_rollout_shard(const RolloutEntry *entry, uint32_t index, Arena *arena, JsonWriter *json);
/* view_drift.c. ERR_USAGE: the selection; ERR_NOT_FOUND: no agent lists the shard. */
ErrCode view_drift(const Coordinator *coordinator, const ViewRequest *request, Arena *arena,
                   JsonWriter *json, Error *err) MUST_CHECK;
/* view_shard.c. ERR_NOT_FOUND: no agent lists such a shard, and none is remembered. */
ErrCode view_shard(const Coordinator *coordinator, const ViewRequest *request, Arena *arena,
                   JsonWriter *json, Error *err) MUST_CHECK;
/* A listed shard by its name as shown or its uuid. */
ErrCode view_find_shard(const Coordinator *coordinator, const char *name,
                        const FleetShard **ret_shard, Error *err) MUST_CHECK;

void view_rollout_summary(const Coordinator *coordinator, const RolloutEntry *entry,
                          JsonWriter *json);
/* view_rollout.c: the whole of kind ROLLOUT. */
void view_rollout(const Coordinator *coordinator, const RolloutEntry *entry,
                  const ViewRequest *request, JsonWriter *json);
