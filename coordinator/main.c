/*
 * pgtide-coordinator: plans rollouts, decides, journals, commands.
 */
#include "clock.h"
#include "control.h"
#include "coordinator.h"
#include "file.h"
#include "loop.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

typedef struct Arguments {
    const char *config;
    bool check;
    uint64_t epoch_min; /* 0: the journal's next */
    const char *backup; /* the directory to make; NULL: none */
    bool with_key;
    const char *check_backup; /* the directory to read; NULL: none */
} Arguments;

static void print_help(void)
{
    AUTO_STR Str keys = {0};
    settings_describe(&keys);
    printf(
        "pgtide-coordinator: plans rollouts, decides, journals, commands the agents\n"
        "\n"
        "usage: pgtide-coordinator --config FILE [--check]\n"
        "       pgtide-coordinator --config FILE --backup DIR [--with-key]\n"
        "       pgtide-coordinator --check-backup DIR\n"
        "\n"
        "  -c, --config FILE         coordinator.yaml (default: $PGTIDE_CONFIG, then\n"
        "                            /etc/pgtide/coordinator.yaml)\n"
        "      --check               check the file, the key and the trust file, then end\n"
        "      --take-over-from N    go on with this journal although agents have served\n"
        "                            epoch N of another one, which is lost\n"
        "      --backup DIR          have the coordinator that runs with this file back its\n"
        "                            journal, plans and bundles up into a new directory, and end\n"
        "      --with-key            the coordinator's secret key goes in too\n"
        "      --check-backup DIR    read such a backup from end to end, then end\n"
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
                                            {"backup", required_argument, NULL, 'b'},
                                            {"with-key", no_argument, NULL, 'w'},
                                            {"check-backup", required_argument, NULL, 'r'},
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
        case 'b':
            out->backup = optarg;
            break;
        case 'w':
            out->with_key = true;
            break;
        case 'r':
            out->check_backup = optarg;
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
    if (optind < argc)
        return fail_usage("unexpected argument");
    int does =
        out->check + (out->epoch_min != 0) + (out->backup != NULL) + (out->check_backup != NULL);
    if (does > 1)
        return fail_usage("--check, --take-over-from, --backup and --check-backup exclude each "
                          "other");
    return out->with_key && out->backup == NULL ? fail_usage("--with-key goes with --backup") : -1;
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

static void print_backup(const char *directory, const StateBackup *backup)
{
    char made[TIME_TEXT_SIZE], size[SIZE_TEXT_SIZE];
    time_format_rfc3339(backup->made_unix_ms, made);
    size_format(backup->size_bytes, size);
    printf("%s: %llu records up to epoch %llu, %zu files of plans and bundles, %s, made %s\n",
           directory, (unsigned long long)backup->head.seq, (unsigned long long)backup->head.epoch,
           backup->blob_count, size, made);
    puts(backup->has_key ? "The coordinator's secret key is in it: keep it like the key itself."
                         : "The coordinator's key and the trust file are not in it: keep them "
                           "elsewhere.");
}

static ErrCode back_up(const Arguments *arguments, Arena *arena, const char *state_path, Error *err)
{
    StateBackup backup;
    char *here = getcwd(NULL, 0);
    if (here == NULL)
        return err_set(err, ERR_IO, "the working directory is gone");
    const char *directory = path_join(arena, here, arguments->backup);
    free(here);
    ErrCode code = control_ask_backup(state_path, directory, arguments->with_key, &backup, err);
    if (code == ERR_OK)
        print_backup(directory, &backup);
    return code;
}

static ErrCode check_backup(const char *directory, Error *err)
{
    StateBackup backup;
    ErrCode code = state_backup_check(directory, &backup, err);
    if (code == ERR_OK)
        print_backup(directory, &backup);
    return code;
}

static ErrCode run(const Arguments *arguments, Arena *arena, Error *err)
{
    Settings settings;
    Coordinator *coordinator;
    if (arguments->check_backup != NULL)
        return check_backup(arguments->check_backup, err);
    ErrCode code = settings_load(arena, arguments->config, &settings, err);
    if (code != ERR_OK)
        return code;
    if (arguments->backup != NULL)
        return back_up(arguments, arena, settings.state_path, err);
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
