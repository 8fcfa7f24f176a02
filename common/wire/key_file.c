/*
 * Key files: a version line, then `key: value` lines. Whatever held a secret on the way is wiped,
 * so nothing here goes through an arena or a Str.
 */
#include "key.h"

#include "digest.h"
#include "file.h"
#include "key_internal.h"
#include "libcrypto.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PRIVATE_MAGIC "pgtide-key"
#define PUBLIC_MAGIC "pgtide-public-key"
#define FORMAT_VERSION "1"
#define CIPHER_NAME "scrypt-aes-256-gcm"
#define PASSPHRASE_VARIABLE "PGTIDE_KEY_PASSPHRASE_FILE"

enum {
    TEXT_SIZE = 2048, /* a key file as we write it is under 700 bytes */
    LINES_MAX = 16,
    SALT_BYTES = 16,
    NONCE_BYTES = 12,
    TAG_BYTES = 16,
    SECRET_BYTES = 2 * KEY_BYTES,
    SEALED_BYTES = SECRET_BYTES + TAG_BYTES,
    PASSPHRASE_BYTES_MAX = 1024,
    SCRYPT_N = 32768, /* 32 MiB, about 0.1 s */
    SCRYPT_R = 8,
    SCRYPT_P = 1,
    SCRYPT_MEMORY_BYTES = 64 * 1024 * 1024,
};

typedef struct Text {
    char bytes[TEXT_SIZE];
    size_t length;
} Text;

static void text_printf(Text *text, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void text_printf(Text *text, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int added = vsnprintf(text->bytes + text->length, TEXT_SIZE - text->length, fmt, args);
    va_end(args);
    if (added > 0 && (size_t)added < TEXT_SIZE - text->length) {
        text->length += (size_t)added;
    }
}

static void text_hex(Text *text, const char *key, const uint8_t *bytes, size_t length)
{
    char hex[2 * SEALED_BYTES + 1];
    hex_encode(bytes, length, hex);
    text_printf(text, "%s: %s\n", key, hex);
    OPENSSL_cleanse(hex, sizeof hex);
}

static void text_curve(Text *text, const char *key, const uint8_t curve[KEY_BYTES])
{
    char z85[CURVE_TEXT_SIZE];
    curve_format(curve, z85);
    text_printf(text, "%s: %s\n", key, z85);
    OPENSSL_cleanse(z85, sizeof z85);
}

/* --- reading files ---------------------------------------------------------------------------- */

typedef struct Lines {
    const char *keys[LINES_MAX];
    const char *values[LINES_MAX];
    size_t count;
} Lines;

static const char *lines_find(const Lines *lines, const char *key)
{
    for (size_t i = 0; i < lines->count; i++) {
        if (strcmp(lines->keys[i], key) == 0) {
            return lines->values[i];
        }
    }
    return NULL;
}

/* Splits in place. No key twice; the first line is the magic and its version. */
static ErrCode lines_parse(char *text, const char *magic, const char *path, Lines *lines,
                           Error *err)
{
    lines->count = 0;
    int number = 0;
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        number++;
        if (line[0] == '\0') {
            continue;
        }
        char *colon = strstr(line, ": ");
        if (colon == NULL || lines->count == LINES_MAX) {
            err_set(err, ERR_CONFIG, "%s is not a %s file", path, magic);
            err_at(err, path, number);
            return ERR_CONFIG;
        }
        *colon = '\0';
        if (lines_find(lines, line) != NULL) {
            return err_set(err, ERR_CONFIG, "%s: `%.40s` is there twice", path, line);
        }
        lines->keys[lines->count] = line;
        lines->values[lines->count++] = colon + 2;
    }
    if (lines->count == 0 || strcmp(lines->keys[0], magic) != 0) {
        return err_set(err, ERR_CONFIG, "%s is not a %s file", path, magic);
    }
    if (strcmp(lines->values[0], FORMAT_VERSION) != 0) {
        return err_set(err, ERR_CONFIG, "%s has format %.20s, this pgtide reads " FORMAT_VERSION,
                       path, lines->values[0]);
    }
    return ERR_OK;
}

static ErrCode read_small(int fd, const char *path, Text *text, Error *err)
{
    text->length = 0;
    for (;;) {
        ssize_t got = read(fd, text->bytes + text->length, TEXT_SIZE - 1 - text->length);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return err_set(err, ERR_IO, "can't read %s: %s", path, strerror(errno));
        }
        if (got == 0) {
            break;
        }
        text->length += (size_t)got;
        if (text->length == TEXT_SIZE - 1) {
            return err_set(err, ERR_LIMIT, "%s is larger than a key file can be", path);
        }
    }
    text->bytes[text->length] = '\0';
    if (strlen(text->bytes) != text->length) {
        return err_set(err, ERR_CONFIG, "%s holds a NUL byte", path);
    }
    return ERR_OK;
}

/* `forbidden`: mode bits that make the file's content no secret. */
static ErrCode check_mode(int fd, const char *path, mode_t forbidden, Error *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0) {
        return err_set(err, ERR_IO, "can't look at %s: %s", path, strerror(errno));
    }
    if (!S_ISREG(info.st_mode)) {
        return err_set(err, ERR_CONFIG, "%s is not a file", path);
    }
    if ((info.st_mode & forbidden) != 0) {
        err_set(err, ERR_CONFIG, "%s is open to others (mode %04o): a secret must not be", path,
                (unsigned)(info.st_mode & 07777));
        err_hint(err, "Run `chmod 600 %s`, and make a new key if others could have read it.", path);
        return ERR_CONFIG;
    }
    if (info.st_uid != geteuid() && info.st_uid != 0) {
        return err_set(err, ERR_CONFIG, "%s belongs to another user", path);
    }
    return ERR_OK;
}

/* `forbidden` 0: the file holds no secret, any owner and mode will do. */
static ErrCode read_key_text(const char *path, mode_t forbidden, Text *text, Error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return err_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "can't open %s: %s", path,
                       strerror(errno));
    }
    ErrCode code = forbidden == 0 ? ERR_OK : check_mode(fd, path, forbidden, err);
    if (code == ERR_OK) {
        code = read_small(fd, path, text, err);
    }
    close(fd);
    return code;
}

/* --- passphrase ------------------------------------------------------------------------------- */

typedef struct Passphrase {
    char bytes[PASSPHRASE_BYTES_MAX + 1];
    size_t length;
} Passphrase;

static ErrCode passphrase_read(const char *path, Passphrase *out, Error *err)
{
    Text text;
    ErrCode code = read_key_text(path, S_IRWXO | S_IWGRP, &text, err);
    if (code == ERR_OK) {
        size_t length = strcspn(text.bytes, "\r\n");
        if (length == 0 || length > PASSPHRASE_BYTES_MAX) {
            code = err_set(err, ERR_CONFIG, "%s: the first line is empty or too long", path);
        } else {
            memcpy(out->bytes, text.bytes, length);
            out->length = length;
        }
    }
    OPENSSL_cleanse(&text, sizeof text);
    return code;
}

static ErrCode derive_key(const char *passphrase_file, const uint8_t salt[SALT_BYTES], uint64_t n,
                          uint64_t r, uint64_t p, uint8_t out[KEY_BYTES], Error *err)
{
    Passphrase passphrase;
    ErrCode code = passphrase_read(passphrase_file, &passphrase, err);
    if (code == ERR_OK && EVP_PBE_scrypt(passphrase.bytes, passphrase.length, salt, SALT_BYTES, n,
                                         r, p, SCRYPT_MEMORY_BYTES, out, KEY_BYTES) != 1) {
        code = err_set(err, ERR_CONFIG, "the key file's scrypt parameters are not usable");
    }
    OPENSSL_cleanse(&passphrase, sizeof passphrase);
    return code;
}

/* AES-256-GCM; the lines before are authenticated with it, so no name can be exchanged. */
static bool seal(const uint8_t key[KEY_BYTES], const uint8_t nonce[NONCE_BYTES], const Text *lines,
                 const uint8_t secret[SECRET_BYTES], uint8_t out[SEALED_BYTES])
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int length;
    bool ok =
        context != NULL && EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), NULL, key, nonce) == 1 &&
        EVP_EncryptUpdate(context, NULL, &length, (const uint8_t *)lines->bytes,
                          (int)lines->length) == 1 &&
        EVP_EncryptUpdate(context, out, &length, secret, SECRET_BYTES) == 1 &&
        length == SECRET_BYTES && EVP_EncryptFinal_ex(context, out + SECRET_BYTES, &length) == 1 &&
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, out + SECRET_BYTES) == 1;
    EVP_CIPHER_CTX_free(context);
    return ok;
}

static bool unseal(const uint8_t key[KEY_BYTES], const uint8_t nonce[NONCE_BYTES],
                   const Text *lines, const uint8_t sealed[SEALED_BYTES],
                   uint8_t secret[SECRET_BYTES])
{
    uint8_t tag[TAG_BYTES];
    uint8_t end[TAG_BYTES];
    memcpy(tag, sealed + SECRET_BYTES, TAG_BYTES);
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int length;
    bool ok = context != NULL &&
              EVP_DecryptInit_ex(context, EVP_aes_256_gcm(), NULL, key, nonce) == 1 &&
              EVP_DecryptUpdate(context, NULL, &length, (const uint8_t *)lines->bytes,
                                (int)lines->length) == 1 &&
              EVP_DecryptUpdate(context, secret, &length, sealed, SECRET_BYTES) == 1 &&
              EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, tag) == 1 &&
              EVP_DecryptFinal_ex(context, end, &length) == 1;
    EVP_CIPHER_CTX_free(context);
    return ok;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void write_public_lines(Text *text, const char *magic, const PublicKeyInfo *key)
{
    text_printf(text, "%s: %s\n", magic, FORMAT_VERSION);
    text_printf(text, "name: %s\n", key->name);
    text_hex(text, "ed25519", key->ed25519, KEY_BYTES);
    if (key->has_curve) {
        text_curve(text, "curve", key->curve);
    }
}

static ErrCode write_sealed_lines(Text *text, const SecretKey *key, const char *passphrase_file,
                                  Error *err)
{
    uint8_t salt[SALT_BYTES];
    uint8_t nonce[NONCE_BYTES];
    uint8_t cipher_key[KEY_BYTES];
    uint8_t secret[SECRET_BYTES] = {0};
    uint8_t sealed[SEALED_BYTES];
    if (!secure_random(salt, sizeof salt) || !secure_random(nonce, sizeof nonce)) {
        return err_set(err, ERR_INTERNAL, "no random source");
    }
    text_printf(text, "encryption: " CIPHER_NAME "\n");
    text_printf(text, "scrypt: %d %d %d\n", SCRYPT_N, SCRYPT_R, SCRYPT_P);
    text_hex(text, "salt", salt, sizeof salt);
    text_hex(text, "nonce", nonce, sizeof nonce);
    ErrCode code = derive_key(passphrase_file, salt, SCRYPT_N, SCRYPT_R, SCRYPT_P, cipher_key, err);
    if (code == ERR_OK) {
        memcpy(secret, key_seed(key), KEY_BYTES);
        if (key_curve_secret(key) != NULL) {
            memcpy(secret + KEY_BYTES, key_curve_secret(key), KEY_BYTES);
        }
        if (seal(cipher_key, nonce, text, secret, sealed)) {
            text_hex(text, "sealed", sealed, sizeof sealed);
        } else {
            code = err_set(err, ERR_INTERNAL, "libcrypto did not encrypt");
        }
    }
    OPENSSL_cleanse(cipher_key, sizeof cipher_key);
    OPENSSL_cleanse(secret, sizeof secret);
    return code;
}

ErrCode key_save(const SecretKey *key, const char *path, const char *passphrase_file, Error *err)
{
    Text text = {.length = 0};
    ErrCode code = ERR_OK;
    write_public_lines(&text, PRIVATE_MAGIC, key_public(key));
    if (passphrase_file != NULL) {
        code = write_sealed_lines(&text, key, passphrase_file, err);
    } else {
        text_hex(&text, "ed25519-seed", key_seed(key), KEY_BYTES);
        if (key_curve_secret(key) != NULL) {
            text_curve(&text, "curve-secret", key_curve_secret(key));
        }
    }
    if (code == ERR_OK) {
        code = file_write_new(path, text.bytes, text.length, 0600, err);
    }
    OPENSSL_cleanse(&text, sizeof text);
    return code;
}

ErrCode public_key_save(const PublicKeyInfo *key, const char *path, Error *err)
{
    Text text = {.length = 0};
    write_public_lines(&text, PUBLIC_MAGIC, key);
    return file_write_new(path, text.bytes, text.length, 0644, err);
}

/* --- loading ---------------------------------------------------------------------------------- */

static ErrCode parse_public_lines(const Lines *lines, const char *path, PublicKeyInfo *out,
                                  Error *err)
{
    const char *name = lines_find(lines, "name");
    const char *ed25519 = lines_find(lines, "ed25519");
    const char *curve = lines_find(lines, "curve");
    memset(out, 0, sizeof *out);
    if (name == NULL || strlen(name) >= sizeof out->name) {
        return err_set(err, ERR_CONFIG, "%s: no name, or one that is too long", path);
    }
    memcpy(out->name, name, strlen(name));
    if (ed25519 == NULL || !hex_decode(ed25519, out->ed25519, KEY_BYTES)) {
        return err_set(err, ERR_CONFIG, "%s: `ed25519` is not 64 hex digits", path);
    }
    out->has_curve = curve != NULL;
    if (curve != NULL && !curve_parse(curve, out->curve)) {
        return err_set(err, ERR_CONFIG, "%s: `curve` is not a Z85 key", path);
    }
    ErrCode code = public_key_complete(out, err);
    if (code != ERR_OK) {
        err_wrap(err, "%s", path);
    }
    return code;
}

ErrCode public_key_load(const char *path, PublicKeyInfo *ret_key, Error *err)
{
    Text text;
    Lines lines;
    PublicKeyInfo key;
    ErrCode code = read_key_text(path, 0, &text, err);
    if (code == ERR_OK) {
        code = lines_parse(text.bytes, PUBLIC_MAGIC, path, &lines, err);
    }
    if (code == ERR_OK) {
        code = parse_public_lines(&lines, path, &key, err);
    }
    /* A private key given where a public one belongs is read, and must not stay in memory. */
    OPENSSL_cleanse(&text, sizeof text);
    if (code == ERR_OK) {
        *ret_key = key;
    }
    return code;
}

static bool parse_scrypt(const char *text, uint64_t *n, uint64_t *r, uint64_t *p)
{
    unsigned long parsed_n;
    unsigned long parsed_r;
    unsigned long parsed_p;
    char end;
    if (text == NULL ||
        sscanf(text, "%8lu %4lu %4lu%c", &parsed_n, &parsed_r, &parsed_p, &end) != 3) {
        return false;
    }
    *n = parsed_n;
    *r = parsed_r;
    *p = parsed_p;
    return true;
}

/* `lines_text` are the file's bytes before `sealed:`. */
static ErrCode read_sealed(const Lines *lines, const Text *lines_text, const char *path,
                           const char *passphrase_file, uint8_t secret[SECRET_BYTES], Error *err)
{
    uint8_t salt[SALT_BYTES];
    uint8_t nonce[NONCE_BYTES];
    uint8_t sealed[SEALED_BYTES];
    uint64_t n;
    uint64_t r;
    uint64_t p;
    const char *cipher = lines_find(lines, "encryption");
    const char *salt_text = lines_find(lines, "salt");
    const char *nonce_text = lines_find(lines, "nonce");
    const char *sealed_text = lines_find(lines, "sealed");
    if (strcmp(cipher, CIPHER_NAME) != 0 || salt_text == NULL || nonce_text == NULL ||
        sealed_text == NULL || !hex_decode(salt_text, salt, SALT_BYTES) ||
        !hex_decode(nonce_text, nonce, NONCE_BYTES) ||
        !hex_decode(sealed_text, sealed, SEALED_BYTES) ||
        !parse_scrypt(lines_find(lines, "scrypt"), &n, &r, &p)) {
        return err_set(err, ERR_CONFIG, "%s: its encryption is not one this pgtide reads", path);
    }
    if (passphrase_file == NULL) {
        err_set(err, ERR_CONFIG, "%s is encrypted and no passphrase file is named", path);
        err_hint(err, "Set " PASSPHRASE_VARIABLE " to a file whose first line is the passphrase.");
        return ERR_CONFIG;
    }
    uint8_t cipher_key[KEY_BYTES];
    ErrCode code = derive_key(passphrase_file, salt, n, r, p, cipher_key, err);
    if (code == ERR_OK && !unseal(cipher_key, nonce, lines_text, sealed, secret)) {
        code = err_set(err, ERR_AUTH, "%s: wrong passphrase, or the file is damaged", path);
        err_hint(err, "Check the passphrase file.");
    }
    OPENSSL_cleanse(cipher_key, sizeof cipher_key);
    return code;
}

static ErrCode read_open(const Lines *lines, const char *path, bool has_curve,
                         uint8_t secret[SECRET_BYTES], Error *err)
{
    const char *seed = lines_find(lines, "ed25519-seed");
    const char *curve = lines_find(lines, "curve-secret");
    if (seed == NULL || !hex_decode(seed, secret, KEY_BYTES) || has_curve != (curve != NULL) ||
        (curve != NULL && !curve_parse(curve, secret + KEY_BYTES))) {
        return err_set(err, ERR_CONFIG, "%s: its secret halves are missing or malformed", path);
    }
    return ERR_OK;
}

static ErrCode parse_private(Text *text, const char *path, const char *passphrase_file,
                             SecretKey **ret_key, Error *err)
{
    Text before; /* the parse below cuts `text` into pieces */
    char *sealed = strstr(text->bytes, "\nsealed: ");
    before.length = sealed == NULL ? 0 : (size_t)(sealed - text->bytes) + 1;
    memcpy(before.bytes, text->bytes, before.length);
    Lines lines;
    PublicKeyInfo public;
    SecretKey *key = NULL;
    uint8_t secret[SECRET_BYTES] = {0};
    ErrCode code = lines_parse(text->bytes, PRIVATE_MAGIC, path, &lines, err);
    if (code == ERR_OK) {
        code = parse_public_lines(&lines, path, &public, err);
    }
    if (code == ERR_OK) {
        code = lines_find(&lines, "encryption") != NULL
                   ? read_sealed(&lines, &before, path, passphrase_file, secret, err)
                   : read_open(&lines, path, public.has_curve, secret, err);
    }
    if (code == ERR_OK) {
        code = key_from_secrets(public.name, secret, public.has_curve ? secret + KEY_BYTES : NULL,
                                &key, err);
    }
    OPENSSL_cleanse(secret, sizeof secret);
    if (code == ERR_OK && memcmp(key_public(key), &public, sizeof public) != 0) {
        key_free(key);
        code = err_set(err, ERR_CONFIG, "%s: its public and secret halves do not belong together",
                       path);
    }
    if (code == ERR_OK) {
        *ret_key = key;
    }
    return code;
}

ErrCode key_load(const char *path, const char *passphrase_file, SecretKey **ret_key, Error *err)
{
    if (passphrase_file == NULL) {
        passphrase_file = getenv(PASSPHRASE_VARIABLE);
    }
    Text text;
    ErrCode code = read_key_text(path, S_IRWXG | S_IRWXO, &text, err);
    if (code == ERR_OK) {
        code = parse_private(&text, path, passphrase_file, ret_key, err);
    }
    OPENSSL_cleanse(&text, sizeof text);
    return code;
}
