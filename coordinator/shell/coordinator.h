/*
 * All that a coordinator knows and holds. Its state is the fold of the journal and of what agents
 * have said since; who may change what is in the modules' headers:
 *
 *   roster      which agents are admitted, and who is there
 *   inventory   what the agents have found
 *   backups     what they have put aside
 *   rollouts    plans, approvals, rollouts
 *   memory      which shard is where, as the fleet has known it
 *   quarantine  shards that no rollout touches
 *   requests    what operators asked for, once each
 *   relay       what operators asked of agents, under way
 *
 * loop.c owns the sockets and the turn; nothing here knows them: what goes out to agents goes
 * through `sink`.
 */
#pragma once

#include "backups.h"
#include "blob.h"
#include "inventory.h"
#include "journal.h"
#include "quarantine.h"
#include "record_codec.h"
#include "request_memory.h"
#include "rollouts.h"
#include "roster.h"
#include "settings.h"
#include "shard_memory.h"
#include "view.h"

/* Sends a command to an agent, if it is there. The sink fills in everything but kind and body. */
typedef struct CommandSink {
    void *context;
    void (*send)(void *context, const char *agent, Command *command);
} CommandSink;

/* A plan on its way to its author: its bundle is not in the plan's header. */
typedef struct MadePlan {
    Digest plan_blob;
    Digest bundle_blob;
} MadePlan;

enum { COORDINATOR_MADE_PLANS = 64 };

/* Where in the journal something signed is, for those who ask for evidence. */
typedef struct JournalPlace {
    char agent[KEY_NAME_SIZE]; /* whose admission; '' for a trust file */
    uint64_t seq;
} JournalPlace;

struct Coordinator {
    Settings settings;
    SecretKey *key;
    Trust *trust;
    Arena *arena;         /* owns trust_bytes */
    ByteSpan trust_bytes; /* its file */
    Digest trust_kept;    /* of the file that the journal has last */
    JournalPlace *places; /* of admissions and trust files, in order */
    size_t place_count;
    size_t place_capacity;
    Journal *journal;
    BlobStore *blobs;
    Roster *roster;
    FleetInventory *inventory;
    Backups *backups;
    ShardMemory *memory;
    Quarantine *quarantine;
    struct DriftBook *drift;
    Rollouts *rollouts;
    RequestMemory *requests;
    struct Relay *relay;
    struct Sinks *sinks;
    struct Gates *gates; /* NULL before the start */
    struct EvidenceShop *evidence;
    CommandSink sink;            /* send NULL: nowhere */
    void (*wake)(void *context); /* asks the loop for a turn; NULL: there is none */
    void *wake_context;
    MadePlan made[COORDINATOR_MADE_PLANS];
    size_t made_count;       /* ever */
    bool admissions_changed; /* the loop has to renew who may connect */
    bool braked;             /* by an operator: no rollout starts a job */
    char *brake_reason;      /* owned; "by NAME: REASON", NULL when it is off */
    bool higher_epoch_seen;  /* some agent has told of one; perhaps revoked since */

    /* Of this turn: nobody below the loop reads a clock. */
    uint64_t now_ms;
    uint64_t unix_ms;
    uint64_t started_unix_ms;
    uint64_t revision; /* rises with every change of a view */
};

/* Loads key and trust, opens journal and blobs below `settings->state_path` and folds the journal.
 * `epoch_min`: take over from a lost journal (0 = no). Copies the settings, borrows their texts. */
ErrCode coordinator_open(const Settings *settings, uint64_t epoch_min,
                         Coordinator **ret_coordinator, Error *err) MUST_CHECK;
/* Key and trust only, for --check. */
ErrCode coordinator_check(const Settings *settings, Error *err) MUST_CHECK;
/* The journal's writer thread, then what the fold left to do. */
ErrCode coordinator_start(Coordinator *coordinator, uv_loop_t *loop,
                          JournalOnPersisted on_persisted, void *context, Error *err) MUST_CHECK;
void coordinator_free(Coordinator *coordinator); /* NULL-safe */

/* Appends to the journal; the number of the record. Stops the process if it can't. */
uint64_t coordinator_append(Coordinator *coordinator, JournalKind kind, ByteSpan payload);
/* Remembers where an admission (of that agent) or a trust file ('') is. */
void coordinator_note_place(Coordinator *coordinator, const char *agent, uint64_t seq);
/* Journals where shards are and folds it, at most LIMIT_SHARDS_PER_RECORD a record. */
void coordinator_remember(Coordinator *coordinator, const ShardsKnown *known);
/* Journals what came of a task, for events: `ended` says whose it was, `done` and now the rest. A
 * read-only coordinator journals nothing. */
void coordinator_note_end(Coordinator *coordinator, const TaskEnded *ended, const TaskDone *done);
/* Keeps of an agent's new listing what is not known yet. */
void coordinator_learn(Coordinator *coordinator, const char *agent);
/* Something that a view shows has changed. */
void coordinator_changed(Coordinator *coordinator);
/* The fold of SHARD_QUARANTINED and FLEET_BRAKED. Rollouts at work are told by the caller. */
void coordinator_take_word(Coordinator *coordinator, const FleetWord *word);
/* The admitted agent that has served a coordinator of a higher epoch, or of ours before we said a
 * word to it, or NULL. While there is one,
 * this coordinator's journal is not the fleet's newest: it decides and sends nothing. */
const RosterAgent *coordinator_outranked_by(const Coordinator *coordinator);
/* While there is one, or the journal is a backup that nobody has taken over. */
bool coordinator_is_read_only(const Coordinator *coordinator);
/* Why, and from which epoch (`ret_epoch`) an operator would take over. Lives in `arena`. */
const char *coordinator_read_only_reason(const Coordinator *coordinator, Arena *arena,
                                         uint64_t *ret_epoch);
/* An agent's word about the highest epoch that it has served. */
void coordinator_note_epoch(Coordinator *coordinator, RosterAgent *agent, uint64_t epoch);
/* standing.c: the state that the fleet view gives a shard, and why. `ret_open` (may be NULL) gets
 * the rollout in progress that holds it, or NULL. */
ShardState coordinator_shard_state(const Coordinator *coordinator, const FleetShard *shard,
                                   const char **ret_message, const RolloutEntry **ret_open);
