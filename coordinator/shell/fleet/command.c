#include "command.h"

#include <stdlib.h>
#include <string.h>

static const char *const *environment(Arena *arena, const char *const *told)
{
    size_t count = 0;
    const char *path = getenv("PATH");
    while (told[count] != NULL)
        count++;
    const char **env = ARENA_ARRAY(arena, const char *, count + 2);
    env[0] = arena_printf(arena, "PATH=%s", path == NULL ? "/usr/bin:/bin" : path);
    memcpy(env + 1, told, count * sizeof *env);
    return env;
}

ErrCode command_start(uv_loop_t *loop, const CommandArgs *args, ChildCb *cb, void *data,
                      Child **ret_child, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    ChildArgs child = {
        .program = args->argv->items[0],
        .argv = strlist_argv(arena, args->argv),
        .env = environment(arena, args->told),
        .input = args->input == NULL ? NULL : args->input->data,
        .input_length = args->input == NULL ? 0 : args->input->length,
    };
    return child_start(loop, &child, cb, data, ret_child, err);
}

const char *command_said(const ChildResult *result, int *ret_length)
{
    const char *line = result->errors[0] != '\0' ? result->errors : result->output;
    for (const char *at = line; *at != '\0'; at++) {
        if (*at == '\n' && at[1] != '\0')
            line = at + 1;
    }
    *ret_length = (int)strcspn(line, "\r\n");
    return line;
}
