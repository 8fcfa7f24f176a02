#include "run_frame.h"

#include "lock_budget.h"
#include "named_limits.h"
#include "plan.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    LOCK_TIMEOUT_DEFAULT_MS = 500,
    LOCK_ATTEMPTS_DEFAULT = 10,
    WAIT_DEFAULT_MS = 10000,
    JOBS_DEFAULT = 8,
};

static const char *make_who(Arena *arena)
{
    char host[256] = "localhost";
    (void)gethostname(host, sizeof host - 1);
    const struct passwd *user = getpwuid(getuid());
    return arena_printf(arena, "%s@%s", user == NULL ? "unknown" : user->pw_name, host);
}

static ErrCode read_time(CommandContext *context, const char *option, uint64_t fallback_ms,
                         uint64_t min_ms, uint64_t max_ms, uint32_t *ret_ms, Error *err)
{
    uint64_t ms;
    ErrCode code = context_duration(context, option, fallback_ms, &ms, err);
    if (code != ERR_OK)
        return code;
    if (ms < min_ms || ms > max_ms)
        return err_set(err, ERR_USAGE, "--%s: %s to %llu s", option, min_ms == 0 ? "0" : "1ms",
                       (unsigned long long)max_ms / 1000);
    *ret_ms = (uint32_t)ms;
    return ERR_OK;
}

static ErrCode read_text(const CommandContext *context, const char *option, const char **ret_text,
                         Error *err)
{
    const char *text = context_option(context, option);
    if (text != NULL && *text == '\0')
        return err_set(err, ERR_USAGE, "--%s needs a text: it is kept in the shard", option);
    if (text != NULL && (strlen(text) > LIMIT_TEXT_BYTES || !str_is_utf8(text, strlen(text))))
        return err_set(err, ERR_USAGE, "--%s: UTF-8 text of at most %d bytes", option,
                       LIMIT_TEXT_BYTES);
    *ret_text = text;
    return ERR_OK;
}

static ErrCode read_budget(const CommandContext *context, uint32_t *ret_ms, Error *err)
{
    const char *text = context_option(context, "lock-budget");
    *ret_ms = LOCK_BUDGET_DEFAULT_MS;
    if (text != NULL && !lock_budget_parse(text, ret_ms))
        return err_set(err, ERR_USAGE, "--lock-budget: 100ms to 10m, or none");
    return ERR_OK;
}

static ErrCode read_schemas(CommandContext *context, RunSettings *settings, Error *err)
{
    settings->schema = context_option(context, "schema");
    settings->shared_schemas = context_options(context, "shared-schema");
    if (settings->shared_schemas.count == 0)
        strlist_add(context->arena, &settings->shared_schemas, "public");
    for (size_t i = 0; i <= settings->shared_schemas.count; i++) {
        const char *name = i == 0 ? settings->schema : settings->shared_schemas.items[i - 1];
        if (name != NULL &&
            (*name == '\0' || strlen(name) > LIMIT_NAME_BYTES || !str_is_utf8(name, strlen(name))))
            return err_set(err, ERR_USAGE, "--%s: a UTF-8 name of at most %d bytes",
                           i == 0 ? "schema" : "shared-schema", LIMIT_NAME_BYTES);
    }
    return ERR_OK;
}

ErrCode run_settings_read(CommandContext *context, RunSettings *ret_settings, Error *err)
{
    RunSettings settings = {
        .who = make_who(context->arena),
        .assignments = context_options(context, "set"),
        .strict = context_has(context, "strict"),
        .single_transaction = context_has(context, "single-transaction"),
        .dry_run = context_has(context, "dry-run"),
        .no_hooks = context_has(context, "no-hooks"),
    };
    settings.application_name =
        arena_printf(context->arena, "pgtide %s %d", settings.who, (int)getpid());
    ErrCode code = read_schemas(context, &settings, err);
    if (code == ERR_OK)
        code = read_text(context, "unmanaged", &settings.unmanaged_reason, err);
    if (code == ERR_OK)
        code = read_text(context, "tag", &settings.tag, err);
    if (code == ERR_OK)
        code = read_time(context, "lock-timeout", LOCK_TIMEOUT_DEFAULT_MS, 1, LIMIT_LOCK_TIMEOUT_MS,
                         &settings.lock_timeout_ms, err);
    if (code == ERR_OK)
        code = read_budget(context, &settings.lock_budget_ms, err);
    if (code == ERR_OK)
        code = context_number(context, "lock-attempts", LOCK_ATTEMPTS_DEFAULT, LIMIT_LOCK_ATTEMPTS,
                              &settings.lock_attempts, err);
    if (code == ERR_OK)
        code = read_time(context, "wait", WAIT_DEFAULT_MS, 0, LIMIT_RUN_WAIT_MS, &settings.wait_ms,
                         err);
    if (code == ERR_OK)
        *ret_settings = settings;
    return code;
}

void run_warn_of_assignments(CommandContext *context, const RevisionMap *map,
                             const StrList *assignments)
{
    if (assignments->count == 0 || map == NULL)
        return;
    StrList unknown = run_plan_unknown_names(context->arena, map, assignments);
    for (size_t i = 0; i < unknown.count; i++)
        note(context, "-x: no file declares a placeholder %s", unknown.items[i]);
}

/* --- databases -------------------------------------------------------------------------------- */

static ErrCode read_one(RunFrame *frame, Error *err)
{
    CommandContext *context = frame->context;
    UrlEntry *entry = ARENA_NEW(context->arena, UrlEntry);
    const char *url = context_option(context, "url");
    if (url != NULL && *url == '\0') { /* a shell's unset variable must not mean another database */
        err_set(err, ERR_USAGE, "--url is empty");
        err_hint(err, "Leave it out to have PGTIDE_URL or libpq's environment say the database.");
        return ERR_USAGE;
    }
    if (url == NULL)
        url = getenv("PGTIDE_URL");
    if (url != NULL && *url != '\0') {
        ErrCode code =
            pg_parse_conninfo(context->arena, url, &entry->conninfo, &entry->conninfo_count, err);
        if (code != ERR_OK)
            return code;
    }
    entry->name = "";
    frame->databases = (UrlFile){.items = entry, .count = 1};
    frame->jobs_max = 1;
    static const char *const others[] = {"jobs", "on-failure"};
    for (size_t i = 0; i < 2; i++) {
        if (context_has(context, others[i]))
            return err_set(err, ERR_USAGE, "--%s goes with --urls", others[i]);
    }
    return ERR_OK;
}

static ErrCode read_many(RunFrame *frame, const char *path, Error *err)
{
    CommandContext *context = frame->context;
    frame->many = true;
    if (context_has(context, "url"))
        return err_set(err, ERR_USAGE, "either --url or --urls");
    ErrCode code = failure_policy_parse(context_option(context, "on-failure"), &frame->policy, err);
    if (code == ERR_OK)
        code = context_number(frame->context, "jobs", JOBS_DEFAULT, LIMIT_RUN_CONNECTIONS,
                              &frame->jobs_max, err);
    if (code == ERR_OK)
        code = url_file_read(context->arena, path, &frame->databases, err);
    return code;
}

ErrCode run_databases_read(RunFrame *frame, Error *err)
{
    const char *path = context_option(frame->context, "urls");
    ErrCode code = path == NULL ? read_one(frame, err) : read_many(frame, path, err);
    for (size_t i = 0; code == ERR_OK && i < frame->databases.count; i++) {
        UrlEntry *entry = &frame->databases.items[i];
        if (entry->schema == NULL)
            entry->schema = frame->settings.schema;
    }
    return code;
}
