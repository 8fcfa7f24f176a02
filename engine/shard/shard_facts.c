#include "shard_facts.h"

#include "json.h"
#include "named_limits.h"

#include <math.h>
#include <stdlib.h>

FactsMark facts_mark(const PgResult *result, int column)
{
    FactsMark mark = {.at_s = strtod(pg_text(result, 0, column), NULL)};
    char *low;
    uint64_t high = strtoull(pg_text(result, 0, column + 1), &low, 16);
    if (*low == '/')
        mark.wal = high << 32 | strtoull(low + 1, NULL, 16);
    return mark;
}

void facts_between(const FactsMark *from, const FactsMark *to, StatementFacts *item)
{
    double ms = (to->at_s - from->at_s) * 1000;
    item->duration_ms = ms > 0 ? (uint64_t)llround(ms) : 0; /* a server's clock may be put back */
    item->wal_bytes = to->wal > from->wal ? to->wal - from->wal : 0;
}

/* --- where the answers are -------------------------------------------------------------------- */

void facts_run_add(FactsRun *run, PgBatch *batch, const StatementList *statements,
                   FactsAddMark *add_mark, void *data)
{
    run->statements = statements;
    run->at = batch->count;
    run->stride = (statements->count + LIMIT_FACT_MARKS - 1) / LIMIT_FACT_MARKS;
    if (run->stride == 0)
        run->stride = 1;
    for (size_t i = 0; i < statements->count; i++) {
        if (i > 0 && i % run->stride == 0)
            add_mark(data, batch);
        shard_statement_add(batch, &statements->items[i]);
    }
}

static size_t answer_of(const FactsRun *run, size_t statement)
{
    return run->at + statement + statement / run->stride;
}

const Statement *facts_run_statement(const FactsRun *run, size_t answer)
{
    if (run->statements == NULL || run->statements->count == 0 || answer < run->at ||
        answer > answer_of(run, run->statements->count - 1))
        return NULL;
    size_t block = (answer - run->at) / (run->stride + 1);
    size_t within = (answer - run->at) % (run->stride + 1);
    size_t last = within == run->stride ? run->stride - 1 : within;
    return &run->statements->items[block * run->stride + last];
}

/* --- reading ---------------------------------------------------------------------------------- */

/* Statements `first` to `end`, of which the answers are there. */
static StatementFacts describe(const FactsRun *run, const PgReply *reply, const FactsRead *read,
                               size_t first, size_t end)
{
    const Statement *statement = &run->statements->items[first];
    StatementFacts item = {
        .revision = read->revision,
        .line = statement->line > 0 ? (uint32_t)statement->line : 0,
        .what = statement_in_few_words(read->arena, statement->text),
        .statements = (uint32_t)(end - first),
    };
    for (size_t i = first; i < end && answer_of(run, i) < reply->count; i++)
        item.rows += pg_affected(&reply->results[answer_of(run, i)]);
    return item;
}

/* The statement that failed, or those of its mark; `from` is where they began. */
static StatementFacts describe_failed(const FactsRun *run, const PgReply *reply,
                                      const FactsRead *read, size_t first, const FactsMark *start,
                                      const FactsMark *from)
{
    const Statement *failed = facts_run_statement(run, reply->failed);
    size_t at =
        failed == NULL ? run->statements->count - 1 : (size_t)(failed - run->statements->items);
    uint64_t known_ms = (uint64_t)llround((from->at_s - start->at_s) * 1000);
    uint64_t all_ms = read->now_ms - run->sent_ms;
    StatementFacts item = describe(run, reply, read, at, at + 1);
    item.rows = 0;
    item.statements = (uint32_t)(at + 1 - first);
    item.duration_ms = all_ms > known_ms ? all_ms - known_ms : 0;
    item.lock_wait_ms = facts_waited_ms(read->waits, read->wait_count, from->at_s, 0);
    item.failed = true;
    return item;
}

uint64_t facts_waited_ms(const WatchWait *waits, size_t count, double from_s, double until_s)
{
    double waited_s = 0;
    for (size_t i = 0; i < count; i++) {
        double since_s = fmax(waits[i].since_s, from_s);
        double end_s = until_s == 0 ? waits[i].until_s : fmin(waits[i].until_s, until_s);
        waited_s += fmax(end_s - since_s, 0);
    }
    return (uint64_t)llround(waited_s * 1000);
}

void facts_run_read(const FactsRun *run, const PgReply *reply, const FactsRead *read,
                    FactList *list)
{
    size_t count = run->statements == NULL ? 0 : run->statements->count;
    size_t reached = reply->error != NULL ? reply->failed : reply->count;
    if (count == 0 || run->at_start >= reached)
        return;
    FactsMark start = facts_mark(&reply->results[run->at_start], run->start_column);
    FactsMark from = start;
    for (size_t first = 0; first < count; first += run->stride) {
        size_t end = first + run->stride < count ? first + run->stride : count;
        size_t at_mark = end == count ? run->at_end : answer_of(run, end) - 1;
        if (at_mark >= reached) {
            StatementFacts failed = describe_failed(run, reply, read, first, &start, &from);
            facts_add(read->arena, list, &failed);
            return;
        }
        FactsMark to = facts_mark(&reply->results[at_mark], 0);
        StatementFacts item = describe(run, reply, read, first, end);
        facts_between(&from, &to, &item);
        item.lock_wait_ms = facts_waited_ms(read->waits, read->wait_count, from.at_s, to.at_s);
        facts_add(read->arena, list, &item);
        from = to;
    }
}

/* --- keeping ---------------------------------------------------------------------------------- */

bool facts_are_slow(const FactList *list)
{
    for (size_t i = 0; i < list->count; i++) {
        const StatementFacts *item = &list->items[i];
        if (item->duration_ms >= FACTS_SLOW_MS || item->lock_wait_ms > 0)
            return true;
    }
    return false;
}

const char *facts_format(Arena *arena, const FactList *list)
{
    if (list->count == 0)
        return NULL;
    FactList kept = facts_clone(arena, list);
    facts_keep_longest(&kept, LIMIT_FACTS_PER_STEP);
    AUTO_STR Str text = {0};
    JsonWriter json = json_writer(&text);
    json_array_begin(&json);
    for (size_t i = 0; i < kept.count; i++) {
        const StatementFacts *item = &kept.items[i];
        json_object_begin(&json);
        json_field_uint(&json, "line", item->line);
        json_field_string(&json, "what", item->what);
        if (item->statements > 1)
            json_field_uint(&json, "statements", item->statements);
        json_field_uint(&json, "duration_ms", item->duration_ms);
        json_field_uint(&json, "lock_wait_ms", item->lock_wait_ms);
        json_field_uint(&json, "wal_bytes", item->wal_bytes);
        json_field_uint(&json, "rows", item->rows);
        if (item->failed)
            json_field_bool(&json, "failed", true);
        json_object_end(&json);
    }
    json_array_end(&json);
    return arena_strdup(arena, str_text(&text));
}
