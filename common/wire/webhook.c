#include "webhook.h"

#include "libcrypto.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/hmac.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX "whsec_"

enum {
    FILE_BYTES_MAX = 1024,
    BASE64_MAX = (WEBHOOK_SECRET_BYTES_MAX + 2) / 3 * 4,
    MAC_BYTES = 32,
};

/* --- secrets ---------------------------------------------------------------------------------- */

static ErrCode not_a_secret(const char *path, Error *err)
{
    err_set(err, ERR_CONFIG, "%s does not hold a webhook's secret", path);
    err_hint(err, "A line is whsec_ and base64 of 24 to 64 random bytes: echo whsec_$(head -c 32 "
                  "/dev/urandom | base64).");
    return ERR_CONFIG;
}

/* Of exactly `length` characters; false when they are not base64 of 24 to 64 bytes. */
static bool decode(const char *text, size_t length, uint8_t *out, size_t *ret_length)
{
    uint8_t bytes[BASE64_MAX];
    if (length == 0 || length % 4 != 0 || length > BASE64_MAX)
        return false;
    int decoded = EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)length);
    size_t padding = (text[length - 1] == '=' ? 1u : 0u) + (text[length - 2] == '=' ? 1u : 0u);
    size_t found = decoded < 0 ? 0 : (size_t)decoded - padding;
    bool fits = found >= WEBHOOK_SECRET_BYTES_MIN && found <= WEBHOOK_SECRET_BYTES_MAX;
    if (fits) {
        memcpy(out, bytes, found);
        *ret_length = found;
    }
    OPENSSL_cleanse(bytes, sizeof bytes);
    return fits;
}

ErrCode webhook_secrets_parse(const char *text, const char *path, WebhookSecrets *ret_secrets,
                              Error *err)
{
    WebhookSecrets secrets = {.count = 0};
    bool good = true;
    while (good && *text != '\0') {
        size_t length = strcspn(text, "\r\n");
        if (length > 0) {
            good = secrets.count < WEBHOOK_SECRETS_MAX && length > strlen(PREFIX) &&
                   strncmp(text, PREFIX, strlen(PREFIX)) == 0 &&
                   decode(text + strlen(PREFIX), length - strlen(PREFIX),
                          secrets.items[secrets.count].bytes, &secrets.items[secrets.count].length);
            secrets.count += good ? 1 : 0;
        }
        text += length + (text[length] != '\0' ? 1 : 0);
    }
    if (good && secrets.count > 0)
        *ret_secrets = secrets;
    else
        good = false;
    OPENSSL_cleanse(&secrets, sizeof secrets);
    return good ? ERR_OK : not_a_secret(path, err);
}

static ErrCode check_file(int fd, const char *path, Error *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return err_set(err, ERR_IO, "can't look at %s: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return err_set(err, ERR_CONFIG, "%s is not a file", path);
    if ((info.st_mode & 077) != 0) {
        err_set(err, ERR_CONFIG, "%s is open to others (mode %04o): a secret must not be", path,
                (unsigned)(info.st_mode & 07777));
        err_hint(err, "Run `chmod 600 %s`, and make a new secret if others could have read it.",
                 path);
        return ERR_CONFIG;
    }
    if (info.st_uid != geteuid() && info.st_uid != 0)
        return err_set(err, ERR_CONFIG, "%s belongs to another user", path);
    return ERR_OK;
}

ErrCode webhook_secrets_load(const char *path, WebhookSecrets *ret_secrets, Error *err)
{
    char text[FILE_BYTES_MAX + 1];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return err_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "can't open %s: %s", path,
                       strerror(errno));
    ErrCode code = check_file(fd, path, err);
    ssize_t length = code == ERR_OK ? read(fd, text, sizeof text) : 0;
    close(fd);
    if (code != ERR_OK)
        return code;
    if (length < 0)
        return err_set(err, ERR_IO, "can't read %s", path);
    if (length > FILE_BYTES_MAX || memchr(text, '\0', (size_t)length) != NULL) {
        code = not_a_secret(path, err);
    } else {
        text[length] = '\0';
        code = webhook_secrets_parse(text, path, ret_secrets, err);
    }
    OPENSSL_cleanse(text, sizeof text);
    return code;
}

void webhook_secrets_wipe(WebhookSecrets *secrets)
{
    OPENSSL_cleanse(secrets, sizeof *secrets);
}

/* --- signing ---------------------------------------------------------------------------------- */

void webhook_sign(const WebhookSecrets *secrets, const char *id, uint64_t unix_s, const char *body,
                  size_t length, Str *out)
{
    AUTO_STR Str signed_text = {0};
    str_printf(&signed_text, "%s.%llu.", id, (unsigned long long)unix_s);
    str_append_bytes(&signed_text, body, length);
    for (size_t i = 0; i < secrets->count; i++) {
        uint8_t mac[EVP_MAX_MD_SIZE];
        char text[(MAC_BYTES + 2) / 3 * 4 + 1];
        unsigned mac_length = 0;
        if (HMAC(EVP_sha256(), secrets->items[i].bytes, (int)secrets->items[i].length,
                 (const uint8_t *)signed_text.data, signed_text.length, mac, &mac_length) == NULL ||
            mac_length != MAC_BYTES)
            die_out_of_memory(); /* like any failure of the hash: a broken machine */
        EVP_EncodeBlock((unsigned char *)text, mac, MAC_BYTES);
        str_printf(out, "%sv1,%s", i > 0 ? " " : "", text);
    }
}
