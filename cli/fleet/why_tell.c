#include "why_tell.h"

#include "table.h"

#include <string.h>

/* Lines that are told; --json has more. */
enum { WHY_HISTORY = 8, WHY_ROLLOUTS = 5 };

typedef struct Why {
    Arena *arena;
    const json_t *rollouts; /* of the coordinator's view; NULL = none */
    WhySay *say;
    void *data;
} Why;

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value == NULL ? "" : value;
}

static uint64_t number(const json_t *object, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(object, key));
    return value > 0 ? (uint64_t)value : 0;
}

static bool is_true(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

static const char *rows(Arena *arena, const json_t *object, const char *key)
{
    const json_t *list = json_object_get(object, key);
    StrList names = {0};
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        strlist_add(arena, &names, name == NULL ? "" : name);
    }
    return names.count == 0 ? "base" : strlist_join(arena, &names, ", ");
}

/* The longest statement of a step, or the one that failed. */
static const json_t *telling_fact(const json_t *facts)
{
    const json_t *found = NULL;
    for (size_t i = 0; i < json_array_size(facts); i++) {
        const json_t *item = json_array_get(facts, i);
        bool longer = found == NULL || number(item, "duration_ms") > number(found, "duration_ms");
        if (is_true(item, "failed"))
            return item;
        if (longer)
            found = item;
    }
    return found;
}

static const char *cost(Arena *arena, const json_t *fact)
{
    AUTO_STR Str out = {0};
    str_append(&out, about_time(arena, number(fact, "duration_ms")));
    if (number(fact, "lock_wait_ms") > 0)
        str_printf(&out, ", %s of it for locks", about_time(arena, number(fact, "lock_wait_ms")));
    if (number(fact, "wal_bytes") > 0)
        str_printf(&out, ", %s of WAL", about_size(arena, number(fact, "wal_bytes")));
    if (number(fact, "rows") > 0)
        str_printf(&out, ", %llu rows", (unsigned long long)number(fact, "rows"));
    return arena_strdup(arena, str_text(&out));
}

static const char *fact_words(Arena *arena, const json_t *entry)
{
    const json_t *fact = telling_fact(json_object_get(entry, "facts"));
    if (fact == NULL)
        return "";
    const char *lead = is_true(fact, "failed") ? "it failed at" : "longest was";
    return arena_printf(arena, "; %s line %llu, %s (%s)", lead,
                        (unsigned long long)number(fact, "line"), text(fact, "what"),
                        cost(arena, fact));
}

/* --- one row of the history ------------------------------------------------------------------- */

static bool is_word(const json_t *entry, const char *key, const char *word)
{
    return strcmp(text(entry, key), word) == 0;
}

/* A rollout is known by its name to those who remember it. */
static const char *rollout_name(const Why *why, const char *id)
{
    for (size_t i = 0; i < json_array_size(why->rollouts); i++) {
        const json_t *item = json_array_get(why->rollouts, i);
        if (strcmp(text(item, "id"), id) == 0)
            return text(item, "rollout");
    }
    return id;
}

static const char *by_whom(const Why *why, const json_t *entry)
{
    Arena *arena = why->arena;
    const char *who = text(entry, "who"), *rollout = rollout_name(why, text(entry, "rollout"));
    if (*rollout != '\0')
        return arena_printf(arena, " by %s, rollout %s", who, rollout);
    return *who == '\0' ? "" : arena_printf(arena, " by %s", who);
}

static const char *because(Arena *arena, const json_t *entry)
{
    const char *message = text(entry, "message"), *sqlstate = text(entry, "sqlstate");
    if (*message == '\0')
        return "";
    return *sqlstate == '\0' ? arena_printf(arena, ": %s", message)
                             : arena_printf(arena, ": %s (%s)", message, sqlstate);
}

static const char *sentence(const Why *why, const json_t *entry)
{
    Arena *arena = why->arena;
    const char *when = text(entry, "finished");
    const char *from = rows(arena, entry, "rows_before"), *to = rows(arena, entry, "rows_after");
    if (is_word(entry, "direction", "external") && strcmp(from, to) != 0)
        return arena_printf(arena, "%s found at %s: another tool moved it from %s", when, to, from);
    if (is_word(entry, "direction", "external") || is_word(entry, "direction", "adopt"))
        return arena_printf(arena, "%s %s at %s%s%s", when,
                            is_word(entry, "direction", "adopt") ? "adopted" : "used", to,
                            by_whom(why, entry), because(arena, entry));
    if (is_word(entry, "direction", "stamp") || is_word(entry, "direction", "restore"))
        return arena_printf(arena, "%s %s from %s to %s%s%s", when,
                            is_word(entry, "direction", "stamp") ? "stamped" : "restored", from, to,
                            by_whom(why, entry), because(arena, entry));
    const char *step =
        arena_printf(arena, "%s %s", text(entry, "direction"), text(entry, "revision"));
    if (!is_word(entry, "outcome", "succeeded"))
        return arena_printf(arena, "%s %s failed%s%s%s", when, step, by_whom(why, entry),
                            because(arena, entry), fact_words(arena, entry));
    const char *message = text(entry, "message");
    bool recorded = str_starts_with(message, "not needed here") ||
                    str_starts_with(message, "not run by this script");
    return arena_printf(arena, "%s %s%s took %s%s%s", when, step, by_whom(why, entry),
                        about_time(arena, number(entry, "duration_ms")), fact_words(arena, entry),
                        recorded ? because(arena, entry) : "");
}

/* --- a unit that is begun --------------------------------------------------------------------- */

static void say_unit(const Why *why, const json_t *unit)
{
    Arena *arena = why->arena;
    const char *rows_done = "";
    if (number(unit, "rows") > 0)
        rows_done = arena_printf(arena, ", %llu of about %llu rows",
                                 (unsigned long long)number(unit, "rows"),
                                 (unsigned long long)number(unit, "rows_total"));
    const char *end = text(unit, "finished");
    const char *state = *end != '\0'               ? arena_printf(arena, "done %s", end)
                        : is_true(unit, "at_work") ? "at work"
                                                   : "begun, and nobody is at work on it";
    why->say(why->data,
             arena_printf(arena, "  half done: %s %s, unit %llu, %s: %s%s", text(unit, "direction"),
                          text(unit, "revision"), (unsigned long long)number(unit, "unit"),
                          text(unit, "what"), state, rows_done));
}

/* --- the whole -------------------------------------------------------------------------------- */

/* The newest row that moved the shard. */
static const json_t *last_move(const json_t *history)
{
    for (size_t i = 0; i < json_array_size(history); i++) {
        const json_t *entry = json_array_get(history, i);
        if (is_word(entry, "outcome", "succeeded") &&
            !json_equal(json_object_get(entry, "rows_before"),
                        json_object_get(entry, "rows_after")))
            return entry;
    }
    return NULL;
}

static void say_doubts(const Why *why, const json_t *record)
{
    if (!is_true(record, "adopted"))
        why->say(why->data, "  pgtide has never written here");
    if (!is_true(record, "trusted"))
        why->say(why->data, arena_printf(why->arena, "  pgtide will not write here: %s",
                                         text(record, "distrust")));
    if (is_true(record, "identity_mismatch"))
        why->say(why->data, "  it was adopted at another server, database or schema: a clone or a "
                            "restore");
}

static void say_failures(const Why *why, const json_t *history)
{
    size_t failures = 0;
    const json_t *newest = NULL;
    for (size_t i = 0; i < json_array_size(history); i++) {
        const json_t *entry = json_array_get(history, i);
        if (is_word(entry, "outcome", "succeeded"))
            break;
        newest = newest == NULL ? entry : newest;
        failures++;
    }
    if (failures == 0)
        return;
    why->say(why->data,
             arena_printf(why->arena, "  since then %s has failed%s, last %s",
                          text(newest, "revision"),
                          failures == 1 ? "" : arena_printf(why->arena, " %zu times", failures),
                          text(newest, "finished")));
}

static void tell_record(const Why *why, const char *name, const json_t *record)
{
    Arena *arena = why->arena;
    WhySay *tell = why->say;
    void *data = why->data;
    const json_t *history = json_object_get(record, "history");
    const json_t *move = last_move(history);
    const json_t *units = json_object_get(record, "units");
    tell(data, arena_printf(arena, "%s is at %s (%s)", name, rows(arena, record, "rows"),
                            about_size(arena, number(record, "size_bytes"))));
    say_doubts(why, record);
    if (move != NULL &&
        !json_equal(json_object_get(move, "rows_after"), json_object_get(record, "rows")))
        tell(data, "  another tool has moved it since pgtide wrote here last");
    else if (move != NULL)
        tell(data, arena_printf(arena, "  since %s: %s %s", text(move, "finished"),
                                text(move, "direction"), text(move, "revision")));
    say_failures(why, history);
    for (size_t i = 0; i < json_array_size(units); i++)
        say_unit(why, json_array_get(units, i));
    size_t shown = 0;
    for (; shown < json_array_size(history) && shown < WHY_HISTORY; shown++)
        tell(data, arena_printf(arena, "  %s", sentence(why, json_array_get(history, shown))));
    if (json_array_size(history) > shown)
        tell(data, arena_printf(arena, "  (%zu more in --json)", json_array_size(history) - shown));
}

void why_tell_record(Arena *arena, const char *name, const json_t *record, WhySay *tell, void *data)
{
    const Why why = {.arena = arena, .say = tell, .data = data};
    tell_record(&why, name, record);
}

/* --- of a fleet ------------------------------------------------------------------------------- */

static const char *rollout_words(Arena *arena, const json_t *item)
{
    const json_t *shard = json_object_get(item, "shard");
    const char *lead =
        arena_printf(arena, "rollout %s (%s)", text(item, "rollout"), text(item, "rollout_state"));
    if (!is_true(item, "in_it") && text(item, "left_out")[0] != '\0')
        return arena_printf(arena, "%s left it out: %s", lead, text(item, "left_out"));
    if (!is_true(item, "in_it"))
        return arena_printf(arena, "%s has not got it: not selected, or nothing to do", lead);
    AUTO_STR Str out = {0};
    str_printf(&out, "%s, wave %llu: %s, %llu of %llu steps", lead,
               (unsigned long long)number(shard, "wave"), text(shard, "state"),
               (unsigned long long)number(shard, "steps_done"),
               (unsigned long long)number(shard, "steps_total"));
    if (is_true(shard, "rolled_back"))
        str_append(&out, ", taken back");
    if (is_true(shard, "skipped"))
        str_append(&out, ", skipped");
    if (number(shard, "attempt") > 1)
        str_printf(&out, ", attempt %llu", (unsigned long long)number(shard, "attempt"));
    if (text(shard, "message")[0] != '\0')
        str_printf(&out, "; %s: %s%s%s%s", text(shard, "revision"), text(shard, "message"),
                   text(shard, "sqlstate")[0] == '\0' ? "" : " (", text(shard, "sqlstate"),
                   text(shard, "sqlstate")[0] == '\0' ? "" : ")");
    const char *doing = text(json_object_get(shard, "activity"), "text");
    if (doing[0] != '\0')
        str_printf(&out, "; now %s", doing);
    return arena_strdup(arena, str_text(&out));
}

static void say_standing(const Why *why, const char *name, const json_t *shard, const char *reason)
{
    Arena *arena = why->arena;
    if (text(shard, "agent")[0] == '\0') {
        why->say(why->data, arena_printf(arena, "%s is not listed: %s", name, reason));
        if (strcmp(text(shard, "state"), "unreachable") != 0)
            why->say(why->data,
                     arena_printf(arena, "  %s: %s", text(shard, "state"), text(shard, "message")));
        return;
    }
    why->say(why->data, arena_printf(arena, "%s is %s, at %s when agent %s read it last (%s)", name,
                                     text(shard, "state"), rows(arena, shard, "rows"),
                                     text(shard, "agent"), text(shard, "seen")));
    if (strstr(reason, text(shard, "message")) == NULL)
        why->say(why->data, arena_printf(arena, "  %s", text(shard, "message")));
    if (reason[0] != '\0')
        why->say(why->data, arena_printf(arena, "  no plan would have it: %s", reason));
}

void why_tell_fleet(Arena *arena, const char *name, const json_t *view, const json_t *record,
                    const char *unread, WhySay *tell, void *data)
{
    const json_t *rollouts = json_object_get(view, "rollouts");
    const Why why = {.arena = arena, .rollouts = rollouts, .say = tell, .data = data};
    say_standing(&why, name, json_object_get(view, "shard"), text(view, "reason"));
    size_t shown = 0;
    for (; shown < json_array_size(rollouts) && shown < WHY_ROLLOUTS; shown++)
        tell(data,
             arena_printf(arena, "  %s", rollout_words(arena, json_array_get(rollouts, shown))));
    if (json_array_size(rollouts) > shown)
        tell(data,
             arena_printf(arena, "  (%zu more in --json)", json_array_size(rollouts) - shown));
    tell(data, "by its own rows:");
    if (record == NULL)
        tell(data, arena_printf(arena, "  not read: %s", unread));
    else
        tell_record(&why, name, record);
}
