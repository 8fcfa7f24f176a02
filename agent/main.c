/*
 * pgtide-agent: reads its options and its file, and runs until it is told to stop.
 */
#include "agent.h"
#include "log.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Options {
    const char *config;
    bool check;
    bool help;
    bool version;
} Options;

static void print_help(void)
{
    AUTO_STR Str keys = {0};
    agent_settings_describe(&keys);
    fputs(
        "Usage: pgtide-agent --config FILE [--check]\n\n"
        "Looks after the PostgreSQL shards of one host: lists them, backs them up, migrates them\n"
        "and rolls them back on the coordinator's signed orders.\n\n"
        "  -c, --config FILE  the agent's file (default /etc/pgtide/agent.yaml)\n"
        "      --check        read everything, try each cluster, change nothing, and end\n"
        "      --version      print the version\n"
        "  -h, --help         show this help\n\n"
        "SIGTERM and Ctrl-C: finish the steps in hand, start none, report, end; a second one\n"
        "interrupts the steps in hand, a third leaves at once. SIGHUP: read the trust file "
        "anew.\n\n"
        "Keys of the file:\n",
        stdout);
    fputs(str_text(&keys), stdout);
}

static ErrCode parse_options(int argc, char **argv, Options *options, Error *err)
{
    static const struct option table[] = {
        {"config", required_argument, NULL, 'c'},
        {"check", no_argument, NULL, 'k'},
        {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    opterr = 0;
    for (int c = getopt_long(argc, argv, ":c:h", table, NULL); c != -1;
         c = getopt_long(argc, argv, ":c:h", table, NULL)) {
        if (c == 'c')
            options->config = optarg;
        else if (c == 'k')
            options->check = true;
        else if (c == 'v')
            options->version = true;
        else if (c == 'h')
            options->help = true;
        else if (c == ':')
            return err_set(err, ERR_USAGE, "option '%s' needs an argument", argv[optind - 1]);
        else
            return err_set(err, ERR_USAGE, "unknown option '%s'", argv[optind - 1]);
    }
    if (optind < argc)
        return err_set(err, ERR_USAGE, "unexpected argument '%s'", argv[optind]);
    return ERR_OK;
}

static int fail(const Error *err)
{
    fflush(stdout);
    fprintf(stderr, "pgtide-agent: error: %s\n", err->message);
    if (err->file[0] != '\0' && err->line > 0)
        fprintf(stderr, "  at: %s:%d\n", err->file, err->line);
    else if (err->file[0] != '\0')
        fprintf(stderr, "  at: %s\n", err->file);
    if (err->detail[0] != '\0')
        fprintf(stderr, "  detail: %s\n", err->detail);
    if (err->hint[0] != '\0')
        fprintf(stderr, "  hint: %s\n", err->hint);
    return err_exit_status(err->code);
}

static int run(const Options *options)
{
    Error err;
    AUTO_ARENA Arena *arena = arena_new();
    AgentSettings settings;
    if (agent_settings_load(arena, options->config, &settings, &err) != ERR_OK)
        return fail(&err);
    /* libpq has no other way to be told before version 18; no thread is running yet. */
    if (settings.service_file != NULL)
        setenv("PGSERVICEFILE", settings.service_file, 1);
    log_setup(settings.log.format, settings.log.level);
    if (options->check) {
        if (agent_check(&settings, &err) != ERR_OK)
            return fail(&err);
        puts("everything is in order");
        return 0;
    }
    Agent *agent;
    if (agent_open(&settings, &agent, &err) != ERR_OK)
        return fail(&err);
    int status = agent_run(agent);
    agent_free(agent);
    return status;
}

int main(int argc, char **argv)
{
    Options options = {.config = "/etc/pgtide/agent.yaml"};
    Error err;
    signal(SIGPIPE, SIG_IGN);
    setenv("UV_THREADPOOL_SIZE", "16", 0); /* hashing dumps must not hold up connections */
    if (parse_options(argc, argv, &options, &err) != ERR_OK)
        return fail(&err);
    if (options.help) {
        print_help();
        return 0;
    }
    if (options.version) {
        puts("pgtide-agent " PGTIDE_VERSION);
        return 0;
    }
    return run(&options);
}
