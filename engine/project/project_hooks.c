#include "project_hooks.h"

#include "named_limits.h"

#include <string.h>

typedef struct HookItem {
    const char *sql;
    StrList command;
} HookItem;

static const ConfigField item_fields[] = {
    {.key = "sql",
     .kind = CONFIG_STRING,
     .offset = offsetof(HookItem, sql),
     .min = 1,
     .max = LIMIT_HOOK_SQL_BYTES,
     .help = "statements, run in one transaction of the migrating session"},
    {.key = "command",
     .kind = CONFIG_STRINGS,
     .offset = offsetof(HookItem, command),
     .min = 1,
     .max = LIMIT_HOOK_ARGUMENTS,
     .help = "a program and its arguments; no shell reads them"},
};
static const ConfigTable item_table = CONFIG_TABLE_OF(HookItem, item_fields);

static const char *const moment_names[HOOK_MOMENT_COUNT] = {
    [HOOK_BEFORE_RUN] = "before-run",
    [HOOK_AFTER_RUN] = "after-run",
    [HOOK_BEFORE_REVISION] = "before-revision",
    [HOOK_AFTER_REVISION] = "after-revision",
};

const char *hook_moment_name(HookMoment moment)
{
    return moment_names[moment];
}

/* The hook's statements run in a transaction of ours. */
static void check_statements(Config *config, const ConfigNode *node, const Hook *hook)
{
    if (hook->statements.count == 0)
        config_problem(config, node, "'%s' has no statement", config_node_path(node));
    for (size_t i = 0; i < hook->statements.count; i++) {
        const Statement *statement = &hook->statements.items[i];
        if (statement_is_transaction_control(statement) ||
            statement_needs_no_transaction(statement))
            config_problem(config, node, "'%s': %s can't run here: a hook is one transaction",
                           config_node_path(node), statement->first_keyword);
    }
}

static void read_sql(Arena *arena, Config *config, const ConfigNode *node, Hook *hook,
                     const char *sql)
{
    Error err = {0};
    if (sql_split(arena, hook->file, sql, strlen(sql), config_node_line(node), &hook->statements,
                  &err) != ERR_OK)
        config_problem(config, node, "'%s': %s", config_node_path(node), err.message);
    else
        check_statements(config, node, hook);
}

static void read_item(Arena *arena, Config *config, const ConfigNode *node, Hook *hook)
{
    HookItem item = {0};
    if (config_node_kind(node) != CONFIG_NODE_MAPPING) {
        config_problem_type(config, node, "{sql: ...} or {command: [...]}");
        return;
    }
    if (!config_read(config, node, &item_table, &item))
        return;
    hook->line = config_node_line(node);
    hook->command = item.command;
    if ((item.sql == NULL) == (item.command.count == 0))
        config_problem(config, node, "'%s' must have either sql or command",
                       config_node_path(node));
    else if (item.sql != NULL)
        read_sql(arena, config, config_node_get(node, "sql"), hook, item.sql);
    else if (item.command.items[0][0] == '\0')
        config_problem(config, node, "'%s' names no program", config_node_path(node));
}

static void read_moment(Arena *arena, Config *config, const char *file, const ConfigNode *node,
                        HookList *out)
{
    if (config_node_kind(node) != CONFIG_NODE_SEQUENCE) {
        config_problem_type(config, node, "a list of {sql: ...} and {command: [...]}");
        return;
    }
    if (config_node_count(node) > LIMIT_HOOKS) {
        config_problem(config, node, "'%s' has more than %d items", config_node_path(node),
                       LIMIT_HOOKS);
        return;
    }
    out->count = config_node_count(node);
    out->items = ARENA_ARRAY(arena, Hook, out->count + 1);
    for (size_t i = 0; i < out->count; i++) {
        out->items[i].file = file;
        read_item(arena, config, config_node_item(node, i), &out->items[i]);
    }
}

void project_hooks_read(Arena *arena, Config *config, const char *file, const ConfigNode *node,
                        ProjectHooks *out)
{
    if (config_node_kind(node) != CONFIG_NODE_MAPPING) {
        config_problem_type(config, node,
                            "a mapping of before-run, after-run, before-revision "
                            "and after-revision");
        return;
    }
    for (size_t i = 0; i < config_node_count(node); i++) {
        size_t moment = 0;
        while (moment < HOOK_MOMENT_COUNT &&
               strcmp(config_node_key(node, i), moment_names[moment]) != 0)
            moment++;
        if (moment == HOOK_MOMENT_COUNT)
            config_problem_unknown_key(config, node, i, moment_names, HOOK_MOMENT_COUNT);
        else
            read_moment(arena, config, file, config_node_item(node, i), &out->at[moment]);
    }
}
