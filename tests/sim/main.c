/*
 * pgtide_sim --seed N --runs K: that many rollouts in simulated worlds, from that seed on.
 *   --verbose       tell all that happens (with one run)
 *   --plant NAME    put this defect into the world; exit 0 when a check finds it
 *   --seconds S     stop after so long, having run at least one
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const plant_names[PLANT_COUNT] = {
    "none",           "send-before-persist", "blind-retry",      "fence-ignored",
    "stop-ignored",   "budget-ignored",      "deadline-ignored", "caps-ignored",
    "scopes-ignored", "epoch-ignored",       "early-success",    "half-replay"};

typedef struct Arguments {
    uint64_t seed;
    uint64_t runs;
    uint64_t seconds;
    SimPlant plant;
    bool verbose;
} Arguments;

static bool run_seed(const Arguments *arguments, uint64_t seed, Sim *sim)
{
    *sim = (Sim){.seed = seed, .plant = arguments->plant, .verbose = arguments->verbose};
    sim_run(sim);
    return !sim->failed;
}

static bool read_arguments(int argc, char **argv, Arguments *arguments)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--verbose") == 0) {
            arguments->verbose = true;
            continue;
        }
        if (i + 1 == argc)
            return false;
        const char *value = argv[i + 1];
        if (strcmp(argv[i], "--seed") == 0) {
            arguments->seed = strtoull(value, NULL, 10);
        } else if (strcmp(argv[i], "--runs") == 0) {
            arguments->runs = strtoull(value, NULL, 10);
        } else if (strcmp(argv[i], "--seconds") == 0) {
            arguments->seconds = strtoull(value, NULL, 10);
        } else if (strcmp(argv[i], "--plant") == 0) {
            int plant = 0;
            while (plant < PLANT_COUNT && strcmp(plant_names[plant], value) != 0)
                plant++;
            if (plant == PLANT_COUNT)
                return false;
            arguments->plant = (SimPlant)plant;
        } else {
            return false;
        }
        i++;
    }
    return true;
}

static void tell_failure(const Arguments *arguments, const Sim *sim)
{
    printf("seed %llu failed at %llu ms: %s\n", (unsigned long long)sim->seed,
           (unsigned long long)sim->now_ms, sim->failure);
    printf("  again: pgtide_sim --seed %llu --runs 1 --verbose%s%s\n",
           (unsigned long long)sim->seed, arguments->plant != PLANT_NONE ? " --plant " : "",
           arguments->plant != PLANT_NONE ? plant_names[arguments->plant] : "");
}

int main(int argc, char **argv)
{
    Arguments arguments = {.seed = 1, .runs = 1};
    if (!read_arguments(argc, argv, &arguments)) {
        fprintf(stderr, "usage: pgtide_sim [--seed N] [--runs K] [--seconds S] [--plant NAME] "
                        "[--verbose]\n");
        return 2;
    }
    printf("seed %llu, %llu runs%s%s\n", (unsigned long long)arguments.seed,
           (unsigned long long)arguments.runs, arguments.plant != PLANT_NONE ? ", planted: " : "",
           arguments.plant != PLANT_NONE ? plant_names[arguments.plant] : "");
    fflush(stdout); /* a core's own assertion must not hide it */
    static Sim sim;
    uint64_t events = 0;
    time_t end = time(NULL) + (time_t)arguments.seconds;
    uint64_t run = 0;
    for (; run < arguments.runs; run++) {
        if (arguments.seconds != 0 && run > 0 && time(NULL) >= end)
            break;
        uint64_t seed = arguments.seed + run;
        bool passed = run_seed(&arguments, seed, &sim);
        events += sim.event_count;
        if (!passed && arguments.plant != PLANT_NONE) {
            printf("found after %llu runs: seed %llu, %s\n", (unsigned long long)run + 1,
                   (unsigned long long)seed, sim.failure);
            return 0;
        }
        if (!passed) {
            tell_failure(&arguments, &sim);
            sim_print_options(&sim);
            return 1;
        }
        if (arguments.verbose)
            sim_print_options(&sim);
        if (seed % 20 != 0)
            continue;
        uint64_t hash = sim.trace_hash; /* the same seed must tell the same story */
        if (!run_seed(&arguments, seed, &sim) || sim.trace_hash != hash) {
            printf("seed %llu is not the same twice\n", (unsigned long long)seed);
            return 1;
        }
    }
    printf("%llu runs, %llu events: %s\n", (unsigned long long)run, (unsigned long long)events,
           arguments.plant != PLANT_NONE ? "the planted defect was not found" : "nothing wrong");
    return arguments.plant != PLANT_NONE;
}
