#include "window.h"

#include "named_limits.h"

#include <stdlib.h>
#include <string.h>
#include <unicode/ucal.h>

enum { DAYS_BACK = 1, DAYS_AHEAD = 8, ZONE_SIZE = LIMIT_NAME_BYTES + 1 };

/* One opening, in milliseconds since 1970. */
typedef struct Opening {
    double begin;
    double cutoff;
    double end;
} Opening;

const char *window_state_name(WindowState state)
{
    static const char *const names[] = {"open", "cutoff", "closed"};
    return names[state];
}

static bool zone_convert(const char *zone, UChar out[ZONE_SIZE])
{
    size_t length = strlen(zone);
    if (length == 0 || length >= ZONE_SIZE)
        return false;
    for (size_t i = 0; i <= length; i++) {
        if ((unsigned char)zone[i] >= 0x80)
            return false;
        out[i] = (UChar)zone[i];
    }
    return true;
}

bool window_zone_exists(const char *zone)
{
    UChar wide[ZONE_SIZE];
    UChar canonical[ZONE_SIZE];
    UBool is_system = false;
    UErrorCode status = U_ZERO_ERROR;
    if (!zone_convert(zone, wide))
        return false;
    ucal_getCanonicalTimeZoneID(wide, -1, canonical, ZONE_SIZE, &is_system, &status);
    return U_SUCCESS(status) && is_system;
}

/* Monday is bit 0; ICU's Sunday is 1. */
static uint32_t day_bit(int32_t icu_day)
{
    return 1U << ((icu_day + 5) % 7);
}

static double local_ms(UCalendar *calendar, const int32_t date[3], int32_t days, uint32_t minute,
                       UErrorCode *status)
{
    ucal_setDateTime(calendar, date[0], date[1], date[2] + days, (int32_t)minute / 60,
                     (int32_t)minute % 60, 0, status);
    ucal_set(calendar, UCAL_MILLISECOND, 0);
    return ucal_getMillis(calendar, status);
}

static size_t openings_of(const WindowPlan *window, UCalendar *calendar, double now, Opening *out,
                          UErrorCode *status)
{
    size_t count = 0;
    ucal_setMillis(calendar, now, status);
    int32_t date[3] = {ucal_get(calendar, UCAL_YEAR, status),
                       ucal_get(calendar, UCAL_MONTH, status),
                       ucal_get(calendar, UCAL_DATE, status)};
    bool next_day = window->to_minute <= window->from_minute;
    for (int32_t day = -DAYS_BACK; day <= DAYS_AHEAD; day++) {
        Opening opening = {.begin = local_ms(calendar, date, day, window->from_minute, status)};
        if ((window->days & day_bit(ucal_get(calendar, UCAL_DAY_OF_WEEK, status))) == 0)
            continue;
        opening.end = local_ms(calendar, date, day + next_day, window->to_minute, status);
        opening.cutoff = opening.end - window->cutoff_ms;
        out[count++] = opening;
    }
    return count;
}

static WindowState state_at(const Opening *openings, size_t count, double at)
{
    WindowState state = WINDOW_CLOSED;
    for (size_t i = 0; i < count; i++) {
        const Opening *opening = &openings[i];
        if (at < opening->begin || at >= opening->end)
            continue;
        if (at < opening->cutoff)
            return WINDOW_OPEN;
        state = WINDOW_CUTOFF;
    }
    return state;
}

static int compare_doubles(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;
    return a < b ? -1 : a > b;
}

static WindowLook look_at(const Opening *openings, size_t count, double now)
{
    double *moments = xcalloc(3 * count + 1, sizeof *moments);
    for (size_t i = 0; i < count; i++) {
        moments[3 * i] = openings[i].begin;
        moments[3 * i + 1] = openings[i].cutoff;
        moments[3 * i + 2] = openings[i].end;
    }
    qsort(moments, 3 * count, sizeof *moments, compare_doubles);
    WindowLook look = {.state = state_at(openings, count, now)};
    if (look.state == WINDOW_OPEN)
        look.opens_unix_ms = (uint64_t)now;
    for (size_t i = 0; i < 3 * count; i++) {
        if (moments[i] <= now)
            continue;
        WindowState state = state_at(openings, count, moments[i]);
        if (state != look.state && look.changes_unix_ms == 0)
            look.changes_unix_ms = (uint64_t)moments[i];
        if (state == WINDOW_OPEN && look.opens_unix_ms == 0)
            look.opens_unix_ms = (uint64_t)moments[i];
    }
    free(moments);
    return look;
}

ErrCode window_look(const WindowPlan *windows, size_t count, uint64_t unix_ms, WindowLook *ret_look,
                    Error *err)
{
    if (count == 0) {
        *ret_look = (WindowLook){WINDOW_OPEN, 0, unix_ms};
        return ERR_OK;
    }
    double now = (double)unix_ms;
    Opening *openings = xcalloc(count * (DAYS_BACK + DAYS_AHEAD + 1), sizeof *openings);
    size_t found = 0;
    ErrCode code = ERR_OK;
    for (size_t i = 0; i < count && code == ERR_OK; i++) {
        UChar zone[ZONE_SIZE];
        UErrorCode status = U_ZERO_ERROR;
        if (!window_zone_exists(windows[i].zone) || !zone_convert(windows[i].zone, zone)) {
            code = err_set(err, ERR_CONFIG, "there is no time zone '%.80s'", windows[i].zone);
            break;
        }
        UCalendar *calendar = ucal_open(zone, -1, "en", UCAL_GREGORIAN, &status);
        if (U_SUCCESS(status))
            found += openings_of(&windows[i], calendar, now, openings + found, &status);
        if (U_FAILURE(status))
            code = err_set(err, ERR_INTERNAL, "the calendar of zone %.80s: %s", windows[i].zone,
                           u_errorName(status));
        ucal_close(calendar);
    }
    if (code == ERR_OK)
        *ret_look = look_at(openings, found, now);
    free(openings);
    return code;
}
