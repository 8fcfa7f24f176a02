#include "backup_recipients.h"

#include "digest.h"
#include "file.h"
#include "named_limits.h"

#include <string.h>
#include <sys/stat.h>

static const char identity_prefix[] = "AGE-SECRET-KEY-";
static const char private_key[] = "PRIVATE KEY-----";

static ErrCode check_mode(const char *path, Error *err)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return err_set(err, ERR_CONFIG, "there is no file of age recipients '%s'", path);
    if ((status.st_mode & 022) != 0) {
        err_set(err, ERR_CONFIG, "others may write the age recipients '%s'", path);
        err_hint(err, "chmod 0644 it: whoever writes it can read the backups.");
        return ERR_CONFIG;
    }
    return ERR_OK;
}

ErrCode recipients_load(Arena *arena, const char *path, StrList *ret_fingerprints, Error *err)
{
    char *text;
    size_t length;
    StrList found = {0};
    ErrCode code = check_mode(path, err);
    if (code == ERR_OK)
        code = file_read_text(arena, path, LIMIT_CONFIG_FILE_BYTES, &text, &length, err);
    if (code != ERR_OK)
        return code;
    char *save = NULL;
    for (char *line = strtok_r(text, "\r\n", &save); line != NULL;
         line = strtok_r(NULL, "\r\n", &save)) {
        line += strspn(line, " \t");
        if (line[0] == '\0' || line[0] == '#')
            continue;
        if (str_starts_with(line, identity_prefix) || strstr(line, private_key) != NULL) {
            err_set(err, ERR_CONFIG, "'%s' holds an identity, not only recipients", path);
            err_hint(err, "Identities decrypt: keep them away from the agent's host.");
            return ERR_CONFIG;
        }
        char digest_text[DIGEST_TEXT_SIZE];
        Digest digest = sha256_bytes(line, strlen(line));
        digest_format(&digest, digest_text);
        strlist_add(arena, &found, digest_text);
    }
    if (found.count == 0)
        return err_set(err, ERR_CONFIG, "'%s' names no recipient", path);
    *ret_fingerprints = found;
    return ERR_OK;
}

ErrCode identity_check(const char *path, Error *err)
{
    struct stat status;
    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode))
        return err_set(err, ERR_CONFIG, "there is no file of an age identity '%s'", path);
    if ((status.st_mode & 077) == 0)
        return ERR_OK;
    err_set(err, ERR_CONFIG, "others may use the age identity '%s', its mode is %04o", path,
            (unsigned)(status.st_mode & 07777));
    err_hint(err, "chmod 0600 it: whoever has it can read the backups.");
    return ERR_CONFIG;
}
