#include "backup_tools.h"

#include "file.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char password_variable[] = "PGPASSWORD";

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

void tool_arg_text(ToolArgs *args, const char *text)
{
    if (args->count < TOOL_ARGUMENTS_MAX - 1)
        args->items[args->count++] = text;
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

void tool_environment_set(Arena *arena, const char **env, const char *name, const char *value)
{
    size_t length = strlen(name);
    for (size_t i = 0; env[i] != NULL; i++)
        if (strncmp(env[i], name, length) == 0 && env[i][length] == '=')
            env[i] = arena_printf(arena, "%s=%s", name, value);
}

static const char **environment(Arena *arena, size_t more)
{
    static const char *const passed[] = {"PATH",   "HOME",          "LANG",           "TZ",
                                         "TMPDIR", "PGSERVICEFILE", "LD_LIBRARY_PATH"};
    enum { PASSED = sizeof passed / sizeof passed[0] };
    const char **env = ARENA_ARRAY(arena, const char *, PASSED + more + 1);
    for (size_t i = 0; i < PASSED; i++)
        if (getenv(passed[i]) != NULL)
            tool_environment_add(arena, env, passed[i], getenv(passed[i]));
    return env;
}

const char **tool_environment_offline(Arena *arena)
{
    return environment(arena, 0);
}

static void add_given(Arena *arena, const char **env, const char *name, const char *value)
{
    if (value != NULL)
        tool_environment_add(arena, env, name, value);
}

/* The file's word, or else that of our own environment, which libpq asks for our connections. */
static void add_ssl(Arena *arena, const char **env, const char *name, const char *value)
{
    add_given(arena, env, name, value == NULL ? getenv(name) : value);
}

const char **tool_environment(Arena *arena, const ClusterSettings *cluster, const char *database,
                              size_t more)
{
    enum { OURS = 13 };
    const char **env = environment(arena, OURS + more);
    if (cluster->service == NULL)
        tool_environment_add(arena, env, "PGPORT", arena_printf(arena, "%d", (int)cluster->port));
    add_given(arena, env, "PGSERVICE", cluster->service);
    add_given(arena, env, "PGHOST", cluster->host);
    add_given(arena, env, "PGUSER", cluster->user);
    add_given(arena, env, "PGPASSFILE", cluster->passfile);
    add_ssl(arena, env, "PGSSLMODE", cluster_sslmode(cluster));
    add_ssl(arena, env, "PGSSLROOTCERT", cluster->sslrootcert);
    add_ssl(arena, env, "PGSSLCERT", cluster->sslcert);
    add_ssl(arena, env, "PGSSLKEY", cluster->sslkey);
    tool_environment_add(arena, env, "PGDATABASE", database);
    tool_environment_add(arena, env, "PGAPPNAME", tool_session_name(arena));
    tool_environment_add(arena, env, "PGCONNECT_TIMEOUT", "10");
    /* Whoever may read a process's environment (root, its own user) may read a file of mode 0600
     * too, and the environment ends with the process: a crash leaves no secret on a disk. */
    if (cluster->passwords != NULL)
        add_given(arena, env, password_variable, cluster->passwords->known(cluster->passwords));
    return env;
}

void tool_environment_wipe(const char *const *env)
{
    size_t name = strlen(password_variable);
    for (; *env != NULL; env++)
        if (strncmp(*env, password_variable, name) == 0 && (*env)[name] == '=')
            explicit_bzero((char *)(uintptr_t)*env + name + 1, strlen(*env + name + 1));
}

const char *tool_database(Arena *arena, const char *database)
{
    AUTO_STR Str text = {0};
    str_append(&text, "dbname='");
    for (; *database != '\0'; database++) {
        if (*database == '\'' || *database == '\\')
            str_append_char(&text, '\\');
        str_append_char(&text, *database);
    }
    str_append_char(&text, '\'');
    return arena_strdup(arena, str_text(&text));
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
