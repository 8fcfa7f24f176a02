/*
 * A ROUTER, its ZAP handler and DEALERs in one loop, over real TCP and CURVE.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "zap.h"
#include "zsock.h"

#include "arena.h"
#include "named_limits.h"
#include "str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum { GUARD_MS = 60000, MESSAGE_BYTES_MAX = 100000 };

typedef struct Pair {
    uint8_t public[32];
    uint8_t secret[32];
} Pair;

/* One end: what it has received, and how it answers. */
typedef struct End {
    struct World *world;
    ZSock *sock;
    size_t received;
    size_t reopened;
    unsigned last_attempt;
    Str last;
    char user[ZAP_USER_SIZE];
    ZRoute route;
    bool echo;         /* answers each message with the same bytes */
    size_t to_send;    /* sends one more for each received while this is above 0 */
    bool free_at_once; /* frees its socket in the callback */
    const char *hello; /* sent after each reopening */
} End;

typedef struct World {
    uv_loop_t loop;
    uv_timer_t guard;
    void *zmq;
    Zap *zap;
    Pair server_keys;
    End server;
    int open_ends;
    size_t refused;
    uint8_t refused_key[32];
} World;

static Pair new_pair(void)
{
    char public_text[41];
    char secret_text[41];
    Pair pair;
    assert_int_equal(zmq_curve_keypair(public_text, secret_text), 0);
    assert_non_null(zmq_z85_decode(pair.public, public_text));
    assert_non_null(zmq_z85_decode(pair.secret, secret_text));
    return pair;
}

static void on_guard(uv_timer_t *timer)
{
    (void)timer;
    fputs("what the test waits for did not happen\n", stderr);
    abort(); /* a failed assertion would leave the loop from inside */
}

static void on_refused(void *context, const uint8_t *key, const char *address)
{
    World *world = context;
    assert_true(address[0] != '\0');
    world->refused++;
    if (key != NULL)
        memcpy(world->refused_key, key, sizeof world->refused_key);
}

static void on_message(void *context, const ZMessage *message)
{
    End *end = context;
    end->received++;
    end->route = message->route;
    str_clear(&end->last);
    str_append_bytes(&end->last, message->bytes, message->length);
    snprintf(end->user, sizeof end->user, "%s", message->user_id);
    if (end->free_at_once) {
        zsock_free(end->sock);
        end->sock = NULL;
        return;
    }
    if (end->echo)
        assert_int_equal(
            zsock_send(end->sock, &message->route, message->bytes, message->length, NULL), ERR_OK);
    if (end->to_send > 0) {
        end->to_send--;
        assert_int_equal(zsock_send(end->sock, NULL, "more", 4, NULL), ERR_OK);
    }
}

static void on_reopen(void *context, unsigned attempt)
{
    End *end = context;
    end->reopened++;
    end->last_attempt = attempt;
    if (end->hello != NULL)
        assert_int_equal(zsock_send(end->sock, NULL, end->hello, strlen(end->hello), NULL), ERR_OK);
}

static void bind_server(World *world, const char *endpoint, const char *domain)
{
    ZRouterSettings settings = {
        .loop = &world->loop,
        .zmq = world->zmq,
        .endpoint = endpoint,
        .zap_domain = domain,
        .secret = world->server_keys.secret,
        .message_bytes_max = MESSAGE_BYTES_MAX,
        .on_message = on_message,
        .context = &world->server,
    };
    Error err = {0};
    if (zsock_router_bind(&settings, &world->server.sock, &err) != ERR_OK)
        fail_msg("%s", err.message);
}

static void connect_with(World *world, const Pair *keys, const uint8_t *server_public,
                         uint64_t silence_ms, End *end)
{
    end->world = world;
    ZDealerSettings settings = {
        .loop = &world->loop,
        .zmq = world->zmq,
        .endpoint = zsock_endpoint(world->server.sock),
        .server_public = server_public,
        .public = keys->public,
        .secret = keys->secret,
        .message_bytes_max = MESSAGE_BYTES_MAX,
        .silence_ms = silence_ms,
        .reopen_wait_ms_max = 50,
        .on_message = on_message,
        .on_reopen = on_reopen,
        .context = end,
    };
    assert_int_equal(zsock_dealer_connect(&settings, &end->sock, NULL), ERR_OK);
    world->open_ends++;
}

static void connect_end(World *world, const Pair *keys, End *end)
{
    connect_with(world, keys, world->server_keys.public, 0, end);
}

static int make_world(void **state)
{
    World *world = xcalloc(1, sizeof *world);
    uv_loop_init(&world->loop);
    uv_timer_init(&world->loop, &world->guard);
    uv_timer_start(&world->guard, on_guard, GUARD_MS, 0);
    world->zmq = zmq_ctx_new();
    world->server_keys = new_pair();
    world->server.world = world;
    world->server.echo = true;
    assert_int_equal(zap_start(&world->loop, world->zmq, "test", &world->zap, NULL), ERR_OK);
    zap_on_refused(world->zap, on_refused, world);
    bind_server(world, "tcp://127.0.0.1:*", "test");
    *state = world;
    return 0;
}

static int end_world(void **state)
{
    World *world = *state;
    if (world->open_ends > 0)
        return 0; /* the test failed; the context would wait for its sockets */
    zsock_free(world->server.sock);
    str_free(&world->server.last);
    zap_free(world->zap);
    uv_close((uv_handle_t *)&world->guard, NULL);
    uv_run(&world->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&world->loop), 0);
    zmq_ctx_term(world->zmq);
    free(world);
    return 0;
}

static void close_end(End *end)
{
    zsock_free(end->sock);
    str_free(&end->last);
    end->world->open_ends--;
}

#define RUN_UNTIL(world, condition)                                                                \
    while (!(condition))                                                                           \
    uv_run(&(world)->loop, UV_RUN_ONCE)

static void send_text(End *end, const char *text)
{
    assert_int_equal(zsock_send(end->sock, NULL, text, strlen(text), NULL), ERR_OK);
}

/* ---- admission ---- */

static void test_an_admitted_peer_is_known_by_its_key(void **state)
{
    World *world = *state;
    Pair keys = new_pair();
    assert_int_equal(zap_allow(world->zap, keys.public, "agent:a", NULL), ERR_OK);
    End client = {0};
    connect_end(world, &keys, &client);
    send_text(&client, "hello");
    RUN_UNTIL(world, client.received == 1);
    assert_string_equal(str_text(&world->server.last), "hello");
    assert_string_equal(world->server.user, "agent:a");
    assert_string_equal(str_text(&client.last), "hello");
    assert_string_equal(client.user, "");
    send_text(&client, "");
    RUN_UNTIL(world, client.received == 2);
    assert_int_equal(client.last.length, 0);
    assert_int_equal(world->refused, 0);
    close_end(&client);
}

static void test_an_unknown_key_waits_outside_until_admitted(void **state)
{
    World *world = *state;
    Pair keys = new_pair();
    End client = {.hello = "hello again"};
    connect_with(world, &keys, world->server_keys.public, 100, &client);
    send_text(&client, "let me in");
    /* Refused more than once: it comes back by itself, with growing attempts. */
    RUN_UNTIL(world, world->refused >= 2 && client.last_attempt >= 2);
    assert_memory_equal(world->refused_key, keys.public, 32);
    assert_int_equal(world->server.received, 0);
    assert_int_equal(client.received, 0);

    assert_int_equal(zap_allow(world->zap, keys.public, "agent:late", NULL), ERR_OK);
    RUN_UNTIL(world, client.received >= 1);
    assert_string_equal(world->server.user, "agent:late");
    assert_string_equal(str_text(&world->server.last), "hello again");
    close_end(&client);
}

static void test_a_removed_key_does_not_come_back(void **state)
{
    World *world = *state;
    Pair keys = new_pair();
    assert_int_equal(zap_allow(world->zap, keys.public, "agent:a", NULL), ERR_OK);
    End client = {0};
    connect_end(world, &keys, &client);
    send_text(&client, "1");
    RUN_UNTIL(world, client.received == 1);
    zap_clear(world->zap);
    send_text(&client, "2"); /* the connection stands: its owner must look */
    RUN_UNTIL(world, client.received == 2);
    assert_string_equal(world->server.user, "agent:a");
    assert_null(zap_user(world->zap, keys.public));
    zsock_reopen(client.sock);
    RUN_UNTIL(world, client.reopened == 1);
    send_text(&client, "3");
    RUN_UNTIL(world, world->refused >= 1);
    assert_int_equal(world->server.received, 2);
    close_end(&client);
}

static void test_another_domain_is_refused(void **state)
{
    World *world = *state;
    zsock_free(world->server.sock);
    bind_server(world, "tcp://127.0.0.1:*", "another");
    Pair keys = new_pair();
    assert_int_equal(zap_allow(world->zap, keys.public, "agent:a", NULL), ERR_OK);
    End client = {0};
    connect_end(world, &keys, &client);
    send_text(&client, "hello");
    RUN_UNTIL(world, world->refused == 1);
    assert_int_equal(world->server.received, 0);
    close_end(&client);
}

static void test_the_list(void **state)
{
    World *world = *state;
    Zap *zap = world->zap;
    Pair pairs[40];
    char user[32];
    for (int i = 0; i < 40; i++) {
        pairs[i] = new_pair();
        snprintf(user, sizeof user, "u%d", i);
        assert_int_equal(zap_allow(zap, pairs[i].public, user, NULL), ERR_OK);
    }
    assert_int_equal(zap_allow(zap, pairs[7].public, "seven", NULL), ERR_OK);
    for (int i = 0; i < 40; i++) {
        snprintf(user, sizeof user, i == 7 ? "seven" : "u%d", i);
        assert_string_equal(zap_user(zap, pairs[i].public), user);
    }
    char long_user[ZAP_USER_SIZE + 1];
    memset(long_user, 'a', sizeof long_user);
    long_user[ZAP_USER_SIZE] = '\0';
    assert_int_equal(zap_allow(zap, pairs[9].public, long_user, NULL), ERR_LIMIT);
    assert_int_equal(zap_allow(zap, pairs[9].public, "", NULL), ERR_LIMIT);
    zap_clear(zap);
    assert_null(zap_user(zap, pairs[1].public));
}

static void test_the_list_has_an_end(void **state)
{
    World *world = *state;
    uint8_t key[32] = {0};
    for (uint32_t i = 0; i < LIMIT_AGENTS + LIMIT_OPERATORS; i++) {
        memcpy(key, &i, sizeof i);
        assert_int_equal(zap_allow(world->zap, key, "u", NULL), ERR_OK);
    }
    key[31] = 1;
    assert_int_equal(zap_allow(world->zap, key, "u", NULL), ERR_LIMIT);
    key[31] = 0;
    assert_int_equal(zap_allow(world->zap, key, "known already", NULL), ERR_OK);
}

/* ---- strangers ---- */

/* Blocks until libzmq says that the socket's handshake failed. */
static void await_handshake_failure(void *monitor)
{
    zmq_msg_t event;
    zmq_msg_init(&event);
    assert_true(zmq_msg_recv(&event, monitor, 0) >= 0);
    zmq_msg_close(&event);
}

/* A socket of another program: no CURVE, or CURVE with a routing id of its own. */
static void *open_stranger(World *world, const Pair *keys, const char *routing_id)
{
    void *socket = zmq_socket(world->zmq, ZMQ_DEALER);
    int linger = 0;
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    if (routing_id != NULL)
        zmq_setsockopt(socket, ZMQ_ROUTING_ID, routing_id, strlen(routing_id));
    if (keys != NULL) {
        zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, world->server_keys.public, 32);
        zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, keys->public, 32);
        zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, keys->secret, 32);
    }
    return socket;
}

static void test_without_curve_nothing_gets_in(void **state)
{
    World *world = *state;
    void *stranger = open_stranger(world, NULL, NULL);
    int failures = ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                   ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
    assert_int_equal(zmq_socket_monitor(stranger, "inproc://monitor", failures), 0);
    void *monitor = zmq_socket(world->zmq, ZMQ_PAIR);
    assert_int_equal(zmq_connect(monitor, "inproc://monitor"), 0);
    assert_int_equal(zmq_connect(stranger, zsock_endpoint(world->server.sock)), 0);
    assert_int_equal(zmq_send(stranger, "x", 1, 0), 1);
    await_handshake_failure(monitor);
    uv_run(&world->loop, UV_RUN_NOWAIT);
    assert_int_equal(world->server.received, 0);
    zmq_close(stranger);
    zmq_close(monitor);
}

static void test_chosen_routing_ids_and_wrong_framing_are_dropped(void **state)
{
    World *world = *state;
    Pair keys = new_pair();
    assert_int_equal(zap_allow(world->zap, keys.public, "agent:b", NULL), ERR_OK);
    void *stranger = open_stranger(world, &keys, "hostA");
    assert_int_equal(zmq_connect(stranger, zsock_endpoint(world->server.sock)), 0);
    zmq_send(stranger, "one", 3, 0);
    RUN_UNTIL(world, zsock_dropped(world->server.sock) == 1);
    zmq_close(stranger);

    stranger = open_stranger(world, &keys, NULL);
    assert_int_equal(zmq_connect(stranger, zsock_endpoint(world->server.sock)), 0);
    zmq_send(stranger, "two", 3, ZMQ_SNDMORE);
    zmq_send(stranger, "frames", 6, ZMQ_SNDMORE);
    zmq_send(stranger, "too many", 8, 0);
    RUN_UNTIL(world, zsock_dropped(world->server.sock) == 2);
    zmq_send(stranger, "well formed", 11, 0);
    RUN_UNTIL(world, world->server.received == 1);
    assert_string_equal(str_text(&world->server.last), "well formed");
    assert_int_equal(zsock_dropped(world->server.sock), 2);
    zmq_close(stranger);
}

static void test_a_wrong_server_key_gets_no_answer(void **state)
{
    World *world = *state;
    Pair keys = new_pair();
    Pair other = new_pair();
    assert_int_equal(zap_allow(world->zap, keys.public, "agent:c", NULL), ERR_OK);
    End client = {.hello = "hello"};
    connect_with(world, &keys, other.public, 50, &client);
    send_text(&client, "hello");
    RUN_UNTIL(world, client.reopened >= 3);
    assert_int_equal(client.received, 0);
    assert_int_equal(world->server.received, 0);
    close_end(&client);
}

/* ---- flow ---- */

static void test_ten_thousand_messages_do_not_stall(void **state)
{
    World *world = *state;
    Pair keys = new_pair();
    assert_int_equal(zap_allow(world->zap, keys.public, "agent:d", NULL), ERR_OK);
    End client = {.to_send = 10000 - 500};
    connect_end(world, &keys, &client);
    for (int i = 0; i < 500; i++)
        send_text(&client, "first");
    RUN_UNTIL(world, client.received == 10000);
    assert_int_equal(world->server.received, 10000);
    close_end(&client);
}

/* Bursts, then silence: the socket must be armed again each time. */
static void test_bursts(void **state)
{
    World *world = *state;
    Pair keys = new_pair();
    assert_int_equal(zap_allow(world->zap, keys.public, "agent:e", NULL), ERR_OK);
    End client = {0};
    connect_end(world, &keys, &client);
    size_t sent = 0;
    for (size_t burst = 1; burst <= 256; burst *= 2) {
        for (size_t i = 0; i < burst; i++, sent++)
            send_text(&client, "x");
        RUN_UNTIL(world, client.received == sent);
    }
    close_end(&client);
}

static void test_a_turn_is_bounded(void **state)
{
    World *world = *state;
    world->server.echo = false;
    Pair keys = new_pair();
    assert_int_equal(zap_allow(world->zap, keys.public, "agent:f", NULL), ERR_OK);
    End client = {0};
    connect_end(world, &keys, &client);
    for (int i = 0; i < 900; i++)
        send_text(&client, "x");
    size_t before = 0;
    while (world->server.received < 900) {
        uv_run(&world->loop, UV_RUN_ONCE);
        assert_true(world->server.received - before <= LIMIT_DRAIN_PER_TURN);
        before = world->server.received;
    }
    close_end(&client);
}

static void test_too_large_a_message_cuts_the_connection(void **state)
{
    World *world = *state;
    Pair keys = new_pair();
    assert_int_equal(zap_allow(world->zap, keys.public, "agent:g", NULL), ERR_OK);
    /* Messages of the dead connection are lost: the client says hello until it is heard. */
    End client = {.hello = "small"};
    connect_with(world, &keys, world->server_keys.public, 300, &client);
    send_text(&client, "first");
    RUN_UNTIL(world, client.received == 1);
    ZRoute route = world->server.route;
    char *large = xcalloc(1, MESSAGE_BYTES_MAX + 1);
    assert_int_equal(zsock_send(client.sock, NULL, large, MESSAGE_BYTES_MAX + 1, NULL), ERR_OK);
    free(large);
    RUN_UNTIL(world, client.received == 2);
    assert_string_equal(str_text(&world->server.last), "small");
    assert_memory_not_equal(&world->server.route, &route, sizeof route);
    close_end(&client);
}

static void test_send_says_what_is_wrong(void **state)
{
    World *world = *state;
    ZRoute nobody = {.bytes = {0, 1, 2, 3, 4}};
    Error err;
    assert_int_equal(zsock_send(world->server.sock, &nobody, "x", 1, &err), ERR_CONNECT);

    Pair keys = new_pair();
    assert_int_equal(zap_allow(world->zap, keys.public, "agent:h", NULL), ERR_OK);
    End client = {0};
    connect_end(world, &keys, &client);
    send_text(&client, "hello");
    RUN_UNTIL(world, client.received == 1);
    ZRoute route = world->server.route;
    zsock_reopen(client.sock);
    assert_int_equal(zsock_send(client.sock, NULL, "x", 1, &err), ERR_BUSY);
    /* The server hears of the closed connection in its own time. */
    RUN_UNTIL(world, zsock_send(world->server.sock, &route, "x", 1, &err) == ERR_CONNECT);
    RUN_UNTIL(world, client.reopened == 1);
    close_end(&client);

    /* No handshake succeeds with a wrong key: the queue fills. */
    End lonely = {0};
    Pair other = new_pair();
    connect_with(world, &keys, other.public, 0, &lonely);
    int accepted = 0;
    while (zsock_send(lonely.sock, NULL, "x", 1, &err) == ERR_OK)
        assert_true(++accepted <= 1000);
    assert_int_equal(err.code, ERR_BUSY);
    close_end(&lonely);
}

static void test_a_used_port_is_busy(void **state)
{
    World *world = *state;
    ZSock *second = NULL;
    ZRouterSettings settings = {.loop = &world->loop,
                                .zmq = world->zmq,
                                .endpoint = zsock_endpoint(world->server.sock),
                                .zap_domain = "test",
                                .secret = world->server_keys.secret,
                                .on_message = on_message};
    Error err;
    assert_int_equal(zsock_router_bind(&settings, &second, &err), ERR_BUSY);
    assert_non_null(strstr(err.message, settings.endpoint));
    settings.endpoint = "nonsense";
    assert_int_equal(zsock_router_bind(&settings, &second, &err), ERR_CONFIG);
    assert_null(second);
}

static void test_sockets_may_be_freed_in_their_callback(void **state)
{
    World *world = *state;
    Pair keys = new_pair();
    assert_int_equal(zap_allow(world->zap, keys.public, "agent:i", NULL), ERR_OK);
    End client = {.free_at_once = true};
    connect_end(world, &keys, &client);
    for (int i = 0; i < 10; i++)
        send_text(&client, "x");
    RUN_UNTIL(world, client.sock == NULL);
    assert_int_equal(client.received, 1);
    close_end(&client);
}

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, make_world, end_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_WORLD(test_an_admitted_peer_is_known_by_its_key),
        WITH_WORLD(test_an_unknown_key_waits_outside_until_admitted),
        WITH_WORLD(test_a_removed_key_does_not_come_back),
        WITH_WORLD(test_another_domain_is_refused),
        WITH_WORLD(test_the_list),
        WITH_WORLD(test_the_list_has_an_end),
        WITH_WORLD(test_without_curve_nothing_gets_in),
        WITH_WORLD(test_chosen_routing_ids_and_wrong_framing_are_dropped),
        WITH_WORLD(test_a_wrong_server_key_gets_no_answer),
        WITH_WORLD(test_ten_thousand_messages_do_not_stall),
        WITH_WORLD(test_bursts),
        WITH_WORLD(test_a_turn_is_bounded),
        WITH_WORLD(test_too_large_a_message_cuts_the_connection),
        WITH_WORLD(test_send_says_what_is_wrong),
        WITH_WORLD(test_a_used_port_is_busy),
        WITH_WORLD(test_sockets_may_be_freed_in_their_callback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
