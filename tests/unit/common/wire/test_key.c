#include "key.h"
#include "wire_test.h"

#include <sys/stat.h>

typedef struct Place {
    char directory[64];
    char key[96];
    char pub[96];
    char passphrase[96];
} Place;

static int setup(void **state)
{
    Place *place = calloc(1, sizeof *place);
    test_directory(place->directory);
    snprintf(place->key, sizeof place->key, "%s/alice.key", place->directory);
    snprintf(place->pub, sizeof place->pub, "%s/alice.pub", place->directory);
    snprintf(place->passphrase, sizeof place->passphrase, "%s/passphrase", place->directory);
    unsetenv("PGTIDE_KEY_PASSPHRASE_FILE");
    *state = place;
    return 0;
}

static int teardown(void **state)
{
    Place *place = *state;
    remove_directory(place->directory);
    free(place);
    return 0;
}

static void write_file(const char *path, const char *text, mode_t mode)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
}

static char *read_file(const char *path)
{
    static char text[4096];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

/* RFC 8032, 7.1, tests 1 and 2 */
static void signs_as_rfc_8032(void **state)
{
    (void)state;
    static const struct {
        const char *seed;
        const char *public;
        const char *message;
        const char *signature;
    } rows[] = {
        {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
         "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
         "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e3970"
         "1cf9b46bd25bf5f0595bbe24655141438e7a100b"},
        {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
         "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "\x72",
         "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613"
         "d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
    };
    for (size_t i = 0; i < 2; i++) {
        uint8_t seed[KEY_BYTES];
        char text[2 * SIGNATURE_BYTES + 1];
        uint8_t signature[SIGNATURE_BYTES];
        AUTO_KEY SecretKey *key = NULL;
        assert_true(hex_decode(rows[i].seed, seed, KEY_BYTES));
        assert_ok(key_from_secrets("rfc", seed, NULL, &key, err));
        hex_encode(key_public(key)->ed25519, KEY_BYTES, text);
        assert_string_equal(text, rows[i].public);
        size_t length = strlen(rows[i].message);
        assert_ok(key_sign(key, rows[i].message, length, signature, err));
        hex_encode(signature, SIGNATURE_BYTES, text);
        assert_string_equal(text, rows[i].signature);
        const uint8_t *public = key_public(key)->ed25519;
        assert_true(key_verify(public, rows[i].message, length, signature, SIGNATURE_BYTES));
        assert_false(key_verify(public, "x", 1, signature, SIGNATURE_BYTES));
        assert_false(key_verify(public, rows[i].message, length, signature, SIGNATURE_BYTES - 1));
        assert_null(key_curve_secret(key));
    }
}

static void key_id_as_specified(void **state)
{
    (void)state;
    uint8_t public[KEY_BYTES];
    char id[KEY_ID_TEXT_SIZE];
    assert_true(hex_decode("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                           public, KEY_BYTES));
    key_id(public, id);
    assert_string_equal(id, "ed25519:21fe31dfa154a261626bf854046fd227");
    assert_true(key_id_is_valid(id));
}

/* ZeroMQ's own test pair (RFC 26 / CURVE examples) */
static void curve_text_is_zeromqs(void **state)
{
    (void)state;
    uint8_t curve[KEY_BYTES];
    char again[CURVE_TEXT_SIZE];
    const char *text = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
    assert_true(curve_parse(text, curve));
    curve_format(curve, again);
    assert_string_equal(again, text);
    assert_false(curve_parse("Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hI", curve));
    assert_false(curve_parse("#####-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID", curve));
    assert_false(curve_parse("Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hI\x7f", curve));
}

static void saved_key_comes_back(void **state)
{
    Place *place = *state;
    AUTO_KEY SecretKey *key = NULL;
    AUTO_KEY SecretKey *again = NULL;
    PublicKeyInfo public;
    assert_ok(key_generate("alice", &key, err));
    assert_ok(key_save(key, place->key, NULL, err));
    assert_ok(public_key_save(key_public(key), place->pub, err));
    struct stat info;
    assert_int_equal(stat(place->key, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    assert_ok(key_load(place->key, NULL, &again, err));
    assert_ok(public_key_load(place->pub, &public, err));
    assert_memory_equal(&public, key_public(key), sizeof public);
    assert_memory_equal(&public, key_public(again), sizeof public);
    assert_memory_equal(key_curve_secret(key), key_curve_secret(again), KEY_BYTES);
    uint8_t one[SIGNATURE_BYTES];
    uint8_t other[SIGNATURE_BYTES];
    assert_ok(key_sign(key, "x", 1, one, err));
    assert_ok(key_sign(again, "x", 1, other, err));
    assert_memory_equal(one, other, sizeof one);
}

static void nothing_is_overwritten(void **state)
{
    Place *place = *state;
    AUTO_KEY SecretKey *key = fixed_key("alice", 1);
    assert_ok(key_save(key, place->key, NULL, err));
    assert_code(ERR_EXISTS, key_save(key, place->key, NULL, err));
    assert_ok(public_key_save(key_public(key), place->pub, err));
    assert_code(ERR_EXISTS, public_key_save(key_public(key), place->pub, err));
}

static void open_files_are_refused(void **state)
{
    Place *place = *state;
    AUTO_KEY SecretKey *key = fixed_key("alice", 1);
    assert_ok(key_save(key, place->key, NULL, err));
    static const mode_t modes[] = {0640, 0604, 0620, 0602, 0610, 0601, 0644};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        SecretKey *loaded = NULL;
        assert_int_equal(chmod(place->key, modes[i]), 0);
        assert_code(ERR_CONFIG, key_load(place->key, NULL, &loaded, err));
        assert_null(loaded);
    }
    assert_int_equal(chmod(place->key, 0400), 0);
    AUTO_KEY SecretKey *loaded = NULL;
    assert_ok(key_load(place->key, NULL, &loaded, err));
}

static void encrypted_key_needs_its_passphrase(void **state)
{
    Place *place = *state;
    AUTO_KEY SecretKey *key = fixed_key("alice", 0x5a);
    SecretKey *loaded = NULL;
    write_file(place->passphrase, "correct horse\nsecond line\n", 0600);
    assert_ok(key_save(key, place->key, place->passphrase, err));
    char *text = read_file(place->key);
    assert_null(strstr(text, "5a5a5a5a"));
    assert_null(strstr(text, "ed25519-seed"));
    assert_code(ERR_CONFIG, key_load(place->key, NULL, &loaded, err));
    assert_ok(key_load(place->key, place->passphrase, &loaded, err));
    assert_memory_equal(key_public(loaded), key_public(key), sizeof(PublicKeyInfo));
    key_free(loaded);
    loaded = NULL;
    setenv("PGTIDE_KEY_PASSPHRASE_FILE", place->passphrase, 1);
    assert_ok(key_load(place->key, NULL, &loaded, err));
    key_free(loaded);
    loaded = NULL;
    write_file(place->passphrase, "correct horsf\n", 0600);
    assert_code(ERR_AUTH, key_load(place->key, NULL, &loaded, err));
    write_file(place->passphrase, "\n", 0600);
    assert_code(ERR_CONFIG, key_load(place->key, NULL, &loaded, err));
    write_file(place->passphrase, "correct horse\n", 0644);
    assert_code(ERR_CONFIG, key_load(place->key, NULL, &loaded, err));
    assert_null(loaded);
    unsetenv("PGTIDE_KEY_PASSPHRASE_FILE");
}

/* The lines before `sealed` are authenticated with it: no other name, no cheaper scrypt. */
static void encrypted_file_cannot_be_edited(void **state)
{
    Place *place = *state;
    AUTO_KEY SecretKey *key = fixed_key("alice", 1);
    SecretKey *loaded = NULL;
    write_file(place->passphrase, "correct horse\n", 0600);
    assert_ok(key_save(key, place->key, place->passphrase, err));
    char text[4096];
    snprintf(text, sizeof text, "%s", read_file(place->key));
    memcpy(strstr(text, "alice"), "mallo", 5);
    write_file(place->key, text, 0600);
    assert_code(ERR_AUTH, key_load(place->key, place->passphrase, &loaded, err));
    memcpy(strstr(text, "mallo"), "alice", 5);
    write_file(place->key, text, 0600);
    assert_ok(key_load(place->key, place->passphrase, &loaded, err));
    key_free(loaded);
}

static void halves_must_belong_together(void **state)
{
    Place *place = *state;
    AUTO_KEY SecretKey *key = fixed_key("alice", 1);
    AUTO_KEY SecretKey *other = fixed_key("alice", 2);
    SecretKey *loaded = NULL;
    char one[80];
    char two[80];
    hex_encode(key_public(key)->ed25519, KEY_BYTES, one);
    hex_encode(key_public(other)->ed25519, KEY_BYTES, two);
    assert_ok(key_save(key, place->key, NULL, err));
    char text[4096];
    snprintf(text, sizeof text, "%s", read_file(place->key));
    memcpy(strstr(text, one), two, 64);
    write_file(place->key, text, 0600);
    assert_code(ERR_CONFIG, key_load(place->key, NULL, &loaded, err));
    assert_null(loaded);
}

static void malformed_files_are_refused(void **state)
{
    Place *place = *state;
    static const char *const texts[] = {
        "",
        "\n",
        "hello\n",
        "pgtide-key: 2\nname: alice\n",
        "pgtide-key: 1\n",
        "pgtide-key: 1\nname: Alice\n",
        "pgtide-public-key: 1\nname: alice\n",
        "pgtide-public-key: 1\nname: alice\ned25519: 00\n",
        "pgtide-public-key: 1\nname: alice\nname: alice\n",
        "pgtide-public-key: 1\nname: alice\n"
        "ed25519: 0000000000000000000000000000000000000000000000000000000000000000\n",
        "pgtide-public-key: 1\nname: Alice\n"
        "ed25519: d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        SecretKey *key = NULL;
        PublicKeyInfo public;
        write_file(place->key, texts[i], 0600);
        assert_code(ERR_CONFIG, key_load(place->key, NULL, &key, err));
        assert_code(ERR_CONFIG, public_key_load(place->key, &public, err));
    }
    assert_code(ERR_USAGE, ({
                    SecretKey *key;
                    key_generate("No Name", &key, err);
                }));
    PublicKeyInfo public;
    assert_code(ERR_NOT_FOUND, public_key_load(place->pub, &public, err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_as_rfc_8032),
        cmocka_unit_test(key_id_as_specified),
        cmocka_unit_test(curve_text_is_zeromqs),
        cmocka_unit_test_setup_teardown(saved_key_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_is_overwritten, setup, teardown),
        cmocka_unit_test_setup_teardown(open_files_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(encrypted_key_needs_its_passphrase, setup, teardown),
        cmocka_unit_test_setup_teardown(encrypted_file_cannot_be_edited, setup, teardown),
        cmocka_unit_test_setup_teardown(halves_must_belong_together, setup, teardown),
        cmocka_unit_test_setup_teardown(malformed_files_are_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
