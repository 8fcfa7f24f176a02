/*
 * Signatures of webhooks, as the Standard Webhooks convention has them: HMAC-SHA256 over
 * "id.timestamp.body" with a shared secret that is written whsec_ and base64.
 */
#pragma once

#include "str.h"

enum { WEBHOOK_SECRET_BYTES_MIN = 24, WEBHOOK_SECRET_BYTES_MAX = 64, WEBHOOK_SECRETS_MAX = 4 };

typedef struct WebhookSecrets {
    struct {
        uint8_t bytes[WEBHOOK_SECRET_BYTES_MAX];
        size_t length;
    } items[WEBHOOK_SECRETS_MAX];
    size_t count;
} WebhookSecrets;

/* One secret a line: several while they are exchanged. Refuses (CONFIG) a file that others can
 * read. Errors never repeat its content. */
ErrCode webhook_secrets_load(const char *path, WebhookSecrets *ret_secrets, Error *err) MUST_CHECK;
ErrCode webhook_secrets_parse(const char *text, const char *path, WebhookSecrets *ret_secrets,
                              Error *err) MUST_CHECK;
void webhook_secrets_wipe(WebhookSecrets *secrets);
/* "v1,<base64>", one for each secret, separated by blanks. */
void webhook_sign(const WebhookSecrets *secrets, const char *id, uint64_t unix_s, const char *body,
                  size_t length, Str *out);
