#include "backup_stream.h"

#include "digest.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STREAM_BUFFER_BYTES = 64 * 1024 };

/* Three programs and the thread that stands between them: pg_dump -> pump -> age, reader. */
typedef enum StreamPart { PART_DUMP, PART_AGE, PART_READER, PART_COUNT } StreamPart;

static const char *const part_names[PART_COUNT] = {"pg_dump", "age", "pg_restore"};

typedef struct StreamChild {
    Stream *stream;
    StreamPart part;
    Child *child; /* NULL: not at work */
    Error error;
} StreamChild;

struct Stream {
    StreamChild children[PART_COUNT];
    size_t running; /* children, and the pump */
    uv_thread_t pump;
    uv_async_t pumped;
    int from_dump;
    int to_age;
    int to_reader; /* -1: nobody reads any more */
    int pump_errno;
    bool age_is_gone;
    Digest plaintext;
    StreamCb *cb; /* NULL: abandoned */
    void *data;
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* --- the pump (a thread of its own: it blocks for as long as a dump takes) -------------------- */

static bool write_all(int fd, const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, bytes, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        bytes += written;
        length -= (size_t)written;
    }
    return true;
}

static void pump(void *data)
{
    Stream *stream = data;
    uint8_t *buffer = xcalloc(1, STREAM_BUFFER_BYTES);
    Sha256 hash;
    sigset_t pipe_signal;
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, NULL); /* a reader that has ended is an error number */
    sha256_init(&hash);
    while (!stream->age_is_gone) {
        ssize_t count = read(stream->from_dump, buffer, STREAM_BUFFER_BYTES);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            stream->pump_errno = errno;
        if (count <= 0)
            break;
        sha256_update(&hash, buffer, (size_t)count);
        stream->age_is_gone = !write_all(stream->to_age, buffer, (size_t)count);
        /* One that has read enough may end; its exit status tells. */
        if (stream->to_reader >= 0 && !write_all(stream->to_reader, buffer, (size_t)count))
            close_fd(&stream->to_reader);
    }
    stream->plaintext = sha256_final(&hash);
    close_fd(&stream->from_dump);
    close_fd(&stream->to_age);
    close_fd(&stream->to_reader);
    free(buffer);
    uv_async_send(&stream->pumped);
}

/* --- the end ---------------------------------------------------------------------------------- */

static void on_pumped_closed(uv_handle_t *handle)
{
    free(handle->data);
}

/* Who failed first: what ends early takes the others with it. */
static const Error *first_error(Stream *stream, Error *err)
{
    static const StreamPart order[] = {PART_DUMP, PART_AGE, PART_READER};
    static const StreamPart age_first[] = {PART_AGE, PART_DUMP, PART_READER};
    const StreamPart *parts = stream->age_is_gone ? age_first : order;
    for (size_t i = 0; i < PART_COUNT; i++)
        if (stream->children[parts[i]].error.code != ERR_OK)
            return &stream->children[parts[i]].error;
    if (stream->pump_errno != 0) {
        err_set(err, ERR_BACKUP, "can't read what pg_dump writes: %s",
                strerror(stream->pump_errno));
        return err;
    }
    if (stream->age_is_gone) {
        err_set(err, ERR_BACKUP, "age ended before the dump did");
        return err;
    }
    return NULL;
}

static void one_ended(Stream *stream)
{
    Error err;
    if (--stream->running > 0)
        return;
    uv_thread_join(&stream->pump);
    StreamCb *cb = stream->cb;
    stream->cb = NULL;
    if (cb != NULL)
        cb(&stream->plaintext, first_error(stream, &err), stream->data);
    uv_close((uv_handle_t *)&stream->pumped, on_pumped_closed);
}

static void on_pumped(uv_async_t *async)
{
    one_ended(async->data);
}

static void on_child(const ChildResult *result, void *data)
{
    StreamChild *child = data;
    child->child = NULL;
    if (tool_result(part_names[child->part], result, &child->error) == ERR_OK)
        child->error.code = ERR_OK;
    one_ended(child->stream);
}

void stream_abandon(Stream *stream)
{
    stream->cb = NULL;
    for (size_t i = 0; i < PART_COUNT; i++) {
        if (stream->children[i].child == NULL)
            continue;
        child_kill(stream->children[i].child);
        stream->children[i].child = NULL;
        stream->running--;
    }
    /* The pump ends when pg_dump has; what it holds is released then. */
}

/* --- the start -------------------------------------------------------------------------------- */

typedef struct StreamPipes {
    int dump[2]; /* 0 is read, 1 is written */
    int age[2];
    int reader[2];
    int file;
} StreamPipes;

static void close_pipes(StreamPipes *pipes)
{
    int *all[] = {&pipes->dump[0],   &pipes->dump[1],   &pipes->age[0], &pipes->age[1],
                  &pipes->reader[0], &pipes->reader[1], &pipes->file};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        close_fd(all[i]);
}

static ErrCode open_pipes(const StreamArgs *args, StreamPipes *pipes, Error *err)
{
    *pipes = (StreamPipes){{-1, -1}, {-1, -1}, {-1, -1}, -1};
    pipes->file = open(args->path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    if (pipes->file >= 0 && pipe2(pipes->dump, O_CLOEXEC) == 0 &&
        pipe2(pipes->age, O_CLOEXEC) == 0 &&
        (args->reader == NULL || pipe2(pipes->reader, O_CLOEXEC) == 0))
        return ERR_OK;
    err_set(err, ERR_IO, "can't open what a dump goes through: %s", strerror(errno));
    close_pipes(pipes);
    return ERR_IO;
}

static ErrCode start_part(uv_loop_t *loop, Stream *stream, StreamPart part, ChildArgs *args,
                          Error *err)
{
    StreamChild *child = &stream->children[part];
    *child = (StreamChild){.stream = stream, .part = part};
    ErrCode code = child_start(loop, args, on_child, child, &child->child, err);
    if (code == ERR_OK)
        stream->running++;
    else
        child->child = NULL;
    return code;
}

static ErrCode start_parts(uv_loop_t *loop, Stream *stream, const StreamArgs *args,
                           StreamPipes *pipes, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    ToolArgs age = tool_args(arena, "age");
    tool_arg(&age, "--encrypt");
    tool_arg(&age, "--recipients-file");
    tool_arg(&age, "%s", args->recipients);
    ChildArgs dump = {.program = tool_program(arena, args->cluster, "pg_dump"),
                      .argv = args->dump.items,
                      .env = args->env,
                      .output_fd = pipes->dump[1]};
    ChildArgs crypt = {.program = "age",
                       .argv = age.items,
                       .env = tool_environment_offline(arena),
                       .input_fd = pipes->age[0],
                       .output_fd = pipes->file};
    ErrCode code = start_part(loop, stream, PART_AGE, &crypt, err);
    if (code == ERR_OK && args->reader != NULL) {
        ChildArgs reader = {.program = tool_program(arena, args->cluster, "pg_restore"),
                            .argv = args->reader->items,
                            .env = args->env,
                            .input_fd = pipes->reader[0]};
        code = start_part(loop, stream, PART_READER, &reader, err);
    }
    return code == ERR_OK ? start_part(loop, stream, PART_DUMP, &dump, err) : code;
}

static int take_fd(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

ErrCode stream_start(uv_loop_t *loop, const StreamArgs *args, StreamCb *cb, void *data,
                     Stream **ret_stream, Error *err)
{
    StreamPipes pipes;
    ErrCode code = open_pipes(args, &pipes, err);
    if (code != ERR_OK)
        return code;
    Stream *stream = xcalloc(1, sizeof(*stream));
    stream->cb = cb;
    stream->data = data;
    stream->from_dump = stream->to_age = stream->to_reader = -1;
    code = start_parts(loop, stream, args, &pipes, err);
    if (code == ERR_OK) {
        stream->from_dump = take_fd(&pipes.dump[0]);
        stream->to_age = take_fd(&pipes.age[1]);
        stream->to_reader = take_fd(&pipes.reader[1]);
    }
    close_pipes(&pipes); /* the children have theirs */
    uv_async_init(loop, &stream->pumped, on_pumped);
    stream->pumped.data = stream;
    if (code == ERR_OK && uv_thread_create(&stream->pump, pump, stream) != 0)
        code = err_set(err, ERR_IO, "can't start a thread for a dump");
    if (code != ERR_OK) {
        stream_abandon(stream);
        close_fd(&stream->from_dump);
        close_fd(&stream->to_age);
        close_fd(&stream->to_reader);
        uv_close((uv_handle_t *)&stream->pumped, on_pumped_closed);
        return code;
    }
    stream->running++;
    *ret_stream = stream;
    return ERR_OK;
}
