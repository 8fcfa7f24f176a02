/*
 * The limit: what the same work costs with bare libpq. One thread, K non-blocking connections
 * driven by poll(), the whole script as one message in one transaction per database with one
 * version row. No files understood, no checks, no signatures, no history.
 *
 * Prints one line of JSON: {"work":"one","databases":100,"connections":6,"seconds":0.310}. The time
 * runs from the first connect to the last close. Anything unexpected ends the program with status
 * 1: a figure over databases that failed would be none.
 */
#include <errno.h>
#include <getopt.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CONNECTIONS_MAX = 256, CONNINFO_SIZE = 1024 };

static const char usage[] =
    "usage: pgtide_bench_limit --work WORK [--sql FILE]... --template CONNINFO --databases FILE\n"
    "                          [--conn K]\n"
    "       pgtide_bench_limit --work WORK [--sql FILE]... --print\n"
    "  --work WORK          eight, one, status or back: which version row is written or read\n"
    "  --sql FILE           what to run, in the order given; none for status\n"
    "  --template CONNINFO  a connection string in which %s stands for the database\n"
    "  --databases FILE     their names, one a line\n"
    "  --conn K             connections at a time, 1 to 256 (6)\n"
    "  --print              writes the script that each database would get, and connects to none\n";

/* What stands around the given files. `eight` begins on a database without version table. */
typedef struct Work {
    const char *name;
    const char *before;
    const char *after;
    bool reads; /* runs no files, and expects one row */
} Work;

static const Work works[] = {
    {"eight",
     "BEGIN;\nCREATE TABLE limit_version (version_num varchar(255) NOT NULL PRIMARY KEY);\n",
     "INSERT INTO limit_version VALUES ('eight');\nCOMMIT;\n", false},
    {"one", "BEGIN;\n", "UPDATE limit_version SET version_num = 'one';\nCOMMIT;\n", false},
    {"status", "SELECT version_num FROM limit_version;\n", "", true},
    {"back", "BEGIN;\n", "UPDATE limit_version SET version_num = 'eight';\nCOMMIT;\n", false},
};

typedef struct Slot {
    PGconn *connection; /* NULL: idle */
    const char *database;
    bool connecting;
    short events;
} Slot;

typedef struct Limit {
    const Work *work;
    const char *template;
    char *script;
    char **databases;
    size_t database_count;
    size_t next_database;
    Slot slots[CONNECTIONS_MAX];
    size_t slot_count;
} Limit;

static _Noreturn void fail(const char *where, const char *what)
{
    fprintf(stderr, "pgtide_bench_limit: %s: %s\n", where, what);
    exit(1);
}

static _Noreturn void fail_usage(const char *what, const char *value)
{
    fprintf(stderr, "pgtide_bench_limit: error: %s%s\n%s", what, value, usage);
    exit(2);
}

static void *must(void *memory)
{
    if (memory == NULL)
        fail("memory", strerror(errno));
    return memory;
}

/* Returns owned text. */
static char *read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    if (file == NULL)
        fail(path, strerror(errno));
    char *text = NULL;
    size_t capacity = 0;
    ssize_t length = getdelim(&text, &capacity, '\0', file);
    if (ferror(file))
        fail(path, strerror(errno));
    fclose(file);
    if (length <= 0)
        fail(path, "empty file");
    return text;
}

/* Takes `text`, returns it grown by `more`. */
static char *append(char *text, const char *more)
{
    size_t length = strlen(text);
    size_t added = strlen(more) + 1;
    text = must(realloc(text, length + added));
    memcpy(text + length, more, added);
    return text;
}

static void read_databases(Limit *limit, const char *path)
{
    char *rest = read_file(path); /* the names point into it until the end */
    char *name;
    while ((name = strsep(&rest, "\n")) != NULL) {
        if (name[0] == '\0')
            continue;
        limit->databases =
            must(realloc(limit->databases, (limit->database_count + 1) * sizeof *limit->databases));
        limit->databases[limit->database_count++] = name;
    }
    if (limit->database_count == 0)
        fail(path, "no databases in it");
}

static void slot_start(Limit *limit, Slot *slot)
{
    char conninfo[CONNINFO_SIZE];
    const char *mark = strstr(limit->template, "%s");
    slot->database = limit->databases[limit->next_database++];
    int length = snprintf(conninfo, sizeof conninfo, "%.*s%s%s", (int)(mark - limit->template),
                          limit->template, slot->database, mark + 2);
    if (length < 0 || (size_t)length >= sizeof conninfo)
        fail(slot->database, "connection string too long");
    slot->connection = must(PQconnectStart(conninfo));
    if (PQstatus(slot->connection) == CONNECTION_BAD)
        fail(slot->database, PQerrorMessage(slot->connection));
    slot->connecting = true;
    slot->events = POLLOUT;
}

/* What is still to be sent decides what to wait for. */
static void slot_flush(Slot *slot)
{
    int left = PQflush(slot->connection);
    if (left < 0)
        fail(slot->database, PQerrorMessage(slot->connection));
    slot->events = left > 0 ? POLLIN | POLLOUT : POLLIN;
}

static void slot_connect(const Limit *limit, Slot *slot)
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
        fail(slot->database, PQerrorMessage(slot->connection));
    }
    slot->connecting = false;
    if (PQsetnonblocking(slot->connection, 1) != 0 || !PQsendQuery(slot->connection, limit->script))
        fail(slot->database, PQerrorMessage(slot->connection));
    slot_flush(slot);
}

/* True when the script has run to its end. */
static bool slot_read(const Limit *limit, Slot *slot)
{
    slot_flush(slot);
    if (!PQconsumeInput(slot->connection))
        fail(slot->database, PQerrorMessage(slot->connection));
    while (!PQisBusy(slot->connection)) {
        PGresult *result = PQgetResult(slot->connection);
        if (result == NULL)
            return true;
        ExecStatusType status = PQresultStatus(result);
        if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
            fail(slot->database, PQresultErrorMessage(result));
        if (limit->work->reads && PQntuples(result) != 1)
            fail(slot->database, "not one version row");
        PQclear(result);
    }
    return false;
}

/* Returns false when the slot has nothing left to do. */
static bool slot_advance(Limit *limit, Slot *slot)
{
    if (slot->connecting) {
        slot_connect(limit, slot);
        return true;
    }
    if (!slot_read(limit, slot))
        return true;
    PQfinish(slot->connection);
    slot->connection = NULL;
    if (limit->next_database == limit->database_count)
        return false;
    slot_start(limit, slot);
    return true;
}

static void run(Limit *limit)
{
    struct pollfd polled[CONNECTIONS_MAX];
    size_t busy = 0;
    for (; busy < limit->slot_count && limit->next_database < limit->database_count; busy++)
        slot_start(limit, &limit->slots[busy]);
    while (busy > 0) {
        for (size_t i = 0; i < limit->slot_count; i++) {
            Slot *slot = &limit->slots[i];
            /* libpq may change its socket while it connects: ask each time */
            polled[i].fd = slot->connection == NULL ? -1 : PQsocket(slot->connection);
            polled[i].events = slot->events;
        }
        if (poll(polled, (nfds_t)limit->slot_count, -1) < 0) {
            if (errno == EINTR)
                continue;
            fail("poll", strerror(errno));
        }
        for (size_t i = 0; i < limit->slot_count; i++) {
            if (polled[i].fd >= 0 && polled[i].revents != 0 &&
                !slot_advance(limit, &limit->slots[i]))
                busy--;
        }
    }
}

static const Work *find_work(const char *name)
{
    for (size_t i = 0; i < sizeof works / sizeof works[0]; i++) {
        if (strcmp(works[i].name, name) == 0)
            return &works[i];
    }
    fail_usage("no such work: ", name);
}

static size_t parse_connections(const char *text)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < 1 || value > CONNECTIONS_MAX)
        fail_usage("--conn takes a number from 1 to 256, not ", text);
    return (size_t)value;
}

/* Fills in everything but the script, of which `ret_files` gets the files' part, owned. */
static void parse_options(Limit *limit, int argc, char **argv, char **ret_files, bool *ret_print)
{
    static const struct option options[] = {
        {"conn", required_argument, NULL, 'c'},
        {"template", required_argument, NULL, 't'},
        {"databases", required_argument, NULL, 'd'},
        {"work", required_argument, NULL, 'w'},
        {"sql", required_argument, NULL, 's'},
        {"print", no_argument, NULL, 'p'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 'c':
            limit->slot_count = parse_connections(optarg);
            break;
        case 't':
            limit->template = optarg;
            break;
        case 'd':
            read_databases(limit, optarg);
            break;
        case 'w':
            limit->work = find_work(optarg);
            break;
        case 's': {
            char *text = read_file(optarg);
            *ret_files = append(append(*ret_files, text), "\n");
            free(text);
            break;
        }
        case 'p':
            *ret_print = true;
            break;
        case 'h':
            fputs(usage, stdout);
            exit(0);
        default:
            fputs(usage, stderr);
            exit(2);
        }
    }
    if (optind < argc)
        fail_usage("unexpected argument: ", argv[optind]);
}

static void check_options(const Limit *limit, bool has_files, bool print)
{
    if (limit->work == NULL)
        fail_usage("--work is missing", "");
    if (has_files && limit->work->reads)
        fail_usage("--sql does not go with work ", limit->work->name);
    if (!has_files && !limit->work->reads)
        fail_usage("--sql is missing for work ", limit->work->name);
    if (print)
        return;
    if (limit->template == NULL || strstr(limit->template, "%s") == NULL)
        fail_usage("--template is missing, or has no %s", "");
    if (limit->database_count == 0)
        fail_usage("--databases is missing", "");
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    static Limit limit = {.slot_count = 6};
    char *files = must(strdup(""));
    bool print = false;
    parse_options(&limit, argc, argv, &files, &print);
    check_options(&limit, files[0] != '\0', print);
    limit.script = append(append(must(strdup(limit.work->before)), files), limit.work->after);
    free(files);
    if (print) {
        fputs(limit.script, stdout);
    } else {
        double from = seconds_now();
        run(&limit);
        double seconds = seconds_now() - from;
        printf("{\"work\":\"%s\",\"databases\":%zu,\"connections\":%zu,\"seconds\":%.4f}\n",
               limit.work->name, limit.database_count, limit.slot_count, seconds);
    }
    return fflush(stdout) == 0 ? 0 : 1;
}
