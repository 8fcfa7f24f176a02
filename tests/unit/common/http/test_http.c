#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http.h"

#include "named_limits.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/*
 * The server: one answer a connection, by the first letter of the path. It remembers the last
 * request whole.
 */
typedef struct Server {
    uv_loop_t loop;
    uv_tcp_t listener;
    int port;
    Str seen;
    HttpClient *client;
    Error err;
} Server;

typedef struct Peer {
    uv_tcp_t stream;
    Server *server;
    Str request;
    Str answer;
    uv_write_t write;
    char buffer[4096];
} Peer;

static void on_peer_closed(uv_handle_t *handle)
{
    Peer *peer = handle->data;
    str_free(&peer->request);
    str_free(&peer->answer);
    free(peer);
}

static void peer_close(Peer *peer)
{
    if (!uv_is_closing((uv_handle_t *)&peer->stream))
        uv_close((uv_handle_t *)&peer->stream, on_peer_closed);
}

static void on_written(uv_write_t *write, int status)
{
    (void)status;
    peer_close(write->data);
}

static void peer_answer(Peer *peer, const char *status, const char *headers, size_t body_length)
{
    str_printf(&peer->answer,
               "HTTP/1.1 %s\r\nContent-Length: %zu\r\n%s"
               "Connection: close\r\n\r\n",
               status, body_length, headers);
    for (size_t i = 0; i < body_length; i++)
        str_append_char(&peer->answer, 'x');
    uv_buf_t buffer = uv_buf_init(peer->answer.data, (unsigned)peer->answer.length);
    peer->write.data = peer;
    assert_int_equal(uv_write(&peer->write, (uv_stream_t *)&peer->stream, &buffer, 1, on_written),
                     0);
}

static bool is_whole(const char *request)
{
    const char *end = strstr(request, "\r\n\r\n");
    const char *length = strstr(request, "Content-Length: ");
    if (end == NULL)
        return false;
    return length == NULL || strlen(end + 4) >= strtoul(length + 16, NULL, 10);
}

static void peer_act(Peer *peer)
{
    const char *request = str_text(&peer->request);
    str_clear(&peer->server->seen);
    str_append(&peer->server->seen, request);
    switch (*(strchr(request, '/') + 1)) {
    case 'o':
        peer_answer(peer, "200 OK", "", 5);
        break;
    case 'e':
        peer_answer(peer, "500 Broken", "", 3);
        break;
    case 'r':
        peer_answer(peer, "302 Found", "Location: http://127.0.0.1:1/o\r\n", 0);
        break;
    case 'l':
        peer_answer(peer, "200 OK", "", 100000);
        break;
    case 'g':
        str_append(&peer->answer, "garbage\r\n\r\n");
        peer->write.data = peer;
        uv_buf_t buffer = uv_buf_init(peer->answer.data, (unsigned)peer->answer.length);
        uv_write(&peer->write, (uv_stream_t *)&peer->stream, &buffer, 1, on_written);
        break;
    default: /* says nothing */
        break;
    }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    Peer *peer = handle->data;
    *buffer = uv_buf_init(peer->buffer, sizeof peer->buffer);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    Peer *peer = stream->data;
    if (count < 0) {
        peer_close(peer);
        return;
    }
    str_append_bytes(&peer->request, buffer->base, (size_t)count);
    if (is_whole(str_text(&peer->request)))
        peer_act(peer);
}

static void on_connection(uv_stream_t *listener, int status)
{
    assert_int_equal(status, 0);
    Peer *peer = xcalloc(1, sizeof *peer);
    peer->server = listener->data;
    uv_tcp_init(listener->loop, &peer->stream);
    peer->stream.data = peer;
    assert_int_equal(uv_accept(listener, (uv_stream_t *)&peer->stream), 0);
    uv_read_start((uv_stream_t *)&peer->stream, on_alloc, on_read);
}

static int set_up(void **state)
{
    unsetenv("http_proxy");
    unsetenv("all_proxy");
    unsetenv("ALL_PROXY");
    Server *server = xcalloc(1, sizeof *server);
    uv_loop_init(&server->loop);
    uv_tcp_init(&server->loop, &server->listener);
    server->listener.data = server;
    struct sockaddr_in address;
    int size = sizeof address;
    uv_ip4_addr("127.0.0.1", 0, &address);
    assert_int_equal(uv_tcp_bind(&server->listener, (struct sockaddr *)&address, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&server->listener, 512, on_connection), 0);
    uv_tcp_getsockname(&server->listener, (struct sockaddr *)&address, &size);
    server->port = ntohs(address.sin_port);
    assert_int_equal(http_client_new(&server->loop, &server->client, &server->err), ERR_OK);
    *state = server;
    return 0;
}

static void close_rest(uv_handle_t *handle, void *data)
{
    (void)data;
    if (uv_is_closing(handle))
        return;
    assert_int_equal(handle->type, UV_TCP); /* nothing of the client's is left */
    uv_close(handle, on_peer_closed);
}

static int tear_down(void **state)
{
    Server *server = *state;
    http_client_free(server->client);
    uv_close((uv_handle_t *)&server->listener, NULL);
    uv_run(&server->loop, UV_RUN_NOWAIT);
    uv_walk(&server->loop, close_rest, NULL);
    uv_run(&server->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&server->loop), 0);
    str_free(&server->seen);
    free(server);
    return 0;
}

/* An answer, copied out of its callback. */
typedef struct Copy {
    int callbacks;
    int status;
    size_t body_length;
    char body[64];
    Error err; /* code ERR_OK: there was none */
    HttpCall *to_cancel;
} Copy;

static void on_answer(const HttpAnswer *answer, void *data)
{
    Copy *copy = data;
    copy->callbacks++;
    copy->status = answer->status;
    copy->body_length = answer->body_length;
    strncpy(copy->body, answer->body, sizeof copy->body - 1);
    if (answer->error != NULL)
        copy->err = *answer->error;
    if (copy->to_cancel != NULL)
        http_cancel(copy->to_cancel);
}

static ErrCode ask(Server *server, HttpRequest request, const char *path, Copy *copy,
                   HttpCall **ret_call)
{
    char url[256];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/%s", server->port, path);
    if (request.url == NULL)
        request.url = url;
    if (request.timeout_ms == 0)
        request.timeout_ms = 60 * 1000;
    if (request.response_bytes_max == 0)
        request.response_bytes_max = 1000;
    ErrCode code = http_request(server->client, &request, on_answer, copy, ret_call, &server->err);
    assert_int_equal(copy->callbacks, 0); /* never inside the call */
    return code;
}

static void await(Server *server, const Copy *copy)
{
    while (copy->callbacks == 0)
        uv_run(&server->loop, UV_RUN_ONCE);
    assert_int_equal(copy->callbacks, 1);
}

static Copy get(Server *server, HttpRequest request, const char *path)
{
    Copy copy = {0};
    HttpCall *call;
    assert_int_equal(ask(server, request, path, &copy, &call), ERR_OK);
    await(server, &copy);
    return copy;
}

static void test_answers(void **state)
{
    Server *server = *state;
    Copy copy = get(server, (HttpRequest){0}, "ok");
    assert_int_equal(copy.status, 200);
    assert_string_equal(copy.body, "xxxxx");
    assert_int_equal(copy.err.code, ERR_OK);
    copy = get(server, (HttpRequest){0}, "error");
    assert_int_equal(copy.status, 500);
    assert_int_equal(copy.body_length, 3);
    /* Not followed. */
    assert_int_equal(get(server, (HttpRequest){0}, "redirect").status, 302);
    /* By a name, which a thread resolves. */
    char url[64];
    snprintf(url, sizeof url, "http://localhost:%d/ok", server->port);
    assert_int_equal(get(server, (HttpRequest){.url = url}, "").status, 200);
}

static void test_what_is_sent(void **state)
{
    Server *server = *state;
    const char *const headers[] = {"Content-Type: application/json", "X-Of-Ours: 1", NULL};
    HttpRequest request = {
        .method = HTTP_POST,
        .headers = headers,
        .bearer = "tok-en",
        .body = "{\"a\":1}",
        .body_length = 7,
    };
    assert_int_equal(get(server, request, "ok?x=1").status, 200);
    const char *seen = str_text(&server->seen);
    assert_true(str_starts_with(seen, "POST /ok?x=1 HTTP/1.1\r\n"));
    assert_non_null(strstr(seen, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(seen, "\r\nX-Of-Ours: 1\r\n"));
    assert_non_null(strstr(seen, "\r\nAuthorization: Bearer tok-en\r\n"));
    assert_non_null(strstr(seen, "\r\nUser-Agent: pgtide/"));
    assert_null(strstr(seen, "Expect"));
    assert_true(str_ends_with(seen, "\r\n\r\n{\"a\":1}"));
    assert_int_equal(get(server, (HttpRequest){.method = HTTP_POST}, "ok").status, 200);
    assert_non_null(strstr(str_text(&server->seen), "\r\nContent-Length: 0\r\n"));
}

static void test_no_answer(void **state)
{
    Server *server = *state;
    char expected[128];
    Copy copy = get(server, (HttpRequest){.timeout_ms = 50}, "silence?token=secret");
    assert_int_equal(copy.err.code, ERR_TIMEOUT);
    snprintf(expected, sizeof expected, "no answer from 127.0.0.1:%d within 50ms", server->port);
    assert_string_equal(copy.err.message, expected);
    assert_int_equal(copy.status, 0);

    copy = get(server, (HttpRequest){.response_bytes_max = 99999}, "large");
    assert_int_equal(copy.err.code, ERR_LIMIT);
    assert_int_equal(get(server, (HttpRequest){.response_bytes_max = 100000}, "large").status, 200);

    copy = get(server, (HttpRequest){.url = "http://127.0.0.1:1/secret"}, "");
    assert_int_equal(copy.err.code, ERR_CONNECT);
    assert_string_equal(copy.err.message, "can't reach 127.0.0.1:1");
    assert_null(strstr(copy.err.detail, "secret"));

    copy = get(server, (HttpRequest){0}, "garbage");
    assert_int_equal(copy.err.code, ERR_PROTOCOL);
    /* This server doesn't speak TLS; there is no falling back. */
    char url[64];
    snprintf(url, sizeof url, "https://127.0.0.1:%d/ok", server->port);
    copy = get(server, (HttpRequest){.url = url, .timeout_ms = 500}, "");
    assert_int_not_equal(copy.err.code, ERR_OK);
}

static void test_cancelled(void **state)
{
    Server *server = *state;
    Copy silent = {0}, unborn = {0}, ok = {0};
    HttpCall *call, *other;
    assert_int_equal(ask(server, (HttpRequest){0}, "silence", &silent, &call), ERR_OK);
    assert_int_equal(ask(server, (HttpRequest){0}, "ok", &unborn, &other), ERR_OK);
    http_cancel(other);  /* before anything has happened */
    ok.to_cancel = call; /* and in the middle, by another's callback */
    assert_int_equal(ask(server, (HttpRequest){0}, "ok", &ok, &other), ERR_OK);
    await(server, &ok);
    for (int turn = 0; turn < 100; turn++)
        uv_run(&server->loop, UV_RUN_NOWAIT);
    assert_int_equal(silent.callbacks + unborn.callbacks, 0);
    /* What is left goes with the client, in tear_down(). */
    assert_int_equal(ask(server, (HttpRequest){0}, "silence", &silent, &call), ERR_OK);
    assert_int_equal(get(server, (HttpRequest){0}, "ok").status, 200);
}

static void test_many_at_once(void **state)
{
    Server *server = *state;
    static Copy copies[LIMIT_HTTP_CALLS + 1];
    HttpCall *call;
    for (size_t i = 0; i < LIMIT_HTTP_CALLS; i++)
        assert_int_equal(ask(server, (HttpRequest){0}, "ok", &copies[i], &call), ERR_OK);
    assert_int_equal(ask(server, (HttpRequest){0}, "ok", &copies[LIMIT_HTTP_CALLS], &call),
                     ERR_BUSY);
    for (size_t i = 0; i < LIMIT_HTTP_CALLS; i++) {
        await(server, &copies[i]);
        assert_int_equal(copies[i].status, 200);
    }
    assert_int_equal(copies[LIMIT_HTTP_CALLS].callbacks, 0);
}

static void test_urls(void **state)
{
    Server *server = *state;
    Error err;
    assert_int_equal(http_url_check("https://hooks.example.com/a?b=c", &err), ERR_OK);
    assert_int_equal(http_url_check("http://[::1]:9090", &err), ERR_OK);
    assert_int_equal(http_url_check("ftp://example.com/", &err), ERR_CONFIG);
    assert_string_equal(err.message, "a url must begin with https:// or http://");
    assert_int_equal(http_url_check("file:///etc/passwd", &err), ERR_CONFIG);
    assert_int_equal(http_url_check("https://u:secret@example.com/", &err), ERR_CONFIG);
    assert_string_equal(err.message, "a url must not hold a user or a password");
    assert_int_equal(http_url_check("https://example.com/#top", &err), ERR_CONFIG);
    assert_int_equal(http_url_check("example.com", &err), ERR_CONFIG);
    assert_int_equal(http_url_check("", &err), ERR_CONFIG);
    assert_int_equal(http_url_check("http://a b/", &err), ERR_CONFIG);

    HttpCall *call;
    Copy copy = {0};
    const char *const split[] = {"X-A: b\r\nX-C: d", NULL};
    assert_int_equal(ask(server, (HttpRequest){.headers = split}, "ok", &copy, &call), ERR_CONFIG);
    assert_int_equal(ask(server, (HttpRequest){.bearer = "a\nb"}, "ok", &copy, &call), ERR_CONFIG);
    assert_int_equal(ask(server, (HttpRequest){.url = "gopher://a/"}, "", &copy, &call),
                     ERR_CONFIG);
    assert_int_equal(
        ask(server, (HttpRequest){.timeout_ms = (uint64_t)1 << 40}, "ok", &copy, &call), ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_sent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancelled, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_urls, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
