/*
 * pgtide-coordinator: plans rollouts, decides, journals, commands.
 */
#include "coordinator.h"
#include "loop.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

typedef struct Arguments {
    const char *config;
    bool check;
    uint64_t epoch_min; /* 0: the journal's next */
} Arguments;

static void print_help(void)
{
    AUTO_STR Str keys = {0};
    settings_describe(&keys);
    printf("pgtide-coordinator: plans rollouts, decides, journals, commands the agents\n"
           "\n"
           "usage: pgtide-coordinator --config FILE [--check]\n"
           "\n"
           "  -c, --config FILE         coordinator.yaml (default: $PGTIDE_CONFIG, then\n"
           "                            /etc/pgtide/coordinator.yaml)\n"
           "      --check               check the file, the key and the trust file, then end\n"
           "      --take-over-from N    go on with this journal although agents have served\n"
           "                            epoch N of another one, which is lost\n"
           "      --version\n"
           "  -h, --help\n"
           "\n"
           "Keys of the file:\n%s",
           str_text(&keys));
}

static int fail_usage(const char *what)
{
    fprintf(stderr, "pgtide-coordinator: error: %s; see pgtide-coordinator --help\n", what);
    return err_exit_status(ERR_USAGE);
}

static int fail(const Error *err)
{
    fprintf(stderr, "pgtide-coordinator: error: ");
    if (err->file[0] != '\0')
        fprintf(stderr, "%s:%d: ", err->file, err->line);
    fprintf(stderr, "%s\n", err->message);
    if (err->detail[0] != '\0')
        fprintf(stderr, "%s\n", err->detail);
    if (err->hint[0] != '\0')
        fprintf(stderr, "hint: %s\n", err->hint);
    return err_exit_status(err->code);
}

static bool parse_epoch(const char *text, uint64_t *ret_epoch)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || *text < '0' || *text > '9' || *end != '\0' || value >= UINT32_MAX)
        return false;
    *ret_epoch = value;
    return true;
}

/* -1: go on; else the exit status. */
static int parse_arguments(int argc, char **argv, Arguments *out)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"check", no_argument, NULL, 'k'},
                                            {"take-over-from", required_argument, NULL, 't'},
                                            {"version", no_argument, NULL, 'v'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            out->config = optarg;
            break;
        case 'k':
            out->check = true;
            break;
        case 't':
            if (!parse_epoch(optarg, &out->epoch_min))
                return fail_usage("--take-over-from takes a number");
            out->epoch_min++; /* above what the lost one has reached */
            break;
        case 'v':
            printf("pgtide-coordinator %s\n", PGTIDE_VERSION);
            return 0;
        case 'h':
            print_help();
            return 0;
        default:
            return err_exit_status(ERR_USAGE); /* getopt has said why */
        }
    }
    return optind < argc ? fail_usage("unexpected argument") : -1;
}

/* Two descriptors for each connection, of up to LIMIT_AGENTS agents. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static ErrCode run(const Arguments *arguments, Arena *arena, Error *err)
{
    Settings settings;
    Coordinator *coordinator;
    ErrCode code = settings_load(arena, arguments->config, &settings, err);
    if (code != ERR_OK)
        return code;
    if (arguments->check)
        return coordinator_check(&settings, err);
    log_setup(settings.log.format, settings.log.level);
    raise_descriptor_limit();
    code = coordinator_open(&settings, arguments->epoch_min, &coordinator, err);
    if (code != ERR_OK)
        return code;
    code = loop_run(coordinator, err);
    coordinator_free(coordinator);
    return code;
}

int main(int argc, char **argv)
{
    const char *environment = getenv("PGTIDE_CONFIG");
    Arguments arguments = {.config =
                               environment != NULL ? environment : "/etc/pgtide/coordinator.yaml"};
    int status = parse_arguments(argc, argv, &arguments);
    if (status >= 0)
        return status;
    AUTO_ARENA Arena *arena = arena_new();
    Error err;
    signal(SIGPIPE, SIG_IGN);
    if (run(&arguments, arena, &err) != ERR_OK)
        return fail(&err);
    if (arguments.check)
        printf("%s is good\n", arguments.config);
    return 0;
}
