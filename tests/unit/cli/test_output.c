#include "command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static ErrCode read_number(const char *text, uint32_t *ret_number, Error *err)
{
    const char *names[] = {"jobs"};
    const char *values[] = {text};
    const CommandContext context = {
        .option_names = names, .option_values = values, .option_count = text != NULL};
    return context_number(&context, "jobs", 8, 64, ret_number, err);
}

static void a_number_is_whole_and_in_its_range(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",   "0",  "65",         "-1",          "+1", "1x",
                                        "x1", " 1", "4294967297", "99999999999", "1.5"};
    uint32_t number = 0;
    Error err;
    assert_int_equal(read_number(NULL, &number, &err), ERR_OK);
    assert_int_equal(number, 8);
    assert_int_equal(read_number("1", &number, &err), ERR_OK);
    assert_int_equal(number, 1);
    assert_int_equal(read_number("064", &number, &err), ERR_OK);
    assert_int_equal(number, 64);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(read_number(wrong[i], &number, &err), ERR_USAGE);
        assert_int_equal(number, 64);
    }
    assert_string_equal(err.message, "--jobs must be a whole number from 1 to 64, not '1.5'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_is_whole_and_in_its_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
