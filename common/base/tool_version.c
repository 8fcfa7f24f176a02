#include "tool_version.h"

#include <string.h>

enum { VERSION_WITH_TRANSACTION_TIMEOUT = 170000 };

/* Digits up to four; 0 when there are none. `ret_end` is behind them. */
static uint32_t read_number(const char *text, const char **ret_end)
{
    enum { DIGITS_MAX = 4 };
    uint32_t number = 0;
    size_t length = 0;
    while (length < DIGITS_MAX && text[length] >= '0' && text[length] <= '9')
        number = number * 10 + (uint32_t)(text[length++] - '0');
    *ret_end = text + length;
    return number;
}

uint32_t tool_version_parse(const char *text)
{
    const char *end;
    uint32_t major = read_number(text + strcspn(text, "0123456789"), &end);
    uint32_t minor = *end == '.' ? read_number(end + 1, &end) : 0;
    return major * 10000 + minor;
}

ErrCode tool_version_check(const char *name, uint32_t version, uint32_t server_version,
                           ErrCode code, Error *err)
{
    unsigned tool = version / 10000, server = server_version / 10000;
    if (version != 0 && tool >= server)
        return ERR_OK;
    if (version == 0)
        err_set(err, code, "there is no %s", name);
    else
        err_set(err, code, "%s %u is older than the server, %u", name, tool, server);
    err_hint(err, "Install postgresql-client-%u, or a newer one.", server);
    return code;
}

ErrCode tool_version_check_restore(uint32_t version, uint32_t server_version, ErrCode code,
                                   Error *err)
{
    ErrCode failure = tool_version_check("pg_restore", version, server_version, code, err);
    if (failure != ERR_OK || version < VERSION_WITH_TRANSACTION_TIMEOUT ||
        server_version >= VERSION_WITH_TRANSACTION_TIMEOUT)
        return failure;
    unsigned server = server_version / 10000;
    err_set(err, code, "pg_restore %u can't restore into PostgreSQL %u: it sets a parameter of 17",
            version / 10000, server);
    err_hint(err, "Install postgresql-client-%u.", server);
    return code;
}
