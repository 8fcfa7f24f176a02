/*
 * Stands in the coordinator's place, with its keys, and says to one agent what a thief or a network
 * could: pgtide_fake_coordinator ENDPOINT TRUST COORDINATOR.key OTHER.key AGENT.pub
 *
 * Prints a line for each, "NAME CODE own|none": the code of the agent's refusal, and whether the
 * refusal names the command (a sequence is read only once the signature holds). The last one is in
 * order and must be obeyed. Exit status 0 when everything was answered.
 */
#include "clock.h"
#include "digest.h"
#include "envelope.h"
#include "message_codec.h"
#include "trust.h"
#include "zap.h"
#include "zsock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum { PATIENCE_MS = 30000, TTL_MS = 60000 };

typedef struct Fake {
    uv_loop_t loop;
    uv_timer_t patience;
    ZSock *sock;
    Zap *zap;
    Arena *arena; /* of one command */
    Arena *input;
    Trust *trust;
    SecretKey *key;
    SecretKey *other;
    PublicKeyInfo agent;
    ZRoute route;
    Report heard; /* the last one */
    bool begun;
    size_t at;
    uint64_t sequence;

    int status;
} Fake;

typedef struct Case {
    const char *name;
    void (*spoil)(Fake *fake, Command *command); /* before it is signed; may be NULL */
    bool unsigned_, other_key, other_type, flip, replay;
} Case;

static void for_another_agent(Fake *fake, Command *command)
{
    (void)fake;
    command->agent = "somebody-else";
}

static void for_another_fleet(Fake *fake, Command *command)
{
    (void)fake;
    command->fleet_id.bytes[0] ^= 1;
}

static void for_another_life(Fake *fake, Command *command)
{
    (void)fake;
    command->agent_boot.bytes[15] ^= 1;
}

static void of_an_older_epoch(Fake *fake, Command *command)
{
    command->epoch = fake->heard.epoch - 1;
}

static void too_late(Fake *fake, Command *command)
{
    (void)fake;
    command->not_after_uptime_ms = 1;
}

static void of_an_older_sequence(Fake *fake, Command *command)
{
    (void)fake;
    command->sequence = 1;
}

static void by_another_clock(Fake *fake, Command *command)
{
    (void)fake;
    command->kind = COMMAND_RUN;
    command->run = (RunShards){.rollout_id = uuid_random()};
    memset(command->run.plan_digest.bytes, 7, sizeof command->run.plan_digest.bytes);
    command->run.dossier_digest = command->run.plan_digest;
    command->run.bundle_digest = command->run.plan_digest;
    command->run.bundle_blob_digest = command->run.plan_digest;
    static ShardOrder order;
    order = (ShardOrder){.plan_shard = {(const uint8_t *)"x", 1},
                         .generation = 1,
                         .direction = DIRECTION_UPGRADE,
                         .attempt = 1};
    command->run.orders = &order;
    command->run.order_count = 1;
    command->sent_unix_ms -= UINT64_C(3600000);
}

static void last_one(Fake *fake, Command *command)
{
    command->kind = COMMAND_WELCOME; /* answered with an inventory */
    command->agent_boot = (BootNonce){0};
    command->welcome = (Welcome){fake->heard.agent_boot, 1000, 10000};
}

static const Case cases[] = {
    {.name = "unsigned", .unsigned_ = true},
    {.name = "wrong-key", .other_key = true},
    {.name = "wrong-type", .other_type = true},
    {.name = "flipped", .flip = true},
    {.name = "other-agent", .spoil = for_another_agent},
    {.name = "other-fleet", .spoil = for_another_fleet},
    {.name = "old-boot", .spoil = for_another_life},
    {.name = "old-epoch", .spoil = of_an_older_epoch},
    {.name = "expired", .spoil = too_late},
    {.name = "replayed", .replay = true},
    {.name = "old-sequence", .spoil = of_an_older_sequence},
    {.name = "skewed-run", .spoil = by_another_clock},
    {.name = "in-order", .spoil = last_one},
};
/* Above all that the true coordinator, whose keys and epoch these are, has sent before it ended. */
enum { FIRST_SEQUENCE = 1000000 };
enum { CASES = sizeof cases / sizeof cases[0] };

static void give_up(const char *what, const Error *err)
{
    fprintf(stderr, "pgtide_fake_coordinator: %s: %s\n", what, err->message);
    exit(1);
}

static void sign(Fake *fake, const Command *command, const Case *c, uint8_t **ret_bytes,
                 size_t *ret_length)
{
    Error err;
    uint8_t *payload;
    size_t length;
    const SecretKey *key = c != NULL && c->other_key ? fake->other : fake->key;
    MessageType type = c != NULL && c->other_type ? MESSAGE_RESPONSE : MESSAGE_COMMAND;
    if (command_encode(fake->arena, command, &payload, &length, &err) != ERR_OK ||
        envelope_sign(fake->arena, type, payload, length, &key, c != NULL && c->unsigned_ ? 0 : 1,
                      ret_bytes, ret_length, &err) != ERR_OK)
        give_up("sign", &err);
    if (c == NULL || !c->flip)
        return;
    uint8_t *agent = memmem(*ret_bytes, *ret_length, command->agent, strlen(command->agent));
    if (agent != NULL)
        *agent ^= 1;
}

static Command fresh(Fake *fake)
{
    return (Command){.fleet_id = *trust_fleet_id(fake->trust),
                     .agent = fake->agent.name,
                     .agent_boot = fake->heard.agent_boot,
                     .epoch = fake->heard.epoch,
                     .sequence = ++fake->sequence,
                     .not_after_uptime_ms = fake->heard.uptime_ms + TTL_MS,
                     .sent_unix_ms = clock_unix_ms(),
                     .kind = COMMAND_HEARTBEAT};
}

static void say(Fake *fake, const uint8_t *bytes, size_t length)
{
    Error err;
    if (zsock_send(fake->sock, &fake->route, bytes, length, &err) != ERR_OK)
        give_up("send", &err);
}

static void say_next(Fake *fake)
{
    const Case *c = &cases[fake->at];
    uint8_t *bytes;
    size_t length;
    arena_reset(fake->arena);
    Command command = fresh(fake);
    if (c->spoil != NULL)
        c->spoil(fake, &command);
    sign(fake, &command, c, &bytes, &length);
    say(fake, bytes, length);
    if (c->replay) /* the first of the two is in order */
        say(fake, bytes, length);
}

static void end(Fake *fake, int status)
{
    fake->status = status;
    uv_stop(&fake->loop);
}

static void on_refusal(Fake *fake, const Refusal *refusal)
{
    if (fake->at == CASES - 1) {
        printf("%s %s\n", cases[fake->at].name, refusal->code);
        end(fake, 1);
        return;
    }
    printf("%s %s %s\n", cases[fake->at].name, refusal->code,
           refusal->sequence == 0 ? "none" : "own");
    fake->at++;
    say_next(fake);
}

static const uint8_t *lookup(void *context, const char *keyid)
{
    const Fake *fake = context;
    return strcmp(fake->agent.keyid, keyid) == 0 ? fake->agent.ed25519 : NULL;
}

static void on_message(void *context, const ZMessage *message)
{
    Fake *fake = context;
    const uint8_t *payload;
    size_t length;
    Error err;
    arena_reset(fake->input);
    if (envelope_open(fake->input, message->bytes, message->length, MESSAGE_REPORT, lookup, fake,
                      &payload, &length, NULL, &err) != ERR_OK ||
        report_decode(fake->input, payload, length, &fake->heard, &err) != ERR_OK)
        give_up("report", &err);
    fake->route = message->route;
    if (!fake->begun) {
        fake->begun = true;
        fake->sequence = FIRST_SEQUENCE;
        say_next(fake);
    } else if (fake->heard.kind == REPORT_REFUSAL) {
        on_refusal(fake, &fake->heard.refusal);
    } else if (fake->heard.kind == REPORT_INVENTORY && fake->at == CASES - 1) {
        printf("in-order obeyed\n");
        end(fake, 0);
    } else if (fake->heard.kind == REPORT_JOBS || fake->heard.kind == REPORT_FETCH) {
        printf("%s believed\n", cases[fake->at].name);
        end(fake, 1);
    }
}

static void on_patience(uv_timer_t *timer)
{
    Fake *fake = timer->data;
    fprintf(stderr, "pgtide_fake_coordinator: no answer to %s\n",
            fake->begun ? cases[fake->at].name : "nothing");
    end(fake, 1);
}

static void open_fake(Fake *fake, char **argv, void *zmq)
{
    Error err;
    if (trust_load(argv[2], clock_unix_ms(), &fake->trust, &err) != ERR_OK ||
        key_load(argv[3], NULL, &fake->key, &err) != ERR_OK ||
        key_load(argv[4], NULL, &fake->other, &err) != ERR_OK ||
        public_key_load(argv[5], &fake->agent, &err) != ERR_OK ||
        zap_start(&fake->loop, zmq, "pgtide", &fake->zap, &err) != ERR_OK ||
        zap_allow(fake->zap, fake->agent.curve, "agent", &err) != ERR_OK)
        give_up("open", &err);
    ZRouterSettings router = {.loop = &fake->loop,
                              .zmq = zmq,
                              .endpoint = argv[1],
                              .zap_domain = "pgtide",
                              .secret = key_curve_secret(fake->key),
                              .message_bytes_max = LIMIT_REPORT_BYTES,
                              .on_message = on_message,
                              .context = fake};
    if (zsock_router_bind(&router, &fake->sock, &err) != ERR_OK)
        give_up("bind", &err);
}

static void close_fake(Fake *fake, void *zmq)
{
    uv_close((uv_handle_t *)&fake->patience, NULL);
    zsock_free(fake->sock);
    zap_free(fake->zap);
    uv_run(&fake->loop, UV_RUN_DEFAULT);
    uv_loop_close(&fake->loop);
    zmq_ctx_term(zmq);
    trust_free(fake->trust);
    key_free(fake->key);
    key_free(fake->other);
    arena_free(fake->arena);
    arena_free(fake->input);
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fprintf(stderr, "usage: %s ENDPOINT TRUST COORDINATOR.key OTHER.key AGENT.pub\n", argv[0]);
        return 2;
    }
    Fake fake = {.arena = arena_new(), .input = arena_new()};
    void *zmq = zmq_ctx_new();
    uv_loop_init(&fake.loop);
    open_fake(&fake, argv, zmq);
    uv_timer_init(&fake.loop, &fake.patience);
    fake.patience.data = &fake;
    uv_timer_start(&fake.patience, on_patience, PATIENCE_MS, 0);
    uv_run(&fake.loop, UV_RUN_DEFAULT);
    close_fake(&fake, zmq);
    return fake.status;
}
