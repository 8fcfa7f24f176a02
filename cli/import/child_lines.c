#include "child_lines.h"

#include "str.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { READ_BYTES = 64 * 1024 };

typedef struct Reader {
    const ChildLines *args;
    pid_t pid;
    int output;
    int errors;
    Str line;     /* the unfinished one */
    size_t total; /* bytes of output so far */
    ChildEnd end;
    size_t errors_length;
} Reader;

static void pipe_close(int ends[2])
{
    for (int i = 0; i < 2; i++) {
        if (ends[i] >= 0)
            close(ends[i]);
        ends[i] = -1;
    }
}

static int spawn(Reader *reader, int output, int errors)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int status = posix_spawn_file_actions_init(&actions);
    if (status != 0)
        return status;
    status = posix_spawnattr_init(&attributes);
    if (status == 0) {
        sigset_t none;
        sigemptyset(&none);
        status = posix_spawnattr_setsigmask(&attributes, &none);
        if (status == 0)
            status = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
        if (status == 0)
            status = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
        if (status == 0)
            status = posix_spawn_file_actions_adddup2(&actions, output, 1);
        if (status == 0)
            status = posix_spawn_file_actions_adddup2(&actions, errors, 2);
        if (status == 0)
            status = posix_spawn_file_actions_addchdir_np(&actions, reader->args->directory);
        /* Its argument is not const, but is not written to either. */
        if (status == 0)
            status = posix_spawnp(&reader->pid, reader->args->argv[0], &actions, &attributes,
                                  (char *const *)(uintptr_t)reader->args->argv, environ);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return status;
}

static ErrCode start(Reader *reader, Error *err)
{
    int output[2] = {-1, -1};
    int errors[2] = {-1, -1};
    int status = 0;
    if (pipe2(output, O_CLOEXEC) != 0 || pipe2(errors, O_CLOEXEC) != 0)
        status = errno;
    if (status == 0)
        status = spawn(reader, output[1], errors[1]);
    if (status != 0) {
        pipe_close(output);
        pipe_close(errors);
        return err_set(err, status == ENOENT || status == ENOTDIR ? ERR_NOT_FOUND : ERR_IO,
                       "can't run %.120s in %.80s: %s", reader->args->argv[0],
                       reader->args->directory, strerror(status));
    }
    close(output[1]);
    close(errors[1]);
    reader->output = output[0];
    reader->errors = errors[0];
    return ERR_OK;
}

/* Keeps the end of it. */
static void errors_add(Reader *reader, const char *bytes, size_t length)
{
    char *kept = reader->end.errors;
    if (length > CHILD_ERRORS_BYTES) {
        bytes += length - CHILD_ERRORS_BYTES;
        length = CHILD_ERRORS_BYTES;
    }
    size_t room = CHILD_ERRORS_BYTES - length;
    if (reader->errors_length > room) {
        memmove(kept, kept + reader->errors_length - room, room);
        reader->errors_length = room;
    }
    memcpy(kept + reader->errors_length, bytes, length);
    reader->errors_length += length;
    kept[reader->errors_length] = '\0';
}

static ErrCode output_add(Reader *reader, const char *bytes, size_t length, Error *err)
{
    const ChildLines *args = reader->args;
    ErrCode code = ERR_OK;
    reader->total += length;
    if (reader->total > args->output_bytes_max)
        return err_set(err, ERR_LIMIT, "%.120s answers with more than %zu bytes", args->argv[0],
                       args->output_bytes_max);
    while (length > 0 && code == ERR_OK) {
        const char *newline = memchr(bytes, '\n', length);
        size_t part = newline == NULL ? length : (size_t)(newline - bytes);
        if (reader->line.length + part > args->line_bytes_max)
            return err_set(err, ERR_LIMIT, "%.120s answers with a line of more than %zu bytes",
                           args->argv[0], args->line_bytes_max);
        str_append_bytes(&reader->line, bytes, part);
        if (newline == NULL)
            break;
        if (reader->line.length > 0)
            code = args->line(reader->line.data, reader->line.length, args->data, err);
        str_clear(&reader->line);
        bytes += part + 1;
        length -= part + 1;
    }
    return code;
}

/* One read of a stream that is ready; closes it at its end. */
static ErrCode stream_read(Reader *reader, int *stream, Error *err)
{
    char bytes[READ_BYTES];
    ssize_t got = read(*stream, bytes, sizeof bytes);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return ERR_OK;
    if (got < 0)
        return err_set(err, ERR_IO, "can't read from %.120s: %s", reader->args->argv[0],
                       strerror(errno));
    if (got == 0) {
        close(*stream);
        *stream = -1;
        return ERR_OK;
    }
    if (stream == &reader->errors)
        errors_add(reader, bytes, (size_t)got);
    else
        return output_add(reader, bytes, (size_t)got, err);
    return ERR_OK;
}

static ErrCode streams_read(Reader *reader, Error *err)
{
    ErrCode code = ERR_OK;
    while (code == ERR_OK && (reader->output >= 0 || reader->errors >= 0)) {
        struct pollfd streams[2] = {{.fd = reader->output, .events = POLLIN},
                                    {.fd = reader->errors, .events = POLLIN}};
        int ready = poll(streams, 2, (int)reader->args->silence_ms_max);
        if (ready < 0 && errno == EINTR)
            return err_set(err, ERR_INTERRUPTED, "interrupted while %.120s ran",
                           reader->args->argv[0]);
        if (ready < 0)
            return err_set(err, ERR_IO, "can't wait for %.120s: %s", reader->args->argv[0],
                           strerror(errno));
        if (ready == 0)
            return err_set(err, ERR_TIMEOUT, "%.120s said nothing for %u s", reader->args->argv[0],
                           reader->args->silence_ms_max / 1000);
        if (streams[0].revents != 0)
            code = stream_read(reader, &reader->output, err);
        if (code == ERR_OK && streams[1].revents != 0)
            code = stream_read(reader, &reader->errors, err);
    }
    return code;
}

static int wait_for_end(pid_t pid)
{
    int status = 0;
    pid_t got;
    do
        got = waitpid(pid, &status, 0);
    while (got < 0 && errno == EINTR);
    if (got != pid)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

ErrCode child_lines_run(const ChildLines *args, ChildEnd *ret_end, Error *err)
{
    Reader reader = {.args = args, .output = -1, .errors = -1};
    ErrCode code = start(&reader, err);
    if (code != ERR_OK)
        return code;
    code = streams_read(&reader, err);
    if (code != ERR_OK)
        kill(reader.pid, SIGKILL);
    if (reader.output >= 0)
        close(reader.output);
    if (reader.errors >= 0)
        close(reader.errors);
    str_free(&reader.line);
    reader.end.exit_status = wait_for_end(reader.pid);
    *ret_end = reader.end;
    return code;
}
