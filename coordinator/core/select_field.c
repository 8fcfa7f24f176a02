#include "select_field.h"

#include <string.h>

static const char *const names[SELECT_FIELD_COUNT] = {
    [SELECT_LABEL] = "",          [SELECT_NAME] = "name",         [SELECT_HOST] = "host",
    [SELECT_CLUSTER] = "cluster", [SELECT_DATABASE] = "database", [SELECT_SCHEMA] = "schema",
    [SELECT_AGENT] = "agent",     [SELECT_ROLE] = "role",         [SELECT_STATE] = "state",
    [SELECT_ROWS] = "rows",       [SELECT_VERSION] = "version",   [SELECT_SIZE] = "size",
};

SelectField select_field_of(const char **key)
{
    static const char prefix[] = "label.";
    if (strncmp(*key, prefix, sizeof prefix - 1) == 0) {
        *key += sizeof prefix - 1;
        return SELECT_LABEL;
    }
    for (int field = SELECT_LABEL + 1; field < SELECT_FIELD_COUNT; field++)
        if (strcmp(*key, names[field]) == 0)
            return (SelectField)field;
    return SELECT_LABEL;
}

bool select_field_is_number(SelectField field)
{
    return field == SELECT_VERSION || field == SELECT_SIZE;
}

/* Decimal digits; the rest of the text is returned, NULL when there are none or too many. */
static const char *read_digits(const char *text, uint64_t limit, uint64_t *ret_value)
{
    uint64_t value = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        value = value * 10 + (uint64_t)(*at - '0');
        if (value > limit)
            return NULL;
    }
    *ret_value = value;
    return at == text ? NULL : at;
}

/* 15, 15.4; before 10 two numbers were the major one, and no such server is supported. */
static bool read_version(const char *word, SelectNumber *out)
{
    enum { VERSION_MAX = 999, MINOR_MAX = 9999 };
    uint64_t major;
    uint64_t minor = 0;
    const char *rest = read_digits(word, VERSION_MAX, &major);
    if (rest == NULL || major == 0)
        return false;
    out->major_only = *rest == '\0';
    if (*rest == '.')
        rest = read_digits(rest + 1, MINOR_MAX, &minor);
    out->value = major * 10000 + minor;
    return rest != NULL && *rest == '\0';
}

static bool read_size(const char *word, SelectNumber *out)
{
    static const char *const units[] = {"", "KiB", "MiB", "GiB", "TiB"};
    const uint64_t limit = UINT64_C(1) << 20;
    uint64_t value;
    const char *rest = read_digits(word, UINT64_MAX / 16, &value);
    for (unsigned i = 0; rest != NULL && i < sizeof units / sizeof *units; i++) {
        if (strcmp(rest, units[i]) != 0)
            continue;
        out->value = value << (10 * i);
        return i == 0 || value <= limit;
    }
    return false;
}

bool select_field_reads(SelectField field, const char *word, SelectNumber *ret_number,
                        const char **ret_wanted)
{
    SelectNumber number = {0};
    bool good = true;
    switch (field) {
    case SELECT_VERSION:
        good = read_version(word, &number);
        *ret_wanted = "a version (15 or 15.4)";
        break;
    case SELECT_SIZE:
        good = read_size(word, &number);
        *ret_wanted = "a size (500MiB, 10GiB)";
        break;
    case SELECT_STATE:
        good = shard_state_from_name(word) != SHARD_UNSPECIFIED;
        *ret_wanted = "a state (new, current, pending, running, failed, unknown, diverged, "
                      "rollback-failed, quarantined, unreachable)";
        break;
    case SELECT_ROLE:
        good = strcmp(word, "primary") == 0 || strcmp(word, "standby") == 0;
        *ret_wanted = "primary or standby";
        break;
    default:
        break;
    }
    *ret_number = number;
    return good;
}

const char *select_field_text(SelectField field, const char *key, const SelectTarget *target)
{
    switch (field) {
    case SELECT_NAME:
        return target->name;
    case SELECT_HOST:
        return target->host;
    case SELECT_CLUSTER:
        return target->cluster;
    case SELECT_DATABASE:
        return target->database;
    case SELECT_SCHEMA:
        return target->schema;
    case SELECT_AGENT:
        return target->agent;
    case SELECT_ROLE:
        return target->role;
    case SELECT_STATE:
        return shard_state_name(target->state);
    default:
        break;
    }
    for (size_t i = 0; i < target->labels->count; i++)
        if (strcmp(target->labels->items[i].key, key) == 0)
            return target->labels->items[i].value;
    return NULL;
}

uint64_t select_field_number(SelectField field, const SelectTarget *target)
{
    return field == SELECT_VERSION ? target->server_version : target->size_bytes;
}

SelectOrder select_field_compare(SelectField field, const SelectTarget *target,
                                 const SelectNumber *number)
{
    uint64_t own = select_field_number(field, target);
    uint64_t other = number->value;
    if (own == 0 && field == SELECT_VERSION)
        return SELECT_NOT_KNOWN;
    if (number->major_only) {
        own /= 10000;
        other /= 10000;
    }
    return own < other ? SELECT_BELOW : own > other ? SELECT_ABOVE : SELECT_EQUAL;
}
