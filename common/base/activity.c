#include "activity.h"

#include "named_limits.h"
#include "str.h"

#include <string.h>

const char *activity_kind_name(ActivityKind kind)
{
    static const char *const names[ACTIVITY_KIND_COUNT] = {
        [ACTIVITY_UNSPECIFIED] = "",
        [ACTIVITY_LOCK_WAIT] = "lock-wait",
        [ACTIVITY_BUILD] = "build",
        [ACTIVITY_BACKFILL] = "backfill",
    };
    return (unsigned)kind < ACTIVITY_KIND_COUNT ? names[kind] : "";
}

/* At most the limit, no half character, and nothing that steers a terminal: some of it is named by
 * whoever uses the database. */
static const char *clip(Arena *arena, const char *text)
{
    size_t length = text == NULL ? 0 : strlen(text);
    if (length > LIMIT_ACTIVITY_TEXT_BYTES) {
        length = LIMIT_ACTIVITY_TEXT_BYTES;
        while (length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80)
            length--;
    }
    if (length == 0)
        return "";
    char *copy = arena_strndup(arena, text, length);
    str_mend_utf8(copy);
    for (char *at = copy; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7F)
            *at = ' ';
    }
    return copy;
}

Activity activity_copy(Arena *arena, const Activity *activity)
{
    Activity copy = *activity;
    copy.what = clip(arena, activity->what);
    copy.held_back = clip(arena, activity->held_back);
    copy.blocker.user = clip(arena, activity->blocker.user);
    copy.blocker.application = clip(arena, activity->blocker.application);
    copy.blocker.query_class = clip(arena, activity->blocker.query_class);
    return copy;
}

/* --- for people ------------------------------------------------------------------------------- */

static void add_time(Str *text, uint64_t ms)
{
    uint64_t s = (ms + 500) / 1000;
    if (s < 120)
        str_printf(text, "%llu s", (unsigned long long)s);
    else if (s < UINT64_C(2) * 3600)
        str_printf(text, "%llu min", (unsigned long long)s / 60);
    else
        str_printf(text, "%llu h", (unsigned long long)s / 3600);
}

static void add_blocker(Str *text, const Blocker *blocker)
{
    const char *const parts[] = {blocker->user, blocker->application, blocker->query_class};
    str_printf(text, "%u", blocker->pid);
    const char *before = " (";
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (parts[i][0] == '\0')
            continue;
        str_printf(text, "%s%s", before, parts[i]);
        before = ", ";
    }
    if (blocker->since_ms > 0) {
        str_printf(text, "%sin its transaction for ", before);
        add_time(text, blocker->since_ms);
        before = ", ";
    }
    if (before[0] == ',')
        str_append(text, ")");
}

const char *blocker_text(Arena *arena, const Blocker *blocker)
{
    AUTO_STR Str text = {0};
    add_blocker(&text, blocker);
    return arena_strdup(arena, str_text(&text));
}

static void add_progress(Str *text, const Activity *activity)
{
    bool rows = activity->kind == ACTIVITY_BACKFILL;
    if (rows && activity->total > 0)
        str_printf(text, ": %llu of %llu rows (%u%%)", (unsigned long long)activity->done,
                   (unsigned long long)activity->total, activity->percent);
    else if (rows)
        str_printf(text, ": %llu rows", (unsigned long long)activity->done);
    else
        str_printf(text, ": %u%%", activity->percent);
    if (rows && activity->rate_per_s > 0)
        str_printf(text, ", %llu a second", (unsigned long long)activity->rate_per_s);
    if (activity->eta_ms > 0) {
        str_append(text, ", about ");
        add_time(text, activity->eta_ms);
        str_append(text, " left");
    }
}

const char *activity_text(Arena *arena, const Activity *activity)
{
    AUTO_STR Str text = {0};
    if (activity->unit > 0 && activity->unit_count > 1)
        str_printf(&text, "%u of %u: ", activity->unit, activity->unit_count);
    str_append(&text, activity->what);
    if (activity->kind != ACTIVITY_LOCK_WAIT)
        add_progress(&text, activity);
    if (activity->kind == ACTIVITY_LOCK_WAIT || activity->has_blocker)
        str_printf(&text, "%swaits for a lock", text.length > 0 ? ", " : "");
    if (activity->has_blocker) {
        str_append(&text, " behind ");
        add_blocker(&text, &activity->blocker);
    }
    if (activity->waiting_behind > 0)
        str_printf(&text, "; %u session%s behind it", activity->waiting_behind,
                   activity->waiting_behind == 1 ? " waits" : "s wait");
    if (activity->held_back[0] != '\0')
        str_printf(&text, "; held back: %s", activity->held_back);
    return arena_strdup(arena, str_text(&text));
}
