#include "gate_look.h"

#include "named_limits.h"
#include "rollout_state.h"

#include <stdlib.h>
#include <string.h>

/* What one agent is asked for: shards[first .. first + count) of the look. */
typedef struct Party {
    size_t first;
    size_t count;
    size_t done;    /* shards of pages that are answered */
    size_t asked;   /* shards of the page that is under way; 0 = none */
    uint32_t pages; /* sent so far */
    bool there;
} Party;

struct GateLook {
    const Rollout *rollout;
    Arena *arena;
    bool expired;
    uint32_t *shards; /* by agent, in plan order */
    size_t count;
    Party *parties; /* by the rollout's number of the agent */
    uint32_t party_count;
    uint32_t answered; /* pages */
    GateVerdict verdict;
    const char *message;
};

/* Others are about servers. */
static bool is_of_shards(const Rollout *r, uint32_t gate)
{
    GateKind kind = r->header->gates[gate].kind;
    return kind == GATE_KIND_SQL || kind == GATE_KIND_COMPAT || kind == GATE_KIND_DRIFT;
}

static bool is_asked_about(const Rollout *r, const RolloutLookAtGate *asked, uint32_t index)
{
    const RolloutShard *shard = &r->shards[index];
    if (r->plan[index].wave != asked->wave || shard->skipped)
        return false;
    if (!is_of_shards(r, asked->gate))
        return true;
    return asked->when == GATE_BEFORE ? r->plan[index].steps.count > 0
                                      : shard->state == SHARD_CURRENT;
}

/* One shard for each server of an agent stands for it. */
static void keep_servers(const Rollout *r, GateLook *look)
{
    Names *servers = names_new();
    size_t kept = 0;
    for (size_t i = 0; i < look->count; i++) {
        const PlanShard *plan = &r->plan[look->shards[i]];
        uint32_t known = names_count(servers);
        if (names_add(servers, plan->agent, plan->cluster) == known)
            look->shards[kept++] = look->shards[i];
    }
    look->count = kept;
    names_free(servers);
}

/* By agent: a stable counting sort. */
static void make_parties(const Rollout *r, GateLook *look)
{
    look->party_count = names_count(r->agent_names);
    look->parties = ARENA_ARRAY(look->arena, Party, look->party_count + 1);
    for (size_t i = 0; i < look->count; i++)
        look->parties[r->shards[look->shards[i]].agent].count++;
    for (uint32_t i = 1; i < look->party_count; i++)
        look->parties[i].first = look->parties[i - 1].first + look->parties[i - 1].count;
    uint32_t *sorted = ARENA_ARRAY(look->arena, uint32_t, look->count + 1);
    size_t *at = ARENA_ARRAY(look->arena, size_t, look->party_count + 1);
    for (size_t i = 0; i < look->count; i++) {
        uint32_t agent = r->shards[look->shards[i]].agent;
        sorted[look->parties[agent].first + at[agent]++] = look->shards[i];
    }
    look->shards = sorted;
}

/* Nothing to look at: after a wave nobody can say that it is well. */
static void judge_empty(GateLook *look, const RolloutLookAtGate *asked)
{
    look->verdict = asked->when == GATE_AFTER ? GATE_INCONCLUSIVE : GATE_SUCCEEDED;
    look->message = asked->when == GATE_BEFORE ? "the wave has no shard with a step to do"
                                               : "no shard of the wave has been migrated";
}

GateLook *gate_look_new(const Rollout *r, const RolloutLookAtGate *asked)
{
    Arena *arena = arena_new();
    GateLook *look = ARENA_NEW(arena, GateLook);
    look->arena = arena;
    look->rollout = r;
    look->message = "";
    const RolloutWave *wave = &r->waves[asked->wave];
    look->shards = ARENA_ARRAY(arena, uint32_t, wave->count + 1);
    for (uint32_t i = wave->first; i < wave->first + wave->count; i++) {
        if (is_asked_about(r, asked, i))
            look->shards[look->count++] = i;
    }
    if (!is_of_shards(r, asked->gate))
        keep_servers(r, look);
    make_parties(r, look);
    if (look->count == 0)
        judge_empty(look, asked);
    return look;
}

size_t gate_look_count(const GateLook *look)
{
    return look->count;
}

uint32_t gate_look_shard(const GateLook *look, size_t index)
{
    return look->shards[index];
}

void gate_look_free(GateLook *look)
{
    if (look != NULL)
        arena_free(look->arena);
}

static size_t left_of(const Party *party)
{
    return party->count - party->done;
}

/* What was asked of one that goes may be lost, or its answer. */
void gate_look_agent(GateLook *look, uint32_t agent, bool there)
{
    if (agent >= look->party_count)
        return;
    look->parties[agent].there = there;
    if (!there)
        look->parties[agent].asked = 0;
}

bool gate_look_next(GateLook *look, GatePage *ret_page)
{
    for (uint32_t i = 0; i < look->party_count && look->verdict != GATE_FAILED; i++) {
        Party *party = &look->parties[i];
        if (left_of(party) == 0 || party->asked > 0 || !party->there)
            continue;
        party->asked = left_of(party) < LIMIT_SHARD_ORDERS_PER_COMMAND
                           ? left_of(party)
                           : LIMIT_SHARD_ORDERS_PER_COMMAND;
        *ret_page = (GatePage){.agent = i,
                               .page = party->pages++,
                               .shards = &look->shards[party->first + party->done],
                               .count = party->asked};
        return true;
    }
    return false;
}

void gate_look_cut(GateLook *look, uint32_t agent, size_t count)
{
    Party *party = &look->parties[agent];
    if (count > 0 && count < party->asked)
        party->asked = count;
}

static void note(GateLook *look, GateVerdict verdict, const char *message)
{
    if (!gate_verdict_is_worse(verdict, look->verdict))
        return;
    look->verdict = verdict;
    look->message = arena_strdup(look->arena, message);
}

void gate_look_answer(GateLook *look, uint32_t agent, uint32_t page, GateVerdict verdict,
                      const char *message)
{
    Party *party = agent < look->party_count ? &look->parties[agent] : NULL;
    if (party == NULL || party->asked == 0 || page + 1 != party->pages)
        return;
    party->done += party->asked;
    party->asked = 0;
    look->answered++;
    note(look, verdict, message);
}

void gate_look_expire(GateLook *look)
{
    for (uint32_t i = 0; i < look->party_count; i++) {
        const Party *party = &look->parties[i];
        if (left_of(party) == 0)
            continue;
        const char *name = names_first(look->rollout->agent_names, i);
        note(look, GATE_ERROR,
             arena_printf(look->arena,
                          party->there ? "agent %s did not answer in time"
                                       : "agent %s is not connected",
                          name));
    }
    look->expired = true;
}

bool gate_look_is_over(const GateLook *look)
{
    if (look->verdict == GATE_FAILED || look->expired)
        return true;
    for (uint32_t i = 0; i < look->party_count; i++) {
        if (left_of(&look->parties[i]) > 0)
            return false;
    }
    return true;
}

GateVerdict gate_look_verdict(const GateLook *look)
{
    return look->verdict;
}

const char *gate_look_message(const GateLook *look)
{
    if (look->verdict == GATE_SUCCEEDED && look->answered > 1)
        return arena_printf(look->arena, "%u answers, first %s", look->answered, look->message);
    return look->message;
}
