#include "password_command.h"

#include "clock.h"
#include "log.h"
#include "named_limits.h"
#include "output_command.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { PASSWORD_DEADLINE_MS = 30000 };

typedef struct Waiter {
    PgPasswordCb *cb;
    void *data;
    struct Waiter *next;
} Waiter;

typedef struct PasswordCommand {
    PgPasswords passwords; /* first: it is what others see */
    const char *cluster;
    const StrList *argv;
    char password[LIMIT_PASSWORD_BYTES + 1];
    bool is_known;
    uint64_t number;     /* of the one that is known, or was last */
    uint64_t expires_ms; /* by the monotonic clock; 0 = when it is refused */
    OutputCommand *command;
    Waiter *waiting;   /* for the command */
    Waiter *answering; /* the command has ended, they are being told */
} PasswordCommand;

/* --- what it prints --------------------------------------------------------------------------- */

static ErrCode take_password(const char *text, size_t length, char *ret_password, Error *err)
{
    if (length == 0)
        return err_set(err, ERR_CONFIG, "it printed no password");
    if (memchr(text, '\0', length) != NULL)
        return err_set(err, ERR_CONFIG, "it printed a NUL");
    if (memchr(text, '\n', length) != NULL)
        return err_set(err, ERR_CONFIG, "it printed more than one line, and no JSON object");
    memcpy(ret_password, text, length); /* no longer than the output's limit */
    ret_password[length] = '\0';
    return ERR_OK;
}

static ErrCode take_expiry(const json_t *value, uint64_t now_unix_ms, uint64_t *ret_lasts_ms,
                           Error *err)
{
    uint64_t at_unix_ms;
    bool fine = false;
    if (json_is_string(value) && time_parse_rfc3339(json_string_value(value), &at_unix_ms)) {
        fine = at_unix_ms > now_unix_ms;
        *ret_lasts_ms = fine ? at_unix_ms - now_unix_ms : 0;
    } else if (json_is_integer(value)) {
        json_int_t seconds = json_integer_value(value);
        fine = seconds > 0 && seconds <= INT64_MAX / 1000;
        *ret_lasts_ms = fine ? (uint64_t)seconds * 1000 : 0;
    } else {
        return err_set(err, ERR_CONFIG,
                       "its 'expires' is neither a time such as 2026-11-30T10:00:00Z nor a whole "
                       "number of seconds");
    }
    return fine ? ERR_OK : err_set(err, ERR_CONFIG, "it printed a password that has expired");
}

static ErrCode take_object(json_t *object, uint64_t now_unix_ms, char *ret_password,
                           uint64_t *ret_lasts_ms, Error *err)
{
    const char *key;
    json_t *value;
    const json_t *password = json_object_get(object, "password");
    const json_t *expires = json_object_get(object, "expires");
    json_object_foreach(object, key, value)
    {
        if (value != password && value != expires)
            return err_set(err, ERR_CONFIG, "it printed the unknown key '%.80s'", key);
    }
    if (!json_is_string(password))
        return err_set(err, ERR_CONFIG, "its JSON object has no text 'password'");
    uint64_t lasts_ms = 0;
    if (expires != NULL && take_expiry(expires, now_unix_ms, &lasts_ms, err) != ERR_OK)
        return ERR_CONFIG;
    ErrCode code =
        take_password(json_string_value(password), json_string_length(password), ret_password, err);
    if (code == ERR_OK)
        *ret_lasts_ms = lasts_ms;
    return code;
}

static ErrCode take_json(const char *output, size_t length, uint64_t now_unix_ms,
                         char *ret_password, uint64_t *ret_lasts_ms, Error *err)
{
    json_error_t where; /* its text quotes what was printed */
    json_t *object = json_loadb(output, length, JSON_REJECT_DUPLICATES, &where);
    ErrCode code =
        object == NULL
            ? err_set(err, ERR_CONFIG, "line %d of what it printed is not JSON", where.line)
            : take_object(object, now_unix_ms, ret_password, ret_lasts_ms, err);
    const json_t *password = json_object_get(object, "password");
    if (json_is_string(password))
        explicit_bzero((char *)(uintptr_t)json_string_value(password),
                       json_string_length(password));
    json_decref(object);
    return code;
}

ErrCode password_answer(const char *output, size_t length, uint64_t now_unix_ms, char *ret_password,
                        uint64_t *ret_lasts_ms, Error *err)
{
    if (length > LIMIT_PASSWORD_BYTES)
        return err_set(err, ERR_LIMIT, "it printed more than %d bytes", LIMIT_PASSWORD_BYTES);
    size_t start = 0;
    while (start < length && strchr(" \t\r\n", output[start]) != NULL && output[start] != '\0')
        start++;
    if (start < length && output[start] == '{')
        return take_json(output, length, now_unix_ms, ret_password, ret_lasts_ms, err);
    if (length > 0 && output[length - 1] == '\n')
        length--;
    if (length > 0 && output[length - 1] == '\r')
        length--;
    ErrCode code = take_password(output, length, ret_password, err);
    if (code == ERR_OK)
        *ret_lasts_ms = 0;
    return code;
}

/* --- who asks --------------------------------------------------------------------------------- */

static void drop(PasswordCommand *self)
{
    explicit_bzero(self->password, sizeof self->password);
    self->is_known = false;
}

static void answer_all(PasswordCommand *self, const Error *err)
{
    self->answering = self->waiting;
    self->waiting = NULL;
    while (self->answering != NULL) {
        Waiter *waiter = self->answering;
        self->answering = waiter->next;
        waiter->cb(err == NULL ? self->password : NULL, self->number, err, waiter->data);
        free(waiter);
    }
}

static void on_output(const char *output, size_t length, const Error *err, void *data)
{
    PasswordCommand *self = data;
    Error failure = {0};
    uint64_t lasts_ms = 0;
    self->command = NULL;
    if (err != NULL)
        failure = *err;
    else if (password_answer(output, length, clock_unix_ms(), self->password, &lasts_ms,
                             &failure) != ERR_OK)
        err_wrap(&failure, "'%.200s'", self->argv->items[0]);
    if (failure.code != ERR_OK) {
        err_wrap(&failure, "the password command of cluster %s", self->cluster);
        err_hint(&failure, "Run it as the agent's user: it must print the password, and nothing "
                           "else, and end with status 0.");
        failure.code = ERR_CONNECT; /* what it is for whoever wants to connect: worth a retry */
        answer_all(self, &failure);
        return;
    }
    self->is_known = true;
    self->number++;
    self->expires_ms = lasts_ms == 0 ? 0 : clock_monotonic_ms() + lasts_ms;
    log_event(LOG_INFO, "password.fetched", "cluster", self->cluster, NULL);
    answer_all(self, NULL);
}

static void ask(PgPasswords *passwords, uv_loop_t *loop, uint64_t refused, PgPasswordCb *cb,
                void *data)
{
    PasswordCommand *self = (PasswordCommand *)passwords;
    bool expired = self->expires_ms != 0 && clock_monotonic_ms() >= self->expires_ms;
    if (self->is_known && (expired || self->number == refused))
        drop(self);
    if (self->is_known) {
        cb(self->password, self->number, NULL, data);
        return;
    }
    Waiter **end = &self->waiting;
    while (*end != NULL)
        end = &(*end)->next;
    *end = xcalloc(1, sizeof **end);
    **end = (Waiter){.cb = cb, .data = data};
    if (self->command != NULL)
        return;
    OutputCommandArgs args = {
        .argv = self->argv,
        .output_bytes_max = LIMIT_PASSWORD_BYTES,
        .deadline_ms = PASSWORD_DEADLINE_MS,
        .is_secret = true,
    };
    self->command = output_command_start(loop, &args, on_output, self);
}

static bool forget(Waiter **list, const void *data)
{
    for (; *list != NULL; list = &(*list)->next) {
        Waiter *waiter = *list;
        if (waiter->data != data)
            continue;
        *list = waiter->next;
        free(waiter);
        return true;
    }
    return false;
}

static void cancel(PgPasswords *passwords, void *data)
{
    PasswordCommand *self = (PasswordCommand *)passwords;
    if (!forget(&self->waiting, data))
        forget(&self->answering, data);
    if (self->waiting == NULL && self->command != NULL) {
        output_command_cancel(self->command);
        self->command = NULL;
    }
}

static const char *known(const PgPasswords *passwords)
{
    const PasswordCommand *self = (const PasswordCommand *)passwords;
    return self->is_known ? self->password : NULL;
}

PgPasswords *password_command_new(Arena *arena, const char *cluster, const StrList *argv)
{
    PasswordCommand *self = ARENA_NEW(arena, PasswordCommand);
    self->passwords = (PgPasswords){.ask = ask, .cancel = cancel, .known = known};
    self->cluster = cluster;
    self->argv = argv;
    return &self->passwords;
}
