/*
 * The simulator: both cores, the coordinator's and the agents', in a world made of one clock, one
 * queue of events and one seed. Network, journal, ledger and PostgreSQL are fakes that fail the way
 * the real ones do. Everything that happens follows from the seed.
 *
 * sim.c        clock, queue, random numbers, trace
 * sim_plan.c   what a seed is about: plan, policy, faults; the operator and the chaos
 * sim_net.c    messages that are lost, doubled and late
 * sim_db.c     shards: rows, fence, epoch, history, transactions, orphans
 * sim_coord.c  the coordinator: journal, sends, crash and replay
 * sim_agent.c  the agents: jobs, ledger, crash and a new boot
 * sim_check.c  the invariants, with the numbers they have in ARCHITECTURE.md
 */
#pragma once

#include "job.h"
#include "rollout.h"

enum {
    SIM_SHARDS_MAX = 24,
    SIM_AGENTS_MAX = 4,
    SIM_CLUSTERS_MAX = 8,
    SIM_STEPS_MAX = 4,
    SIM_WAVES_MAX = 4,
    SIM_SESSIONS_MAX = 20000,
    SIM_HISTORY_MAX = 64,
    SIM_RECORDS_MAX = 40000,
    SIM_SETTLE_MS = 60 * 60 * 1000, /* after the heal, a rollout has this long to end */
};

/* Defects of our own making in the fakes, to see that the checks find them. */
typedef enum SimPlant {
    PLANT_NONE,
    PLANT_SEND_BEFORE_PERSIST, /* the coordinator takes a record for durable when it is asked for */
    PLANT_BLIND_RETRY,         /* a step is repeated without reading; the shard compares nothing */
    PLANT_FENCE_IGNORED,       /* a step does not compare the fence */
    PLANT_STOP_IGNORED,        /* an agent does not listen to STOP */
    PLANT_BUDGET_IGNORED,      /* the coordinator believes in a larger budget */
    PLANT_DEADLINE_IGNORED,    /* ... or knows no progress deadline */
    PLANT_CAPS_IGNORED,        /* ... or no caps on labels */
    PLANT_SCOPES_IGNORED,      /* ... or knows no budgets of hosts and labels */
    PLANT_EPOCH_IGNORED,       /* agents and shards take orders of an older coordinator */
    PLANT_EARLY_SUCCESS,       /* a step is reported before its commit */
    PLANT_HALF_REPLAY,         /* after a crash the journal's last record is not read */
    PLANT_COUNT
} SimPlant;

typedef struct SimOptions {
    uint32_t agents;
    uint32_t clusters; /* per agent */
    uint32_t shards;
    uint32_t waves;
    bool backups;
    uint32_t poisoned_percent;      /* shards with a step that fails */
    uint32_t back_poisoned_percent; /* ... with a step that can't be taken back */
    uint32_t lock_percent;          /* claims and steps that meet a lock */
    uint32_t drop_percent;
    uint32_t double_percent;
    uint32_t delay_ms;
    uint32_t ack_lost_percent; /* commits whose answer is lost */
    bool partitions;
    bool coordinator_crashes;
    bool agent_crashes;
    bool server_restarts;
    bool cuts; /* single sessions */
    bool commands;
    uint32_t journal_ms;
    uint32_t statement_ms;
    uint32_t chaos_ms; /* how long it lasts */
} SimOptions;

/* --- messages --------------------------------------------------------------------------------- */

typedef enum SimMessageKind {
    MESSAGE_BEAT,
    MESSAGE_RUN,
    MESSAGE_STOP,
    MESSAGE_REPORT
} SimMessageKind;

typedef struct SimOrder {
    uint32_t index;
    uint32_t generation;
    Direction direction;
    uint32_t attempt;
} SimOrder;

typedef struct SimMessage {
    SimMessageKind kind;
    bool to_coordinator;
    uint32_t agent;
    uint64_t boot;     /* the agent's, as the sender knows it */
    uint64_t epoch;    /* of the coordinator that sent it */
    uint64_t sequence; /* rises per sender's life and link */
    SimOrder *orders;
    size_t order_count;
    JobReport *report;
} SimMessage;

/* --- queue ------------------------------------------------------------------------------------ */

typedef struct Sim Sim;

typedef struct SimArgs {
    uint32_t a; /* agent, cluster, session... */
    uint32_t b;
    uint64_t token; /* of the life it belongs to */
    void *data;
} SimArgs;

typedef void SimAction(Sim *sim, const SimArgs *args);

typedef struct SimItem {
    uint64_t at_ms;
    uint64_t sequence;
    SimAction *action;
    SimArgs args;
} SimItem;

/* --- shards ----------------------------------------------------------------------------------- */

typedef enum SimTransaction { TRANSACTION_NONE, TRANSACTION_SENT, TRANSACTION_OPEN } SimTransaction;

typedef struct SimSession {
    uint32_t shard;
    uint32_t agent;
    uint64_t boot;
    bool client;  /* somebody listens */
    bool backend; /* the server works on it */
    uint64_t fence;
    uint64_t epoch;
    SimTransaction transaction;
    bool commit_sent;
    uint64_t ask; /* the client's question */
    uint32_t generation;
    uint32_t attempt;
    JobStepEffect step;
} SimSession;

typedef struct SimHistory {
    uint32_t generation;
    uint32_t number;
    Direction direction;
    uint32_t edge; /* plan step */
    bool back;     /* the inverse of it */
    uint64_t started_unix_ms;
} SimHistory;

typedef struct SimShard {
    uint32_t cluster;
    uint32_t level; /* forward steps applied */
    uint64_t fence;
    uint64_t epoch;
    SimHistory history[SIM_HISTORY_MAX];
    uint32_t history_count;
    uint32_t locked_by;   /* session + 1; 0 = nobody */
    uint32_t poison;      /* forward step that fails, + 1 */
    uint32_t back_poison; /* step that can't be taken back, + 1 */
    bool backup;
    uint32_t double_applies;
} SimShard;

/* --- agents ----------------------------------------------------------------------------------- */

typedef struct SimSlot {
    Job *job;
    uint64_t serial;  /* of the job, over the whole run */
    bool restored;    /* a backup was read back in full beside the shard, in this session */
    uint32_t session; /* + 1; 0 = none */
    uint64_t ask;     /* the question that may be answered; 0 = none */
    uint64_t timer;   /* token */
    bool has_next;    /* an order that waits for the job in hand to end */
    bool next_stop;
    SimOrder next;
    bool stop_told; /* STOP has reached this agent since the order was given */
} SimSlot;

typedef struct SimAgent {
    bool up;
    uint64_t boot;
    uint64_t epoch; /* highest seen; in its ledger */
    uint64_t sent;
    uint64_t received;
    uint64_t heard_ms;
    SimSlot slots[SIM_SHARDS_MAX];
    bool ledger_open[SIM_SHARDS_MAX];
    bool ledger_backup[SIM_SHARDS_MAX];
    bool cut_in;  /* nothing arrives */
    bool cut_out; /* nothing leaves */
    /* What the coordinator knows of it. */
    bool known_up;
    uint64_t known_boot;
    uint64_t known_ms;
    uint64_t known_sequence;
    uint64_t command_sequence;
} SimAgent;

/* --- the whole -------------------------------------------------------------------------------- */

struct Sim {
    uint64_t seed;
    SimPlant plant;
    bool verbose;
    SimOptions options;
    Arena *arena;
    uint64_t random[4];
    uint64_t now_ms;
    uint64_t sequence;
    uint64_t tokens;
    SimItem *heap;
    size_t heap_count;
    size_t heap_capacity;
    uint64_t trace_hash;
    uint64_t event_count;
    bool healed;
    bool failed;
    char failure[512];

    PlanHeader header;
    PlanHeader believed; /* what the coordinator is given */
    WavePlan waves[SIM_WAVES_MAX];
    ScopeBudget budgets[2];
    GatePlan gates[2];
    PlanShard plan[SIM_SHARDS_MAX];
    JobStep steps[SIM_SHARDS_MAX][SIM_STEPS_MAX];
    SimShard shards[SIM_SHARDS_MAX];
    bool server_up[SIM_CLUSTERS_MAX];
    SimSession *sessions;
    uint32_t session_count;
    SimAgent agents[SIM_AGENTS_MAX];

    Rollout *rollout; /* NULL: the coordinator is down */
    uint64_t life;
    uint64_t epoch;
    uint64_t timer;
    RolloutRecord *journal;
    uint32_t journal_count;   /* asked for */
    uint32_t journal_durable; /* survive a crash */
    bool flushing;
    bool recovering;
    bool braked; /* the fleet's brake, which outlives the coordinator */
    RolloutWindow window;
    uint64_t still_since_ms; /* nothing was heard or decided since, and nothing held it */
    uint32_t stop_in_flight; /* forward, as the step began that decided to stop */
    uint64_t step_count;
};

/* sim.c */
uint64_t sim_random(Sim *sim, uint64_t below); /* 0 when below is 0 */
bool sim_chance(Sim *sim, uint32_t percent);
void sim_later(Sim *sim, uint64_t delay_ms, SimAction *action, SimArgs args);
void sim_trace(Sim *sim, const char *fmt, ...) PRINTF_LIKE(2, 3);
void sim_fail(Sim *sim, const char *fmt, ...) PRINTF_LIKE(2, 3);
void sim_run(Sim *sim);
#define SIM_CHECK(sim, number, expr, ...)                                                          \
    do {                                                                                           \
        if (!(expr))                                                                               \
            sim_fail((sim), #number ": " __VA_ARGS__);                                             \
    } while (0)

/* sim_plan.c */
void sim_make_options(Sim *sim);
void sim_print_options(const Sim *sim);
void sim_make_plan(Sim *sim);
void sim_start_chaos(Sim *sim);

/* sim_net.c */
void sim_send(Sim *sim, const SimMessage *message);

/* sim_db.c */
uint32_t sim_db_connect(Sim *sim, uint32_t shard, uint32_t agent, uint64_t ask);
void sim_db_claim(Sim *sim, uint32_t session, uint64_t ask, uint64_t epoch);
void sim_db_step(Sim *sim, uint32_t session, uint64_t ask, const JobSpec *spec,
                 const JobStepEffect *step);
void sim_db_close(Sim *sim, uint32_t session); /* the client is gone */
void sim_db_cut(Sim *sim, uint32_t session);   /* the connection is; both sides live */
void sim_db_restart(Sim *sim, uint32_t cluster, uint64_t down_ms);
/* Steps of the shard's plan; a restore is one. */
uint32_t sim_step_count(const Sim *sim, uint32_t shard);
const char *sim_db_rows(const Sim *sim, uint32_t shard);

/* sim_coord.c */
void sim_coord_start(Sim *sim);
void sim_coord_crash(Sim *sim);
void sim_coord_receive(Sim *sim, const SimMessage *message);
void sim_coord_command(Sim *sim, RolloutEventKind kind);
void sim_coord_brake(Sim *sim, bool braked);
void sim_coord_window(Sim *sim, RolloutWindow window);
void sim_coord_beat(Sim *sim, const SimArgs *args);
bool sim_coord_is_over(const Sim *sim);

/* sim_agent.c */
void sim_agent_start(Sim *sim, uint32_t agent);
void sim_agent_crash(Sim *sim, uint32_t agent);
void sim_agent_receive(Sim *sim, uint32_t agent, const SimMessage *message);
/* The shard's answer to a question; dropped when nobody waits for it. */
void sim_agent_answer(Sim *sim, uint32_t agent, uint64_t boot, uint32_t shard, uint64_t ask,
                      const JobEvent *event);
void sim_agent_lost(Sim *sim, uint32_t agent, uint64_t boot, uint32_t shard, uint32_t session);
bool sim_agent_is_idle(const Sim *sim, uint32_t agent);

/* sim_check.c */
void sim_check_send_run(Sim *sim, uint32_t index, const RolloutShardView *view);
void sim_check_record(Sim *sim, const RolloutRecord *record, uint32_t in_flight_forward);
void sim_check_view(Sim *sim);
void sim_check_replay(Sim *sim);
void sim_check_claim(Sim *sim, uint32_t shard, uint64_t fence, uint64_t epoch);
void sim_check_step_start(Sim *sim, uint32_t agent, uint32_t index, const JobSpec *spec);
void sim_check_commit(Sim *sim, const SimSession *session);
void sim_check_end(Sim *sim);
