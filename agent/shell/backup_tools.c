#include "backup_tools.h"

#include "file.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

ToolArgs tool_args(Arena *arena, const char *name)
{
    return (ToolArgs){.arena = arena, .items = {name}, .count = 1};
}

void tool_arg(ToolArgs *args, const char *fmt, ...)
{
    char text[8192];
    va_list values;
    va_start(values, fmt);
    vsnprintf(text, sizeof text, fmt, values);
    va_end(values);
    if (args->count < TOOL_ARGUMENTS_MAX - 1)
        args->items[args->count++] = arena_strdup(args->arena, text);
}

const char *tool_program(Arena *arena, const ClusterSettings *cluster, const char *name)
{
    return cluster->pg_bin == NULL ? name : path_join(arena, cluster->pg_bin, name);
}

const char *tool_session_name(Arena *arena)
{
    return arena_printf(arena, TOOL_SESSION_PREFIX "%d", (int)getpid());
}

void tool_environment_add(Arena *arena, const char **env, const char *name, const char *value)
{
    size_t count = 0;
    while (env[count] != NULL)
        count++;
    env[count] = arena_printf(arena, "%s=%s", name, value);
}

const char **tool_environment(Arena *arena, const ClusterSettings *cluster, const char *database,
                              size_t more)
{
    static const char *const passed[] = {
        "PATH",      "HOME",          "LANG",      "TZ",      "TMPDIR", "LD_LIBRARY_PATH",
        "PGSSLMODE", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY"};
    enum { PASSED = sizeof passed / sizeof passed[0], OURS = 8 };
    const char **env = ARENA_ARRAY(arena, const char *, PASSED + OURS + more + 1);
    for (size_t i = 0; i < PASSED; i++)
        if (getenv(passed[i]) != NULL)
            tool_environment_add(arena, env, passed[i], getenv(passed[i]));
    tool_environment_add(arena, env, "PGHOST", cluster->host);
    tool_environment_add(arena, env, "PGPORT", arena_printf(arena, "%d", (int)cluster->port));
    tool_environment_add(arena, env, "PGUSER", cluster->user);
    tool_environment_add(arena, env, "PGDATABASE", database);
    tool_environment_add(arena, env, "PGAPPNAME", tool_session_name(arena));
    tool_environment_add(arena, env, "PGCONNECT_TIMEOUT", "10");
    if (cluster->passfile != NULL)
        tool_environment_add(arena, env, "PGPASSFILE", cluster->passfile);
    return env;
}

const char *tool_pattern(Arena *arena, const char *name)
{
    AUTO_STR Str text = {0};
    str_append_char(&text, '"');
    for (; *name != '\0'; name++) {
        if (*name == '"')
            str_append_char(&text, '"');
        str_append_char(&text, *name);
    }
    str_append_char(&text, '"');
    return arena_strdup(arena, str_text(&text));
}

/* The last line that says something. */
static const char *last_line(const char *text, int *ret_length)
{
    size_t end = strlen(text);
    while (end > 0 && (text[end - 1] == '\n' || text[end - 1] == '\r'))
        end--;
    size_t start = end;
    while (start > 0 && text[start - 1] != '\n')
        start--;
    *ret_length = (int)(end - start);
    return text + start;
}

ErrCode tool_result(const char *name, const ChildResult *result, Error *err)
{
    int length;
    if (result->exit_status == 0 && result->term_signal == 0)
        return ERR_OK;
    const char *said = last_line(result->errors, &length);
    if (result->term_signal != 0)
        err_set(err, ERR_BACKUP, "%s was ended by signal %d", name, result->term_signal);
    else
        err_set(err, ERR_BACKUP, "%s ended with status %d: %.*s", name, (int)result->exit_status,
                length > 180 ? 180 : length, said);
    err_detail(err, "%s", result->errors);
    return ERR_BACKUP;
}
