#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bundle.h"

#include "bundle.pb-c.h"
#include "digest.h"

#include <stdlib.h>
#include <string.h>

/* Three release keys, two of which must sign, and three revisions in a bundle. */
typedef struct Fixture {
    Arena *arena;
    SecretKey *root;
    SecretKey *release[3];
    SecretKey *stranger;
    Trust *trust;
    Script *scripts[3];
    uint8_t *bytes; /* unsigned */
    size_t length;
} Fixture;

static SecretKey *key(const char *name, uint8_t number)
{
    uint8_t secret[KEY_BYTES];
    memset(secret, number, sizeof secret);
    SecretKey *made = NULL;
    assert_int_equal(key_from_secrets(name, secret, secret, &made, NULL), ERR_OK);
    return made;
}

static Script *script(Arena *arena, const char *id, const char *header)
{
    const char *text = arena_printf(arena,
                                    "-- revision: %s\n%s-- +upgrade\nSELECT '%s';\n"
                                    "-- +downgrade\nSELECT 2;\n",
                                    id, header, id);
    Script *parsed = NULL;
    Error err;
    if (script_parse(arena, arena_printf(arena, "versions/%s.sql", id), (const uint8_t *)text,
                     strlen(text), &parsed, &err) != ERR_OK)
        fail_msg("%s", err.message);
    return parsed;
}

static void trust_make(Fixture *fixture)
{
    PublicKeyInfo keys[3];
    for (int i = 0; i < 3; i++)
        keys[i] = *key_public(fixture->release[i]);
    const PublicKeyInfo root = *key_public(fixture->root);
    const PublicKeyInfo coordinator = *key_public(fixture->stranger);
    const TrustParts parts = {
        .fleet_id = {{1, 2, 3}},
        .version = 1,
        .created_unix_ms = 1000,
        .root = {1, &root, 1},
        .release = {2, keys, 3},
        .coordinators = &coordinator,
        .coordinator_count = 1,
    };
    uint8_t *payload;
    uint8_t *envelope;
    size_t length;
    Error err;
    if (trust_encode(fixture->arena, &parts, &payload, &length, &err) != ERR_OK)
        fail_msg("%s", err.message);
    const SecretKey *root_key = fixture->root;
    assert_int_equal(envelope_sign(fixture->arena, MESSAGE_TRUST, payload, length, &root_key, 1,
                                   &envelope, &length, &err),
                     ERR_OK);
    assert_int_equal(trust_open(envelope, length, 0, &fixture->trust, &err), ERR_OK);
}

static int setup(void **state)
{
    Fixture *fixture = xcalloc(1, sizeof *fixture);
    fixture->arena = arena_new();
    fixture->root = key("root", 1);
    fixture->release[0] = key("release0", 2);
    fixture->release[1] = key("release1", 3);
    fixture->release[2] = key("release2", 4);
    fixture->stranger = key("stranger", 5);
    trust_make(fixture);
    fixture->scripts[0] = script(fixture->arena, "002_b", "-- revises: 001_a\n");
    fixture->scripts[1] = script(fixture->arena, "001_a", "-- message: first\n-- labels: main\n");
    fixture->scripts[2] = script(fixture->arena, "003_c", "-- depends-on: 002_b\n");
    Error err;
    if (bundle_build(fixture->arena, "forge", 12345, fixture->scripts, 3, NULL, &fixture->bytes,
                     &fixture->length, &err) != ERR_OK)
        fail_msg("%s", err.message);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    Fixture *fixture = *state;
    trust_free(fixture->trust);
    key_free(fixture->root);
    key_free(fixture->stranger);
    for (int i = 0; i < 3; i++)
        key_free(fixture->release[i]);
    arena_free(fixture->arena);
    free(fixture);
    return 0;
}

static void sign(Fixture *fixture, const SecretKey *with, uint8_t **bytes, size_t *length)
{
    Error err;
    if (bundle_sign(fixture->arena, *bytes, *length, with, bytes, length, &err) != ERR_OK)
        fail_msg("%s", err.message);
}

static void sign_enough(Fixture *fixture)
{
    sign(fixture, fixture->release[0], &fixture->bytes, &fixture->length);
    sign(fixture, fixture->release[2], &fixture->bytes, &fixture->length);
}

static ErrCode open_bytes(Fixture *fixture, const uint8_t *bytes, size_t length)
{
    Bundle bundle;
    return bundle_open(fixture->arena, bytes, length, fixture->trust, &bundle, NULL);
}

static void test_what_goes_in_comes_out(void **state)
{
    Fixture *fixture = *state;
    Bundle draft;
    Bundle bundle;
    size_t signatures;
    assert_int_equal(bundle_open_unverified(fixture->arena, fixture->bytes, fixture->length, &draft,
                                            &signatures, NULL),
                     ERR_OK);
    assert_int_equal(signatures, 0);
    sign_enough(fixture);
    assert_int_equal(
        bundle_open(fixture->arena, fixture->bytes, fixture->length, fixture->trust, &bundle, NULL),
        ERR_OK);
    assert_true(digest_equal(&bundle.digest, &draft.digest)); /* signing changes no content */
    assert_string_equal(bundle.name, "forge");
    assert_int_equal(bundle.created_unix_ms, 12345);
    assert_int_equal(bundle.script_count, 3);
    assert_int_equal(bundle.signers.count, 2);
    assert_string_equal(bundle.scripts[0]->id, "001_a");
    assert_string_equal(bundle.scripts[0]->message, "first");
    for (size_t i = 0; i < 3; i++) {
        const Script *found = graph_find(bundle.map, fixture->scripts[i]->id);
        assert_true(digest_equal(&found->source_sha256, &fixture->scripts[i]->source_sha256));
        assert_string_equal(found->token_digest, fixture->scripts[i]->token_digest);
    }
    GraphSteps steps;
    StrList none = {0};
    assert_int_equal(graph_upgrade(fixture->arena, bundle.map, &none, "heads", &steps, NULL),
                     ERR_OK);
    assert_int_equal(steps.count, 3);
}

static void test_the_order_of_files_does_not_matter(void **state)
{
    Fixture *fixture = *state;
    Script *turned[] = {fixture->scripts[2], fixture->scripts[1], fixture->scripts[0]};
    uint8_t *bytes;
    size_t length;
    assert_int_equal(
        bundle_build(fixture->arena, "forge", 12345, turned, 3, NULL, &bytes, &length, NULL),
        ERR_OK);
    assert_int_equal(length, fixture->length);
    assert_memory_equal(bytes, fixture->bytes, length);
}

static void test_too_few_signatures(void **state)
{
    Fixture *fixture = *state;
    assert_int_not_equal(open_bytes(fixture, fixture->bytes, fixture->length), ERR_OK);
    sign(fixture, fixture->release[0], &fixture->bytes, &fixture->length);
    assert_int_not_equal(open_bytes(fixture, fixture->bytes, fixture->length), ERR_OK);
    sign(fixture, fixture->stranger, &fixture->bytes, &fixture->length);
    assert_int_not_equal(open_bytes(fixture, fixture->bytes, fixture->length), ERR_OK);
    sign(fixture, fixture->release[1], &fixture->bytes, &fixture->length);
    assert_int_equal(open_bytes(fixture, fixture->bytes, fixture->length), ERR_OK);
    uint8_t *again;
    size_t length;
    assert_int_equal(bundle_sign(fixture->arena, fixture->bytes, fixture->length,
                                 fixture->release[1], &again, &length, NULL),
                     ERR_EXISTS);
}

/* Whatever byte is changed or missing, nothing comes out. */
static void test_every_changed_byte(void **state)
{
    Fixture *fixture = *state;
    sign_enough(fixture);
    uint8_t *bytes = arena_memdup(fixture->arena, fixture->bytes, fixture->length);
    for (size_t i = 0; i < fixture->length; i++) {
        bytes[i] ^= 0x01;
        AUTO_ARENA Arena *arena = arena_new();
        Bundle bundle;
        if (bundle_open(arena, bytes, fixture->length, fixture->trust, &bundle, NULL) == ERR_OK) {
            /* a signature's key id is only a hint; a content that opens must be the same one */
            Digest found = bundle.digest;
            Bundle whole;
            assert_int_equal(
                bundle_open(arena, fixture->bytes, fixture->length, fixture->trust, &whole, NULL),
                ERR_OK);
            assert_true(digest_equal(&found, &whole.digest));
        }
        bytes[i] ^= 0x01;
    }
    for (size_t length = 0; length < fixture->length; length += 7) {
        AUTO_ARENA Arena *arena = arena_new();
        Bundle bundle;
        assert_int_not_equal(bundle_open(arena, bytes, length, fixture->trust, &bundle, NULL),
                             ERR_OK);
    }
}

/* Takes a bundle file apart and puts it together again, with other files. */
static ErrCode with_files(Fixture *fixture, const size_t *order, size_t count, const char *last)
{
    Pgtide__V1__BundleFile *file =
        pgtide__v1__bundle_file__unpack(NULL, fixture->length, fixture->bytes);
    Pgtide__V1__BundleFile made = PGTIDE__V1__BUNDLE_FILE__INIT;
    ProtobufCBinaryData files[8];
    made.manifest_envelope = file->manifest_envelope;
    made.files = files;
    made.n_files = count;
    for (size_t i = 0; i < count; i++)
        files[i] = file->files[order[i]];
    if (last != NULL)
        files[count - 1] =
            (ProtobufCBinaryData){.len = strlen(last), .data = (uint8_t *)(uintptr_t)last};
    size_t length = pgtide__v1__bundle_file__get_packed_size(&made);
    uint8_t *bytes = arena_alloc(fixture->arena, length);
    pgtide__v1__bundle_file__pack(&made, bytes);
    pgtide__v1__bundle_file__free_unpacked(file, NULL);
    return open_bytes(fixture, bytes, length);
}

static void test_other_files_under_the_same_manifest(void **state)
{
    Fixture *fixture = *state;
    sign_enough(fixture);
    assert_int_equal(with_files(fixture, (const size_t[]){0, 1, 2}, 3, NULL), ERR_OK);
    assert_int_equal(with_files(fixture, (const size_t[]){1, 0, 2}, 3, NULL), ERR_DIGEST_MISMATCH);
    assert_int_equal(with_files(fixture, (const size_t[]){0, 1}, 2, NULL), ERR_DIGEST_MISMATCH);
    assert_int_equal(with_files(fixture, (const size_t[]){0, 1, 2, 2}, 4, NULL),
                     ERR_DIGEST_MISMATCH);
    assert_int_equal(with_files(fixture, (const size_t[]){0, 1, 2}, 3,
                                "-- revision: 003_c\n-- depends-on: 002_b\n-- +upgrade\n"
                                "DROP TABLE users;\n-- +downgrade\n"),
                     ERR_DIGEST_MISMATCH);
}

/* A manifest as somebody with release keys, but another program, might sign it. */
typedef void Change(Pgtide__V1__BundleManifest *manifest);

static ErrCode with_manifest(Fixture *fixture, Change *change)
{
    Pgtide__V1__BundleFile *file =
        pgtide__v1__bundle_file__unpack(NULL, fixture->length, fixture->bytes);
    const uint8_t *payload;
    size_t length;
    size_t signatures;
    assert_int_equal(envelope_peek_unverified(fixture->arena, file->manifest_envelope.data,
                                              file->manifest_envelope.len, MESSAGE_BUNDLE, &payload,
                                              &length, &signatures, NULL),
                     ERR_OK);
    Pgtide__V1__BundleManifest *manifest =
        pgtide__v1__bundle_manifest__unpack(NULL, length, payload);
    change(manifest);
    length = pgtide__v1__bundle_manifest__get_packed_size(manifest);
    uint8_t *changed = arena_alloc(fixture->arena, length);
    pgtide__v1__bundle_manifest__pack(manifest, changed);
    pgtide__v1__bundle_manifest__free_unpacked(manifest, NULL);
    const SecretKey *keys[] = {fixture->release[0], fixture->release[1]};
    uint8_t *envelope;
    assert_int_equal(envelope_sign(fixture->arena, MESSAGE_BUNDLE, changed, length, keys, 2,
                                   &envelope, &length, NULL),
                     ERR_OK);
    free(file->manifest_envelope.data);
    file->manifest_envelope.data = malloc(length);
    memcpy(file->manifest_envelope.data, envelope, length);
    file->manifest_envelope.len = length;
    length = pgtide__v1__bundle_file__get_packed_size(file);
    uint8_t *bytes = arena_alloc(fixture->arena, length);
    pgtide__v1__bundle_file__pack(file, bytes);
    pgtide__v1__bundle_file__free_unpacked(file, NULL);
    uint8_t *ignored;
    size_t ignored_length;
    if (change != NULL && bundle_sign(fixture->arena, bytes, length, fixture->release[2], &ignored,
                                      &ignored_length, NULL) == ERR_OK)
        assert_int_equal(open_bytes(fixture, bytes, length), ERR_OK); /* what signs, opens */
    return open_bytes(fixture, bytes, length);
}

static void change_nothing(Pgtide__V1__BundleManifest *manifest)
{
    (void)manifest;
}

static void change_id(Pgtide__V1__BundleManifest *manifest)
{
    manifest->revisions[0]->id[2] = '0'; /* 000_a: still sorted, not the file's */
}

static void change_parents(Pgtide__V1__BundleManifest *manifest)
{
    manifest->revisions[1]->revises[0][2] = '3';
}

static void change_labels(Pgtide__V1__BundleManifest *manifest)
{
    manifest->revisions[0]->labels[0][0] = 'x';
}

static void change_transactional(Pgtide__V1__BundleManifest *manifest)
{
    manifest->revisions[1]->transactional = false;
}

static void change_order(Pgtide__V1__BundleManifest *manifest)
{
    Pgtide__V1__BundleRevision *first = manifest->revisions[0];
    manifest->revisions[0] = manifest->revisions[1];
    manifest->revisions[1] = first;
}

static void change_length(Pgtide__V1__BundleManifest *manifest)
{
    manifest->revisions[2]->length++;
}

static void change_name(Pgtide__V1__BundleManifest *manifest)
{
    manifest->name[0] = '\0';
}

static void change_digest(Pgtide__V1__BundleManifest *manifest)
{
    manifest->revisions[2]->source_sha256.len = 31;
}

static void test_manifests_that_do_not_fit_their_files(void **state)
{
    Fixture *fixture = *state;
    assert_int_equal(with_manifest(fixture, change_nothing), ERR_OK);
    assert_int_equal(with_manifest(fixture, change_id), ERR_SCRIPT);
    assert_int_equal(with_manifest(fixture, change_parents), ERR_PROTOCOL);
    assert_int_equal(with_manifest(fixture, change_labels), ERR_PROTOCOL);
    assert_int_equal(with_manifest(fixture, change_transactional), ERR_PROTOCOL);
    assert_int_equal(with_manifest(fixture, change_length), ERR_DIGEST_MISMATCH);
    assert_int_equal(with_manifest(fixture, change_name), ERR_PROTOCOL);
    assert_int_equal(with_manifest(fixture, change_digest), ERR_PROTOCOL);
    assert_int_not_equal(with_manifest(fixture, change_order), ERR_OK);
}

static void test_what_no_bundle_is_made_of(void **state)
{
    Fixture *fixture = *state;
    uint8_t *bytes;
    size_t length;
    Arena *arena = fixture->arena;
    assert_int_equal(bundle_build(arena, "x", 1, fixture->scripts, 0, NULL, &bytes, &length, NULL),
                     ERR_LIMIT);
    assert_int_equal(bundle_build(arena, "", 1, fixture->scripts, 3, NULL, &bytes, &length, NULL),
                     ERR_USAGE);
    /* 002_b without 001_a */
    assert_int_equal(bundle_build(arena, "x", 1, fixture->scripts, 1, NULL, &bytes, &length, NULL),
                     ERR_GRAPH);
}

#define BUNDLE_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static Script *script_named(Arena *arena, const char *file, const char *text)
{
    Script *parsed = NULL;
    Error err;
    if (script_parse(arena, file, (const uint8_t *)text, strlen(text), &parsed, &err) != ERR_OK)
        fail_msg("%s", err.message);
    return parsed;
}

/* A baseline goes with the revisions; what a fleet does not run is not packed. */
static void test_other_kinds_of_files(void **state)
{
    Fixture *fixture = *state;
    const char *id = fixture->scripts[1]->id;
    Script *baseline = script_named(
        fixture->arena, arena_printf(fixture->arena, "versions/baseline_%s.sql", id),
        arena_printf(fixture->arena, "-- baseline: %s\n-- +upgrade\nSELECT 'all';\n", id));
    Script *repeatable = script_named(fixture->arena, "versions/R_views.sql",
                                      "-- repeatable: views\n-- +upgrade\nSELECT 1;\n");
    Script *all[] = {repeatable, baseline, fixture->scripts[0], fixture->scripts[1],
                     fixture->scripts[2]};
    uint8_t *bytes;
    size_t length;
    size_t signatures;
    Error err;
    assert_int_equal(bundle_build(fixture->arena, "forge", 1, all, 5, NULL, &bytes, &length, &err),
                     ERR_REFUSED);
    assert_string_equal(err.file, "versions/R_views.sql");
    assert_int_equal(
        bundle_build(fixture->arena, "forge", 1, all + 1, 4, NULL, &bytes, &length, &err), ERR_OK);
    Bundle bundle;
    if (bundle_open_unverified(fixture->arena, bytes, length, &bundle, &signatures, &err) != ERR_OK)
        fail_msg("%s", err.message);
    assert_int_equal(graph_count(bundle.map), 3);
    const Script *found = graph_baseline(bundle.map, id);
    assert_true(digest_equal(&found->source_sha256, &baseline->source_sha256));
}

/* --- safe statements -------------------------------------------------------------------------- */

static SafeFile safe_file(const char *name, const char *text)
{
    return (SafeFile){name, (const uint8_t *)text, strlen(text)};
}

static void test_safe_statements_are_in_it(void **state)
{
    const Fixture *fixture = *state;
    SafeFile items[] = {
        safe_file("010_a.sql", "ALTER TABLE a ADD COLUMN IF NOT EXISTS b int;\nSELECT 1;"),
        safe_file("020_b.sql", "DROP TABLE IF EXISTS c;")};
    const SafeFiles files = {items, 2};
    uint8_t *bytes;
    size_t length, signatures;
    Bundle bundle;
    Error err;
    assert_int_equal(bundle_build(fixture->arena, "forge", 1, fixture->scripts, 3, &files, &bytes,
                                  &length, &err),
                     ERR_OK);
    assert_int_equal(
        bundle_open_unverified(fixture->arena, bytes, length, &bundle, &signatures, &err), ERR_OK);
    assert_int_equal(bundle.script_count, 3);
    assert_int_equal(bundle.safe_files.count, 2);
    assert_string_equal(bundle.safe_files.items[1].name, "020_b.sql");
    assert_int_equal(bundle.safe.count, 3);
    assert_string_equal(bundle.safe.items[2].file, "safe/020_b.sql");
    /* one byte of a statement, behind the signature's back */
    uint8_t *at = memmem(bytes, length, "EXISTS c", 8);
    assert_non_null(at);
    at[7] = 'd';
    assert_int_equal(
        bundle_open_unverified(fixture->arena, bytes, length, &bundle, &signatures, &err),
        ERR_DIGEST_MISMATCH);
}

static void test_safe_statements_are_checked(void **state)
{
    const Fixture *fixture = *state;
    static const struct {
        const char *name;
        const char *text;
        ErrCode code;
    } wrong[] = {
        {"a.sql", "DROP TABLE a;", ERR_SCRIPT}, {"a.sql", "SELECT 'open", ERR_SCRIPT},
        {"../a.sql", "SELECT 1;", ERR_USAGE},   {".a.sql", "SELECT 1;", ERR_USAGE},
        {"a.txt", "SELECT 1;", ERR_USAGE},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        SafeFile item = safe_file(wrong[i].name, wrong[i].text);
        const SafeFiles files = {&item, 1};
        uint8_t *bytes;
        size_t length;
        assert_int_equal(bundle_build(fixture->arena, "forge", 1, fixture->scripts, 3, &files,
                                      &bytes, &length, NULL),
                         wrong[i].code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BUNDLE_TEST(test_safe_statements_are_in_it),
        BUNDLE_TEST(test_safe_statements_are_checked),
        BUNDLE_TEST(test_what_goes_in_comes_out),
        BUNDLE_TEST(test_the_order_of_files_does_not_matter),
        BUNDLE_TEST(test_too_few_signatures),
        BUNDLE_TEST(test_every_changed_byte),
        BUNDLE_TEST(test_other_files_under_the_same_manifest),
        BUNDLE_TEST(test_manifests_that_do_not_fit_their_files),
        BUNDLE_TEST(test_what_no_bundle_is_made_of),
        BUNDLE_TEST(test_other_kinds_of_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
