/* Programs in a row: what goes from one to the next, and who is blamed when it breaks. */
#include "pipeline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <unistd.h>

typedef struct Ran {
    bool ended;
    Error error; /* code ERR_OK: none */
} Ran;

static const char *const environment[] = {"PATH=/usr/bin:/bin", NULL};

static void on_ended(const Error *err, void *data)
{
    Ran *ran = data;
    assert_false(ran->ended);
    ran->ended = true;
    if (err != NULL)
        ran->error = *err;
}

/* Up to three lines of sh, the last one's output into `output_fd` when it is not 0. */
static Ran run(const char *const *scripts, size_t count, int output_fd)
{
    uv_loop_t loop;
    Ran ran = {0};
    Error err;
    Pipeline *pipeline;
    PipelinePart parts[PIPELINE_PARTS_MAX] = {0};
    static const char *const names[] = {"first", "second", "third"};
    const char *argv[PIPELINE_PARTS_MAX][4];
    for (size_t i = 0; i < count; i++) {
        const char *line[] = {"sh", "-c", scripts[i], NULL};
        memcpy(argv[i], line, sizeof line);
        parts[i] = (PipelinePart){.name = names[i],
                                  .args = {.program = "sh", .argv = argv[i], .env = environment}};
    }
    parts[count - 1].args.output_fd = output_fd;
    uv_loop_init(&loop);
    assert_int_equal(pipeline_start(&loop, parts, count, on_ended, &ran, &pipeline, &err), ERR_OK);
    assert_false(ran.ended);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_true(ran.ended);
    return ran;
}

static void test_what_one_writes_the_next_one_reads(void **state)
{
    (void)state;
    int ends[2];
    char text[64] = "";
    assert_int_equal(pipe(ends), 0);
    Ran ran = run((const char *const[]){"printf 'a b c'", "tr ' ' '\\n'", "wc -l"}, 3, ends[1]);
    close(ends[1]);
    assert_int_equal(ran.error.code, ERR_OK);
    assert_true(read(ends[0], text, sizeof text - 1) > 0);
    close(ends[0]);
    assert_string_equal(text, "2\n");
}

static void test_more_than_a_pipe_holds_goes_through(void **state)
{
    (void)state;
    Ran ran =
        run((const char *const[]){"head -c 3000000 /dev/zero", "test $(wc -c) = 3000000"}, 2, 0);
    assert_int_equal(ran.error.code, ERR_OK);
}

/* The first one ends by SIGPIPE, which is the other's doing. */
static void test_a_reader_that_fails_is_blamed_for_it(void **state)
{
    (void)state;
    Ran ran = run((const char *const[]){"exec yes", "echo 'no room' >&2; exit 3"}, 2, 0);
    assert_int_equal(ran.error.code, ERR_BACKUP);
    assert_string_equal(ran.error.message, "second ended with status 3: no room");
}

static void test_a_writer_that_fails_is_found_though_its_reader_is_content(void **state)
{
    (void)state;
    Ran ran =
        run((const char *const[]){"echo half; echo 'wrong key' >&2; exit 1", "cat", "cat"}, 3, 0);
    assert_int_equal(ran.error.code, ERR_BACKUP);
    assert_string_equal(ran.error.message, "first ended with status 1: wrong key");
}

static void test_a_writer_cut_off_by_nobodys_fault_is_told(void **state)
{
    (void)state;
    Ran ran = run((const char *const[]){"exec yes", "exit 0"}, 2, 0);
    assert_string_equal(ran.error.message, "first was ended by signal 13");
}

static void test_a_program_that_is_not_there_leaves_none_running(void **state)
{
    (void)state;
    uv_loop_t loop;
    Ran ran = {0};
    Error err;
    Pipeline *pipeline;
    const char *const sleeper[] = {"sleep", "1000", NULL};
    PipelinePart parts[] = {
        {.name = "first", .args = {.program = "sleep", .argv = sleeper, .env = environment}},
        {.name = "second",
         .args = {.program = "/nowhere/at/all", .argv = sleeper, .env = environment}}};
    uv_loop_init(&loop);
    assert_int_equal(pipeline_start(&loop, parts, 2, on_ended, &ran, &pipeline, &err), ERR_IO);
    uv_run(&loop, UV_RUN_DEFAULT); /* ends, since nothing runs */
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_false(ran.ended);
}

static void test_killed_ones_say_nothing(void **state)
{
    (void)state;
    uv_loop_t loop;
    Ran ran = {0};
    Error err;
    Pipeline *pipeline;
    const char *const sleeper[] = {"sleep", "1000", NULL};
    PipelinePart part = {.name = "first",
                         .args = {.program = "sleep", .argv = sleeper, .env = environment}};
    PipelinePart parts[] = {part, part, part};
    uv_loop_init(&loop);
    assert_int_equal(pipeline_start(&loop, parts, 3, on_ended, &ran, &pipeline, &err), ERR_OK);
    pipeline_kill(pipeline);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_false(ran.ended);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_one_writes_the_next_one_reads),
        cmocka_unit_test(test_more_than_a_pipe_holds_goes_through),
        cmocka_unit_test(test_a_reader_that_fails_is_blamed_for_it),
        cmocka_unit_test(test_a_writer_that_fails_is_found_though_its_reader_is_content),
        cmocka_unit_test(test_a_writer_cut_off_by_nobodys_fault_is_told),
        cmocka_unit_test(test_a_program_that_is_not_there_leaves_none_running),
        cmocka_unit_test(test_killed_ones_say_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
