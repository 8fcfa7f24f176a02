/*
 * `edit` opens a revision's file in the user's editor, and reads it again afterwards: an error is
 * told while it is fresh.
 */
#include "file.h"
#include "listing.h"
#include "run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* VISUAL and EDITOR may hold a command with arguments, so a shell reads them, as for git and
 * crontab; the file's name is an argument of its own. */
static void editor_exec(Arena *arena, const char *file)
{
    static const char *const names[] = {"VISUAL", "EDITOR"};
    const char *editor = "vi";
    for (size_t i = 0; i < 2; i++) {
        const char *value = getenv(names[i]);
        if (value != NULL && *value != '\0') {
            editor = value;
            break;
        }
    }
    execl("/bin/sh", "sh", "-c", arena_printf(arena, "%s \"$1\"", editor), "sh", file,
          (char *)NULL);
    _exit(127);
}

static ErrCode editor_run(Arena *arena, const char *file, Error *err)
{
    pid_t child = fork();
    if (child < 0)
        return err_set(err, ERR_IO, "can't start an editor: %s", strerror(errno));
    if (child == 0)
        editor_exec(arena, file);
    int status;
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR)
            return err_set(err, ERR_IO, "can't wait for the editor: %s", strerror(errno));
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return ERR_OK;
    err_set(err, ERR_IO, "the editor ended with %s %d",
            WIFSIGNALED(status) ? "signal" : "exit status",
            WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    err_hint(err, "VISUAL or EDITOR names the editor; without them it is vi.");
    return ERR_IO;
}

/* The revisions' files. One that can't be read is found by its name: it is what needs editing. */
static ErrCode files_find(CommandContext *context, StrList *ret_files, Error *err)
{
    Project project;
    RevisionMap *map;
    const Script **scripts;
    const StrList *rows;
    size_t count;
    const char *wanted = context_argument(context, 0);
    ErrCode code = project_open(context->arena, context->config, &project, &map, err);
    if (code == ERR_SCRIPT && str_starts_with(path_basename(err->file), wanted)) {
        strlist_add(context->arena, ret_files, err->file);
        return ERR_OK;
    }
    if (code == ERR_OK)
        code = listing_find(context, map, wanted, &scripts, &count, &rows, err);
    if (code != ERR_OK)
        return code;
    if (count == 0) {
        err_set(err, ERR_REVISION_UNKNOWN, "'%.160s' is no revision file%s", wanted,
                rows != NULL ? ": the database is at base" : "");
        return ERR_REVISION_UNKNOWN;
    }
    for (size_t i = 0; i < count; i++)
        strlist_add(context->arena, ret_files, scripts[i]->file);
    return ERR_OK;
}

static ErrCode run(CommandContext *context, Error *err)
{
    Project project;
    RevisionMap *map;
    StrList files = {0};
    ErrCode code = files_find(context, &files, err);
    for (size_t i = 0; code == ERR_OK && i < files.count; i++)
        code = editor_run(context->arena, files.items[i], err);
    if (code == ERR_OK)
        code = project_open(context->arena, context->config, &project, &map, err);
    if (code != ERR_OK)
        return code;
    JsonWriter json = context_json(context);
    json_object_begin(&json);
    json_field_strings(&json, "files", &files);
    json_object_end(&json);
    return ERR_OK;
}

static const CommandOption options[] = {
    RUN_ONE_OPTIONS,
    {0},
};

const CliCommand cmd_edit = {
    .words = "edit",
    .arguments = "REVISION|heads|current",
    .arguments_min = 1,
    .arguments_max = 1,
    .summary = "open revisions' files in VISUAL or EDITOR, and check them afterwards",
    .details = "`current` is what the database's version rows name; only for that it is asked.",
    .options = options,
    .run = run,
};
