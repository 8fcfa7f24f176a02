/*
 * Reading a backup back: by the command that made it, or by pg_restore, with what has to stand
 * before and behind it. What is encrypted is decrypted on its way, and never on the disk as it is.
 */
#include "restore_parts.h"

#include "backup_command.h"
#include "backup_tools.h"

#include <string.h>

enum { RESTORE_JOBS = 2 };

typedef struct Reading {
    Restore *restore;
    PipelinePart parts[PIPELINE_PARTS_MAX];
    size_t count;
} Reading;

static void on_read(const Error *err, void *data)
{
    Restore *restore = data;
    restore->pipeline = NULL;
    if (err == NULL) {
        restore->read(restore);
        return;
    }
    restore->error = *err;
    restore_refuse(restore);
}

static void add(Reading *reading, const char *name, const char *program, const ToolArgs *tool,
                const char *const *env)
{
    const char **argv =
        arena_memdup(reading->restore->arena, tool->items, sizeof *argv * (tool->count + 1));
    reading->parts[reading->count++] =
        (PipelinePart){.name = name, .args = {.program = program, .argv = argv, .env = env}};
}

/* Each statement commits by itself, and none waits for the disk: the swap's COMMIT does, and what
 * is cut off before it is thrown away. */
static const char *const *environment(Restore *restore, const char *database)
{
    enum { OURS = 1 };
    const char **env = tool_environment(restore->arena, restore->args.cluster, database, OURS);
    tool_environment_add(restore->arena, env, "PGOPTIONS", "-c synchronous_commit=off");
    tool_environment_set(restore->arena, env, "PGAPPNAME", restore->application);
    return env;
}

static void add_age(Reading *reading)
{
    Restore *restore = reading->restore;
    ToolArgs args = tool_args(restore->arena, "age");
    tool_arg(&args, "--decrypt");
    tool_arg(&args, "--identity");
    tool_arg_text(&args, restore->args.settings->backup.age_identity);
    tool_arg_text(&args, restore->path);
    add(reading, "age", "age", &args, tool_environment_offline(restore->arena));
}

static void add_command(Reading *reading, const char *into)
{
    Restore *restore = reading->restore;
    const StrList *argv = &restore->command->restore;
    const char **env =
        command_environment(restore->arena, restore->args.cluster, &restore->manifest);
    tool_environment_set(restore->arena, env, "PGDATABASE", into);
    tool_environment_set(restore->arena, env, "PGAPPNAME", restore->application);
    reading->parts[reading->count++] = (PipelinePart){
        .name = "the restoring command",
        .args = {
            .program = argv->items[0], .argv = strlist_argv(restore->arena, argv), .env = env}};
}

static void add_pg_restore(Reading *reading, const char *into)
{
    Restore *restore = reading->restore;
    ToolArgs args = tool_args(restore->arena, "pg_restore");
    tool_arg(&args, "--exit-on-error");
    tool_arg(&args, "--no-password");
    if (restore_is_of_schema(restore)) { /* its contents: the schema itself is there */
        tool_arg(&args, "--file=-");
        tool_arg(&args, "--schema=%s", restore->args.schema);
        tool_arg(&args, "--no-publications");
        tool_arg(&args, "--no-subscriptions");
    } else {
        tool_arg(&args, "--dbname=%s", into);
        if (restore->manifest.method == BACKUP_METHOD_DIRECTORY)
            tool_arg(&args, "--jobs=%d", RESTORE_JOBS);
    }
    if (!restore->manifest.encrypted)
        tool_arg_text(&args, restore->path);
    add(reading, "pg_restore", tool_program(restore->arena, restore->args.cluster, "pg_restore"),
        &args,
        restore_is_of_schema(restore) ? tool_environment_offline(restore->arena)
                                      : environment(restore, into));
}

/* In one transaction, which a schema's names need: they are others' before and after it. */
static void add_psql(Reading *reading, const char *into, const char *before, const char *after)
{
    Restore *restore = reading->restore;
    ToolArgs args = tool_args(restore->arena, "psql");
    tool_arg(&args, "--dbname=%s", tool_database(restore->arena, into));
    tool_arg(&args, "--no-psqlrc");
    tool_arg(&args, "--quiet");
    tool_arg(&args, "--no-password");
    tool_arg(&args, "--output=/dev/null");
    tool_arg(&args, "--set=ON_ERROR_STOP=1");
    tool_arg(&args, "--set=VERBOSITY=terse");
    tool_arg(&args, "--single-transaction");
    tool_arg(&args, "--command");
    tool_arg_text(&args, before);
    tool_arg(&args, "--file=-");
    tool_arg(&args, "--command");
    tool_arg_text(&args, after);
    add(reading, "psql", tool_program(restore->arena, restore->args.cluster, "psql"), &args,
        environment(restore, into));
}

void restore_read(Restore *restore, const char *into, const char *before, const char *after,
                  RestoreThen *then)
{
    Reading reading = {.restore = restore};
    restore->read = then;
    if (restore->manifest.encrypted)
        add_age(&reading);
    if (restore->command != NULL)
        add_command(&reading, into);
    else
        add_pg_restore(&reading, into);
    if (restore_is_of_schema(restore))
        add_psql(&reading, into, before, after);
    ErrCode code = pipeline_start(restore->loop, reading.parts, reading.count, on_read, restore,
                                  &restore->pipeline, &restore->error);
    for (size_t i = 0; i < reading.count; i++)
        tool_environment_wipe(reading.parts[i].args.env);
    if (code != ERR_OK) {
        restore->pipeline = NULL;
        restore_refuse(restore);
    }
}
