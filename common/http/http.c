#include "http.h"

#include "clock.h"
#include "named_limits.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

/*
 * libcurl says which sockets it waits for and until when (on_socket_wanted, on_timer_wanted); the
 * loop tells it what happened, by curl_multi_socket_action(), and then the calls that are done are
 * taken out. Callbacks run there, outside of libcurl, so they may ask again or cancel others.
 */

struct HttpCall {
    HttpCall *next;
    HttpCall **previous; /* where it is pointed from */
    HttpClient *client;
    CURL *easy;
    struct curl_slist *headers;
    HttpCb *cb;
    void *data;
    uint64_t timeout_ms;
    size_t response_bytes_max;
    bool too_large;
    Str body;
    char place[300]; /* "host:port", for errors */
    char problem[CURL_ERROR_SIZE];
};

struct HttpClient {
    uv_loop_t *loop;
    CURLM *multi;
    uv_timer_t timer;
    HttpCall *calls;
    size_t call_count;
};

/* A socket that libcurl waits for. */
typedef struct Watch {
    uv_poll_t poll;
    HttpClient *client;
    curl_socket_t socket;
} Watch;

/* --- calls ------------------------------------------------------------------------------------ */

static void call_free(HttpCall *call)
{
    if (call->easy != NULL) {
        curl_multi_remove_handle(call->client->multi, call->easy);
        curl_easy_cleanup(call->easy);
    }
    curl_slist_free_all(call->headers);
    str_free(&call->body);
    if (call->previous != NULL) {
        *call->previous = call->next;
        if (call->next != NULL)
            call->next->previous = call->previous;
        call->client->call_count--;
    }
    free(call);
}

static void call_link(HttpCall *call)
{
    HttpClient *client = call->client;
    call->next = client->calls;
    call->previous = &client->calls;
    if (call->next != NULL)
        call->next->previous = &call->next;
    client->calls = call;
    client->call_count++;
}

static void describe(const HttpCall *call, CURLcode result, Error *err)
{
    const char *said = call->problem[0] != '\0' ? call->problem : curl_easy_strerror(result);
    char duration[DURATION_TEXT_SIZE];
    duration_format(call->timeout_ms, duration);
    switch (result) {
    case CURLE_OPERATION_TIMEDOUT:
        err_set(err, ERR_TIMEOUT, "no answer from %s within %s", call->place, duration);
        return;
    case CURLE_WRITE_ERROR:
        if (call->too_large) {
            err_set(err, ERR_LIMIT, "the answer of %s is larger than %zu bytes", call->place,
                    call->response_bytes_max);
            return;
        }
        break;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
        err_set(err, ERR_CONNECT, "can't reach %s", call->place);
        err_detail(err, "%s", said);
        err_hint(err, "Check the name, the port and that the server is running.");
        return;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        err_set(err, ERR_CONNECT, "the certificate of %s can't be verified", call->place);
        err_detail(err, "%s", said);
        err_hint(err, "Give the server a certificate for that name by an authority that is known "
                      "here.");
        return;
    default:
        break;
    }
    err_set(err, ERR_PROTOCOL, "the exchange with %s failed", call->place);
    err_detail(err, "%s", said);
}

static void finish(HttpCall *call, CURLcode result)
{
    Error err;
    long status = 0;
    HttpAnswer answer = {0};
    if (result == CURLE_OK) {
        curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
        answer.status = (int)status;
        answer.body = str_text(&call->body);
        answer.body_length = call->body.length;
    } else {
        describe(call, result, &err);
        answer.error = &err;
        answer.body = "";
    }
    call->cb(&answer, call->data);
    call_free(call);
}

static void take_finished(HttpClient *client)
{
    int left = 0;
    for (CURLMsg *message; (message = curl_multi_info_read(client->multi, &left)) != NULL;) {
        if (message->msg != CURLMSG_DONE)
            continue;
        HttpCall *call = NULL;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call);
        finish(call, message->data.result);
    }
}

/* --- the loop --------------------------------------------------------------------------------- */

static void on_watch_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    const Watch *watch = poll->data;
    HttpClient *client = watch->client; /* the watch may go meanwhile */
    int flags = 0;
    if (status < 0)
        flags |= CURL_CSELECT_ERR;
    if ((events & UV_READABLE) != 0)
        flags |= CURL_CSELECT_IN;
    if ((events & UV_WRITABLE) != 0)
        flags |= CURL_CSELECT_OUT;
    int running = 0;
    curl_multi_socket_action(client->multi, watch->socket, flags, &running);
    take_finished(client);
}

static void on_timer(uv_timer_t *timer)
{
    HttpClient *client = timer->data;
    int running = 0;
    curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    take_finished(client);
}

static int on_timer_wanted(CURLM *multi, long timeout_ms, void *data)
{
    (void)multi;
    HttpClient *client = data;
    if (timeout_ms < 0)
        uv_timer_stop(&client->timer);
    else
        uv_timer_start(&client->timer, on_timer, (uint64_t)timeout_ms, 0);
    return 0;
}

static int on_socket_wanted(CURL *easy, curl_socket_t socket, int what, void *data, void *kept)
{
    (void)easy;
    HttpClient *client = data;
    Watch *watch = kept;
    if (what == CURL_POLL_REMOVE) {
        if (watch != NULL) {
            curl_multi_assign(client->multi, socket, NULL);
            uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
        }
        return 0;
    }
    if (watch == NULL) {
        watch = xcalloc(1, sizeof *watch);
        *watch = (Watch){.client = client, .socket = socket};
        if (uv_poll_init(client->loop, &watch->poll, socket) != 0) {
            free(watch);
            return -1;
        }
        watch->poll.data = watch;
        curl_multi_assign(client->multi, socket, watch);
    }
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    return uv_poll_start(&watch->poll, events, on_poll) == 0 ? 0 : -1;
}

ErrCode http_client_new(uv_loop_t *loop, HttpClient **ret_client, Error *err)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_set(err, ERR_INTERNAL, "can't prepare libcurl");
    HttpClient *client = xcalloc(1, sizeof *client);
    client->loop = loop;
    client->multi = curl_multi_init();
    if (client->multi == NULL)
        die_out_of_memory();
    uv_timer_init(loop, &client->timer);
    client->timer.data = client;
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_socket_wanted);
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)LIMIT_HTTP_CONNECTIONS_KEPT);
    *ret_client = client;
    return ERR_OK;
}

static void on_client_closed(uv_handle_t *handle)
{
    free(handle->data);
    curl_global_cleanup();
}

void http_client_free(HttpClient *client)
{
    if (client == NULL)
        return;
    while (client->calls != NULL)
        call_free(client->calls);
    curl_multi_cleanup(client->multi);
    uv_close((uv_handle_t *)&client->timer, on_client_closed);
}

/* --- asking ----------------------------------------------------------------------------------- */

static bool has_part(CURLU *parts, CURLUPart part)
{
    char *text = NULL;
    bool has = curl_url_get(parts, part, &text, 0) == CURLUE_OK;
    curl_free(text);
    return has;
}

/* `place`, of `size` bytes: "host:port". */
static ErrCode url_take(const char *url, char *place, size_t size, Error *err)
{
    if (strlen(url) > LIMIT_HTTP_URL_BYTES)
        return err_set(err, ERR_CONFIG, "the url is longer than %d bytes", LIMIT_HTTP_URL_BYTES);
    CURLU *parts = curl_url();
    if (parts == NULL)
        die_out_of_memory();
    char *scheme = NULL, *host = NULL, *port = NULL;
    ErrCode code = ERR_OK;
    if (curl_url_set(parts, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK ||
        curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(parts, CURLUPART_HOST, &host, 0) != CURLUE_OK) {
        code = err_set(err, ERR_CONFIG, "this is not a url");
        err_hint(err, "Write it like https://host:port/path.");
    } else if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0) {
        code = err_set(err, ERR_CONFIG, "a url must begin with https:// or http://");
    } else if (has_part(parts, CURLUPART_USER) || has_part(parts, CURLUPART_PASSWORD)) {
        code = err_set(err, ERR_CONFIG, "a url must not hold a user or a password");
        err_hint(err, "Configurations and lists of processes are read by many; secrets have files "
                      "of their own.");
    } else if (has_part(parts, CURLUPART_FRAGMENT)) {
        code = err_set(err, ERR_CONFIG, "a url for requests has no fragment (#...)");
    } else if (curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK) {
        code = err_set(err, ERR_CONFIG, "this url has no port");
    } else if (place != NULL) {
        snprintf(place, size, "%.255s:%.10s", host, port);
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(parts);
    return code;
}

ErrCode http_url_check(const char *url, Error *err)
{
    return url_take(url, NULL, 0, err);
}

static void add_header(HttpCall *call, const char *header)
{
    struct curl_slist *longer = curl_slist_append(call->headers, header);
    if (longer == NULL)
        die_out_of_memory();
    call->headers = longer;
}

/* A line break would begin another header. */
static ErrCode take_headers(HttpCall *call, const HttpRequest *request, Error *err)
{
    for (const char *const *header = request->headers; header != NULL && *header != NULL;
         header++) {
        if (strpbrk(*header, "\r\n") != NULL || strchr(*header, ':') == NULL)
            return err_set(err, ERR_CONFIG, "a header must be one line with a name and a colon");
        add_header(call, *header);
    }
    if (request->bearer != NULL) {
        if (request->bearer[0] == '\0' || strpbrk(request->bearer, "\r\n") != NULL)
            return err_set(err, ERR_CONFIG, "a bearer token must be one line");
        AUTO_STR Str header = {0};
        str_printf(&header, "Authorization: Bearer %s", request->bearer);
        add_header(call, str_text(&header));
    }
    add_header(call, "Expect:"); /* small bodies need no leave to be sent */
    return ERR_OK;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *data)
{
    HttpCall *call = data;
    size_t length = size * count;
    if (length > call->response_bytes_max - call->body.length) {
        call->too_large = true;
        return 0;
    }
    str_append_bytes(&call->body, bytes, length);
    return length;
}

/* false: libcurl here is too old or made without it. */
static bool set_options(HttpCall *call, const HttpRequest *request)
{
    CURL *easy = call->easy;
    bool ok = curl_easy_setopt(easy, CURLOPT_URL, request->url) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
    /* A resolver that hangs is left to itself; to wait for its thread would stop the loop. */
    ok = ok && curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK;
    long timeout_ms = (long)request->timeout_ms;
    ok = ok && curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_USERAGENT, "pgtide/" PGTIDE_VERSION) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_WRITEDATA, call) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->problem) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_PRIVATE, call) == CURLE_OK;
    if (request->ca_file != NULL)
        ok = ok && curl_easy_setopt(easy, CURLOPT_CAINFO, request->ca_file) == CURLE_OK &&
             curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) == CURLE_OK;
    if (request->method == HTTP_POST) {
        ok = ok && curl_easy_setopt(easy, CURLOPT_POST, 1L) == CURLE_OK;
        ok = ok && curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                                    (curl_off_t)request->body_length) == CURLE_OK;
        const void *body = request->body != NULL ? request->body : "";
        ok = ok && curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, body) == CURLE_OK;
    }
    return ok;
}

static ErrCode prepare(HttpCall *call, const HttpRequest *request, Error *err)
{
    ErrCode code = url_take(request->url, call->place, sizeof call->place, err);
    if (code == ERR_OK)
        code = take_headers(call, request, err);
    if (code != ERR_OK)
        return code;
    if (request->body_length > LIMIT_HTTP_BODY_BYTES ||
        request->response_bytes_max > LIMIT_HTTP_BODY_BYTES)
        return err_set(err, ERR_LIMIT, "a request or an answer may have %d bytes",
                       LIMIT_HTTP_BODY_BYTES);
    if (request->timeout_ms == 0 || request->timeout_ms > LIMIT_HTTP_TIMEOUT_MS)
        return err_set(err, ERR_LIMIT, "a request may take 1 to %d ms", LIMIT_HTTP_TIMEOUT_MS);
    call->easy = curl_easy_init();
    if (call->easy == NULL)
        die_out_of_memory();
    if (!set_options(call, request))
        return err_set(err, ERR_INTERNAL, "this libcurl lacks what is needed");
    if (curl_multi_add_handle(call->client->multi, call->easy) != CURLM_OK)
        return err_set(err, ERR_INTERNAL, "can't ask %s", call->place);
    return ERR_OK;
}

ErrCode http_request(HttpClient *client, const HttpRequest *request, HttpCb *cb, void *data,
                     HttpCall **ret_call, Error *err)
{
    if (client->call_count >= LIMIT_HTTP_CALLS)
        return err_set(err, ERR_BUSY, "%d requests are under way already", LIMIT_HTTP_CALLS);
    HttpCall *call = xcalloc(1, sizeof *call);
    *call = (HttpCall){
        .client = client,
        .cb = cb,
        .data = data,
        .timeout_ms = request->timeout_ms,
        .response_bytes_max = request->response_bytes_max,
    };
    ErrCode code = prepare(call, request, err);
    if (code != ERR_OK) {
        call_free(call);
        return code;
    }
    call_link(call);
    *ret_call = call;
    return ERR_OK;
}

void http_cancel(HttpCall *call)
{
    call_free(call);
}
