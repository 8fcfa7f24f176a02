#include "webhook.h"

#include "wire_test.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static WebhookSecrets parsed(const char *text)
{
    WebhookSecrets secrets;
    Error err;
    assert_int_equal(webhook_secrets_parse(text, "secret", &secrets, &err), ERR_OK);
    return secrets;
}

/* The example of the Standard Webhooks specification. */
static void the_published_example(void **state)
{
    (void)state;
    WebhookSecrets secrets = parsed("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n");
    const char *body = "{\"test\": 2432232314}";
    AUTO_STR Str signature = {0};
    webhook_sign(&secrets, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body, strlen(body),
                 &signature);
    assert_string_equal(str_text(&signature), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

static void two_secrets_two_signatures(void **state)
{
    (void)state;
    WebhookSecrets secrets = parsed("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n\r\n"
                                    "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    assert_int_equal(secrets.count, 2);
    assert_int_equal(secrets.items[1].length, 32);
    assert_int_equal(secrets.items[1].bytes[31], 31);
    AUTO_STR Str signature = {0};
    webhook_sign(&secrets, "a", 1, "b", 1, &signature);
    assert_non_null(strstr(str_text(&signature), "= v1,"));
}

static void what_is_no_secret(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "\n",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_",
        "whsec_c2hvcnQ=",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa!w",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw extra",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        WebhookSecrets secrets;
        Error err;
        assert_int_equal(webhook_secrets_parse(wrong[i], "file", &secrets, &err), ERR_CONFIG);
        assert_string_equal(err.message, "file does not hold a webhook's secret");
        assert_null(strstr(err.hint, "MfKQ"));
    }
}

static void a_file_that_others_can_read_is_refused(void **state)
{
    (void)state;
    char path[] = "/tmp/pgtide-webhook-XXXXXX";
    const char text[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n";
    WebhookSecrets secrets;
    Error err;
    int fd = mkstemp(path);
    assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
    close(fd);
    assert_int_equal(webhook_secrets_load(path, &secrets, &err), ERR_OK);
    assert_int_equal(secrets.count, 1);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(webhook_secrets_load(path, &secrets, &err), ERR_CONFIG);
    assert_non_null(strstr(err.message, "is open to others (mode 0640)"));
    unlink(path);
    assert_int_equal(webhook_secrets_load(path, &secrets, &err), ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_example),
        cmocka_unit_test(two_secrets_two_signatures),
        cmocka_unit_test(what_is_no_secret),
        cmocka_unit_test(a_file_that_others_can_read_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
