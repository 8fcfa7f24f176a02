/* The caller's side of the control socket. */
#include "control.h"

#include "control_text.h"
#include "file.h"
#include "named_limits.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static ErrCode connect_to(const char *state_path, int *ret_fd, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = path_join(arena, state_path, CONTROL_SOCKET);
    if (strlen(path) >= sizeof address.sun_path)
        return err_set(err, ERR_LIMIT, "'%s' is too long for a socket", path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0) {
        *ret_fd = fd;
        return ERR_OK;
    }
    err_set(err, ERR_CONNECT, "no coordinator answers at '%s': %s", path, strerror(errno));
    err_hint(err, "Start it, or copy the state directory: while none runs, nobody writes there.");
    if (fd >= 0)
        close(fd);
    return ERR_CONNECT;
}

static bool send_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t sent = write(fd, bytes, length);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        bytes += sent;
        length -= (size_t)sent;
    }
    return true;
}

/* Until the other side hangs up. */
static size_t receive_all(int fd, char *buffer, size_t size)
{
    size_t length = 0;
    while (length < size) {
        ssize_t received = read(fd, buffer + length, size - length);
        if (received < 0 && errno == EINTR)
            continue;
        if (received <= 0)
            break;
        length += (size_t)received;
    }
    return length;
}

ErrCode control_ask_backup(const char *state_path, const char *directory, bool with_key,
                           StateBackup *ret_backup, Error *err)
{
    int fd;
    char line[LIMIT_CONTROL_BYTES];
    AUTO_STR Str question = {0};
    ErrCode code = connect_to(state_path, &fd, err);
    if (code != ERR_OK)
        return code;
    control_question_write(&question, &(ControlQuestion){directory, with_key});
    size_t length = 0;
    if (send_all(fd, question.data, question.length))
        length = receive_all(fd, line, sizeof line);
    close(fd);
    return control_answer_read(line, length, ret_backup, err);
}
