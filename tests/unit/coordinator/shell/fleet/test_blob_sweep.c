#include "../shell_world.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

static Digest put(const World *world, const char *text)
{
    Digest digest;
    assert_ok(blob_put(world->coordinator->blobs, text, strlen(text), &digest, err));
    return digest;
}

/* Makes every blob two days older. */
static void age_all(const World *world)
{
    char path[128];
    struct timespec times[2];
    snprintf(path, sizeof path, "%s/state/blobs", world->directory);
    DIR *directory = opendir(path);
    assert_non_null(directory);
    for (const struct dirent *entry = readdir(directory); entry != NULL;
         entry = readdir(directory)) {
        struct stat info;
        if (entry->d_name[0] == '.')
            continue;
        assert_int_equal(fstatat(dirfd(directory), entry->d_name, &info, 0), 0);
        times[0] = times[1] =
            (struct timespec){.tv_sec = info.st_mtim.tv_sec - (time_t)2 * 24 * 3600};
        assert_int_equal(utimensat(dirfd(directory), entry->d_name, times, 0), 0);
    }
    closedir(directory);
}

static void a_start_removes_what_nothing_needs(void **state)
{
    World *world = *state;
    world_fleet(world);
    world_put_bundle(world);
    world_approved_plan(world, "first");
    world_start(world, "first");
    RolloutEntry *entry;
    assert_ok(rollouts_find(world->coordinator->rollouts, "first", &entry, err));
    const Digest needed[] = {entry->plan_blob, entry->bundle_blob, entry->dossier};
    Digest old = put(world, "nobody has planned with it");
    age_all(world);
    Digest young = put(world, "somebody may be about to");
    world_close(world);
    world_open(world);
    assert_false(blob_has(world->coordinator->blobs, &old));
    assert_true(blob_has(world->coordinator->blobs, &young));
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        assert_true(blob_has(world->coordinator->blobs, &needed[i]));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {TEST(a_start_removes_what_nothing_needs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
