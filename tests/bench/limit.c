/*
 * The limit: what the same work costs with bare libpq. One thread, K non-blocking connections, the
 * whole script as one message in one transaction per database with one version row. No files
 * parsed, no checks, no signatures, no history.
 *
 *   pgtide_bench_limit CONNECTIONS CONNINFO-WITH-%s DATABASES-FILE SQL-FILE
 *
 * Prints the seconds it took. A database is connected to, sent the script, read to the end and
 * closed.
 */
#include <libpq-fe.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CONNECTIONS_MAX = 256, DATABASES_MAX = 100000, CONNINFO_SIZE = 1024 };

typedef struct Slot {
    PGconn *connection;
    bool connecting;
    short events;
} Slot;

static char *script;
static char *databases[DATABASES_MAX];
static size_t database_count;
static size_t next_database;

static _Noreturn void fail(const char *what, const char *detail)
{
    fprintf(stderr, "pgtide_bench_limit: %s: %s\n", what, detail);
    exit(1);
}

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    if (file == NULL)
        fail("can't open", path);
    char *text = NULL;
    size_t capacity = 0;
    ssize_t length = getdelim(&text, &capacity, '\0', file);
    fclose(file);
    if (length < 0)
        fail("empty file", path);
    return text;
}

static void read_databases(const char *path)
{
    char *rest = read_file(path);
    char *name;
    while ((name = strsep(&rest, "\n")) != NULL) {
        if (name[0] != '\0' && database_count < DATABASES_MAX)
            databases[database_count++] = name;
    }
}

static void slot_start(Slot *slot, const char *template)
{
    char conninfo[CONNINFO_SIZE];
    const char *mark = strstr(template, "%s");
    if (mark == NULL)
        fail("no %s in the connection string", template);
    snprintf(conninfo, sizeof conninfo, "%.*s%s%s", (int)(mark - template), template,
             databases[next_database++], mark + 2);
    slot->connection = PQconnectStart(conninfo);
    if (slot->connection == NULL || PQstatus(slot->connection) == CONNECTION_BAD)
        fail("connect", PQerrorMessage(slot->connection));
    slot->connecting = true;
    slot->events = POLLOUT;
}

static void slot_connect(Slot *slot)
{
    switch (PQconnectPoll(slot->connection)) {
    case PGRES_POLLING_READING:
        slot->events = POLLIN;
        return;
    case PGRES_POLLING_WRITING:
        slot->events = POLLOUT;
        return;
    case PGRES_POLLING_OK:
        break;
    default:
        fail("connect", PQerrorMessage(slot->connection));
    }
    slot->connecting = false;
    PQsetnonblocking(slot->connection, 1);
    if (!PQsendQuery(slot->connection, script))
        fail("send", PQerrorMessage(slot->connection));
    slot->events = (short)(POLLIN | (PQflush(slot->connection) == 1 ? POLLOUT : 0));
}

/* True when the script has run to its end. */
static bool slot_read(Slot *slot)
{
    if (PQflush(slot->connection) == 0)
        slot->events = POLLIN;
    if (!PQconsumeInput(slot->connection))
        fail("read", PQerrorMessage(slot->connection));
    while (!PQisBusy(slot->connection)) {
        PGresult *result = PQgetResult(slot->connection);
        if (result == NULL)
            return true;
        if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
            fail("statement", PQresultErrorMessage(result));
        PQclear(result);
    }
    return false;
}

static void run(Slot *slots, size_t slot_count, const char *template)
{
    struct pollfd polled[CONNECTIONS_MAX];
    size_t open = 0;
    for (size_t i = 0; i < slot_count && next_database < database_count; i++, open++)
        slot_start(&slots[i], template);
    while (open > 0) {
        for (size_t i = 0; i < slot_count; i++) {
            int fd = slots[i].connection == NULL ? -1 : PQsocket(slots[i].connection);
            polled[i] = (struct pollfd){.fd = fd, .events = slots[i].events};
        }
        if (poll(polled, slot_count, -1) < 0)
            fail("poll", "failed");
        for (size_t i = 0; i < slot_count; i++) {
            if (polled[i].fd < 0 || polled[i].revents == 0)
                continue;
            if (slots[i].connecting) {
                slot_connect(&slots[i]);
                continue;
            }
            if (!slot_read(&slots[i]))
                continue;
            PQfinish(slots[i].connection);
            slots[i].connection = NULL;
            if (next_database < database_count)
                slot_start(&slots[i], template);
            else
                open--;
        }
    }
}

int main(int argc, char **argv)
{
    if (argc != 5)
        fail("usage", "pgtide_bench_limit CONNECTIONS CONNINFO DATABASES-FILE SQL-FILE");
    size_t slot_count = (size_t)strtoul(argv[1], NULL, 10);
    if (slot_count < 1 || slot_count > CONNECTIONS_MAX)
        fail("connections", argv[1]);
    read_databases(argv[3]);
    script = read_file(argv[4]);
    static Slot slots[CONNECTIONS_MAX];
    struct timespec from;
    struct timespec to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    run(slots, slot_count, argv[2]);
    clock_gettime(CLOCK_MONOTONIC, &to);
    printf("%.3f\n", (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9);
    return 0;
}
