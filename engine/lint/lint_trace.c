#include "lint_add.h"

#include "sql_tree.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_MAX = 3 }; /* that a message has; the rest is counted */

typedef struct Tracer {
    Arena *arena;
    const Script *script;
    const LintTraced *traced;
    LintFindings *findings;
    StrList *words; /* of each statement: names and keywords as the catalog has them */
    const Statement *statement;
    const TracedStatement *item; /* of it */
} Tracer;

static LintClass class_of(TraceClass trace_class)
{
    static const LintClass classes[TRACE_CLASS_COUNT] = {
        [TRACE_INSTANT] = LINT_INSTANT, [TRACE_ROWS] = LINT_ROWS,       [TRACE_SCAN] = LINT_SCAN,
        [TRACE_BUILD] = LINT_BUILD,     [TRACE_REWRITE] = LINT_REWRITE,
    };
    return classes[trace_class];
}

/* --- names ------------------------------------------------------------------------------------ */

static int compare_names(const void *key, const void *item)
{
    return strcmp(key, *(const char *const *)item);
}

static bool is_known(const Tracer *tracer, const char *table)
{
    const StrList *known = tracer->traced->known;
    return known->count > 0 &&
           bsearch(table, known->items, known->count, sizeof *known->items, compare_names) != NULL;
}

/* Of tables that were there before the revision. */
static StrList known_of(const Tracer *tracer, const StrList *names)
{
    StrList kept = {0};
    for (size_t i = 0; i < names->count; i++) {
        if (is_known(tracer, names->items[i]))
            strlist_add(tracer->arena, &kept, names->items[i]);
    }
    return kept;
}

/* "a, b, c and 4 more" */
static const char *listed(Arena *arena, const StrList *names)
{
    StrList few = *names;
    if (few.count > NAMES_MAX)
        few.count = NAMES_MAX;
    const char *text = strlist_join(arena, &few, ", ");
    return names->count > few.count
               ? arena_printf(arena, "%s and %zu more", text, names->count - few.count)
               : text;
}

/* The part behind the schema, without quotes. */
static const char *bare_name(Arena *arena, const char *qualified)
{
    const char *at = qualified;
    for (bool quoted = false; *at != '\0' && (quoted || *at != '.'); at++)
        quoted = quoted != (*at == '"');
    const char *name = *at == '.' ? at + 1 : qualified;
    size_t length = strlen(name);
    return name[0] == '"' ? arena_strndup(arena, name + 1, length - 2) : name;
}

/* A token as the catalog has it, when it is a name or a keyword; else NULL. */
static const char *word_of(Arena *arena, const char *token)
{
    size_t length = strlen(token);
    if (token[0] == '"')
        return arena_strndup(arena, token + 1, length < 2 ? 0 : length - 2);
    unsigned char first = (unsigned char)token[0];
    if (!isalpha(first) && first != '_' && first < 0x80)
        return NULL;
    char *word = arena_strdup(arena, token);
    for (char *at = word; *at != '\0'; at++)
        *at = (char)tolower((unsigned char)*at);
    return word;
}

/* Once for each statement: many keys and locks are looked up in them. */
static StrList words_of(Arena *arena, const Statement *statement)
{
    StrList words = {0};
    SqlTokens tokens = sql_tokens(arena, statement->text);
    for (size_t i = 0; i < tokens.count; i++) {
        const char *word = word_of(arena, sql_slice(arena, &tokens, i, i + 1));
        if (word != NULL)
            strlist_add(arena, &words, word);
    }
    return words;
}

/* A name with a quote in it is not found, and is told of once too often. */
static bool is_named(const Tracer *tracer, const Statement *statement, const char *name)
{
    size_t index = (size_t)(statement - tracer->script->upgrade.statements.items);
    return strlist_has(&tracer->words[index], name);
}

/* --- a statement ------------------------------------------------------------------------------ */

static int strength_on(const TracedStatement *item, const char *table)
{
    if (strlist_has(&item->held, table))
        return TRACE_STOPS_READS;
    for (size_t i = 0; i < item->lock_count; i++) {
        if (strcmp(item->locks[i].relation, table) == 0)
            return item->locks[i].strength;
    }
    return 0;
}

/* Whether others wait while it works, on a table that they know. */
static const char *held_up(const Tracer *tracer, const StrList *tables, int *ret_strength)
{
    for (size_t i = 0; i < tables->count; i++) {
        int strength = strength_on(tracer->item, tables->items[i]);
        if (strength < TRACE_STOPS_WRITES || !is_known(tracer, tables->items[i]))
            continue;
        *ret_strength = strength;
        return tables->items[i];
    }
    return NULL;
}

static LintFinding *found(const Tracer *tracer, LintRule rule, const char *what)
{
    LintFinding *finding =
        lint_add(tracer->arena, tracer->findings, rule, tracer->script, tracer->statement, what);
    finding->traced = true;
    return finding;
}

/* What the parser said of it is confirmed. Whether there is something that explains its work. */
static bool confirm(const Tracer *tracer, size_t first)
{
    bool explained = false;
    for (size_t i = first; i < tracer->findings->count; i++) {
        LintFinding *finding = &tracer->findings->items[i];
        if (finding->statement != tracer->statement || finding->info.lint_class < LINT_SCAN)
            continue;
        finding->traced = true;
        finding->info.lint_class = class_of(tracer->item->trace_class);
        explained = true;
    }
    return explained;
}

static void find_work(const Tracer *tracer)
{
    const TracedStatement *item = tracer->item;
    const struct {
        const StrList *tables;
        LintRule rule;
        const char *verb;
    } works[] = {{&item->rewritten, LINT_REWRITES_TABLE, "writes %s anew"},
                 {&item->built_on, LINT_BUILDS_INDEX, "builds an index of %s"},
                 {&item->scanned, LINT_READS_TABLE, "reads %s"}};
    for (size_t i = 0; i < sizeof works / sizeof works[0]; i++) {
        int strength = 0;
        const char *table = held_up(tracer, works[i].tables, &strength);
        if (table == NULL)
            continue;
        LintFinding *finding =
            found(tracer, works[i].rule,
                  arena_printf(tracer->arena, "%.*s%s%s", (int)strcspn(works[i].verb, "%"),
                               works[i].verb, table, strchr(works[i].verb, '%') + 2));
        finding->info.lock = trace_mode_name(strength);
        return;
    }
}

/* The first of a transaction says it for the others. */
static void find_held(const Tracer *tracer, uint32_t *told_in)
{
    const TracedStatement *item = tracer->item;
    StrList held = known_of(tracer, &item->held);
    if (held.count == 0)
        return;
    const char *tables = listed(tracer->arena, &held);
    if (item->trace_class != TRACE_INSTANT) {
        found(tracer, LINT_WORK_UNDER_LOCK,
              arena_printf(tracer->arena, "works while %s is locked", tables))
            ->info.lint_class = class_of(item->trace_class);
    } else if (*told_in != item->transaction) {
        *told_in = item->transaction;
        found(tracer, LINT_UNDER_LOCK,
              arena_printf(tracer->arena, "runs while %s is locked", tables));
    }
}

static void find_others(const Tracer *tracer)
{
    const TracedStatement *item = tracer->item;
    bool creates = strcmp(tracer->statement->first_keyword, "CREATE") == 0 &&
                   strcmp(tracer->statement->second_keyword, "TABLE") == 0;
    StrList others = {0};
    int strength = 0;
    for (size_t i = 0; i < item->lock_count; i++) {
        const TraceLock *lock = &item->locks[i];
        const char *bare = bare_name(tracer->arena, lock->relation);
        if (lock->strength < TRACE_STOPS_WRITES || !is_known(tracer, lock->relation) ||
            (!creates && is_named(tracer, tracer->statement, bare)))
            continue;
        strlist_add(tracer->arena, &others, lock->relation);
        strength = lock->strength > strength ? lock->strength : strength;
    }
    if (others.count == 0)
        return;
    found(tracer, LINT_OTHER_TABLE,
          arena_printf(tracer->arena, "locks %s", listed(tracer->arena, &others)))
        ->info.lock = trace_mode_name(strength);
}

/* --- the revision ----------------------------------------------------------------------------- */

/* SET, BEGIN and COMMIT of `transaction: none` are not traced. */
static const TracedStatement *item_of(const Tracer *tracer, const Statement *statement, size_t *at)
{
    const LintTraced *traced = tracer->traced;
    const char *what = statement_in_few_words(tracer->arena, statement->text);
    if (*at == traced->count || (int)traced->items[*at].cost.line != statement->line ||
        strcmp(traced->items[*at].cost.what, what) != 0)
        return NULL;
    return &traced->items[(*at)++];
}

/* Work that was expected of the statement and did not happen, but for what ALTER DOMAIN reads,
 * which no trace tells; and that nothing could be said of it. */
static bool is_settled(const Tracer *tracer, const LintFinding *finding)
{
    if (finding->statement != tracer->statement)
        return false;
    bool worked = tracer->item->trace_class >= TRACE_SCAN;
    return finding->rule == LINT_UNKNOWN || finding->rule == LINT_OPAQUE ||
           (!worked && finding->info.lint_class >= LINT_SCAN &&
            finding->rule != LINT_DOMAIN_CONSTRAINT);
}

static void drop_settled(const Tracer *tracer, size_t first)
{
    LintFindings *findings = tracer->findings;
    size_t kept = first;
    for (size_t i = first; i < findings->count; i++) {
        if (!is_settled(tracer, &findings->items[i]))
            findings->items[kept++] = findings->items[i];
    }
    findings->count = kept;
}

static const Statement *statement_of_key(const Tracer *tracer, const LintKey *key)
{
    const StatementList *list = &tracer->script->upgrade.statements;
    for (size_t i = 0; i < list->count; i++) {
        if (is_named(tracer, &list->items[i], key->table) &&
            is_named(tracer, &list->items[i], "references"))
            return &list->items[i];
    }
    return NULL;
}

static void find_keys(Tracer *tracer)
{
    for (size_t i = 0; i < tracer->traced->key_count; i++) {
        const LintKey *key = &tracer->traced->keys[i];
        tracer->statement = statement_of_key(tracer, key);
        found(tracer, LINT_KEY_WITHOUT_INDEX, arena_strdup(tracer->arena, key->what));
    }
}

static void find_failure(Tracer *tracer)
{
    const Error *failure = tracer->traced->failure;
    tracer->statement = NULL;
    const StatementList *list = &tracer->script->upgrade.statements;
    for (size_t i = 0; i < list->count && list->items[i].line <= failure->line; i++)
        tracer->statement = &list->items[i];
    LintFinding *finding = found(tracer, LINT_FAILS, arena_strdup(tracer->arena, failure->message));
    finding->sqlstate = arena_strdup(tracer->arena, failure->sqlstate);
    finding->line = failure->line;
    finding->column = failure->column;
    if (failure->hint[0] != '\0')
        finding->info.safe = arena_strdup(tracer->arena, failure->hint);
}

void lint_trace(Arena *arena, const Script *script, const LintTraced *traced, size_t first,
                LintFindings *findings)
{
    Tracer tracer = {.arena = arena, .script = script, .traced = traced, .findings = findings};
    const StatementList *list = &script->upgrade.statements;
    uint32_t told_in = 0;
    size_t at = 0;
    tracer.words = ARENA_ARRAY(arena, StrList, list->count + 1);
    for (size_t i = 0; i < list->count; i++)
        tracer.words[i] = words_of(arena, &list->items[i]);
    for (size_t i = 0; i < list->count; i++) {
        tracer.statement = &list->items[i];
        tracer.item = item_of(&tracer, tracer.statement, &at);
        if (tracer.item == NULL || tracer.item->alone)
            continue;
        drop_settled(&tracer, first);
        if (tracer.item->trace_class >= TRACE_SCAN && !confirm(&tracer, first))
            find_work(&tracer);
        find_held(&tracer, &told_in);
        find_others(&tracer);
    }
    find_keys(&tracer);
    if (traced->failure != NULL)
        find_failure(&tracer);
}
