#include "fingerprints.h"

#include "clock.h"
#include "cluster_connect.h"
#include "log.h"
#include "schema_canon.h"
#include "schema_stamp.h"
#include "shard_schema.h"

#include <stdlib.h>
#include <string.h>

#define APPLICATION_NAME "pgtide-agent fingerprint"

enum {
    CONNECT_TIMEOUT_MS = 10000,
    RETRY_MS = 60000,     /* after a failure, if `every` is longer */
    TELL_EVERY_MS = 2000, /* of a long round, what was found so far */
    PAUSE_MS_MAX = 10000,
    STAMP_PAUSES = 4, /* after a look that read a stamp alone, of its own length */
};

/* Of one shard; in the order of the listing. */
typedef struct Entry {
    size_t cluster;
    char *database;
    char *schema;
    char stamp[SCHEMA_STAMP_SIZE]; /* when it was read; '' = never */
    Digest fingerprint;
    char *rows; /* at which it was read, in one text */
    uint64_t seen_unix_ms;
    uint64_t due_ms; /* on our clock */
    char *message;   /* why it could not be read; NULL = nothing */
} Entry;

/* One shard of the database in hand. */
typedef struct Part {
    const char *schema;
    const char *rows; /* before */
    bool reads;       /* as a whole */
    Digest fingerprint;
} Part;

/* At work on one database of a cluster at a time. */
typedef struct Reader {
    Fingerprints *owner;
    size_t cluster;
    Arena *arena; /* of the database in hand; NULL: none is */
    const char *database;
    Part *parts;
    size_t part_count;
    size_t part; /* in hand */
    bool again;  /* the second look: nothing may have changed */
    char stamp[SCHEMA_STAMP_SIZE];
    size_t cursor; /* the entries before it are done with in this round */
    bool in_round; /* goes on over listings: else what is due early would have all turns */
    ShardSession *session;
    uint64_t began_ms;
    bool pausing;
    uv_timer_t timer;
} Reader;

struct Fingerprints {
    FingerprintsSettings settings;
    Entry *entries;
    size_t count;
    Reader *readers; /* one for each cluster */
    size_t reader_count;
    size_t open_timers; /* not closed yet */
    bool stopped;
    bool untold;
    uint64_t told_ms;
};

static void next_database(Reader *reader);

/* --- entries ---------------------------------------------------------------------------------- */

static void entry_free(Entry *entry)
{
    free(entry->database);
    free(entry->schema);
    free(entry->rows);
    free(entry->message);
}

static int compare(const Entry *entry, size_t cluster, const char *database, const char *schema)
{
    if (entry->cluster != cluster)
        return entry->cluster < cluster ? -1 : 1;
    int order = strcmp(entry->database, database);
    return order != 0 ? order : strcmp(entry->schema, schema);
}

static size_t cluster_index(const Fingerprints *fingerprints, const char *name)
{
    size_t i = 0;
    while (i < fingerprints->reader_count &&
           strcmp(agent_settings_cluster(fingerprints->settings.settings, i)->name, name) != 0)
        i++;
    return i;
}

static char *rows_text(const StrList *rows)
{
    AUTO_ARENA Arena *arena = arena_new();
    return xstrdup(strlist_join(arena, rows, "\n"));
}

/* Entries for the shards that are listed now; what is known of them is kept. */
static void match_listing(Fingerprints *fingerprints)
{
    size_t count = shards_count(fingerprints->settings.shards);
    Entry *entries = xcalloc(count + 1, sizeof *entries);
    size_t old = 0;
    for (size_t i = 0; i < count; i++) {
        const ShardInfo *info = shards_at(fingerprints->settings.shards, i);
        size_t cluster = cluster_index(fingerprints, info->cluster);
        int order = 1;
        while (old < fingerprints->count && (order = compare(&fingerprints->entries[old], cluster,
                                                             info->database, info->schema)) < 0)
            entry_free(&fingerprints->entries[old++]);
        if (old < fingerprints->count && order == 0)
            entries[i] = fingerprints->entries[old++];
        else
            entries[i] = (Entry){.cluster = cluster,
                                 .database = xstrdup(info->database),
                                 .schema = xstrdup(info->schema),
                                 .rows = xstrdup("")};
    }
    while (old < fingerprints->count)
        entry_free(&fingerprints->entries[old++]);
    free(fingerprints->entries);
    fingerprints->entries = entries;
    fingerprints->count = count;
}

static Entry *find_entry(const Reader *reader, const char *schema)
{
    const Fingerprints *fingerprints = reader->owner;
    size_t low = 0, high = fingerprints->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order =
            compare(&fingerprints->entries[middle], reader->cluster, reader->database, schema);
        if (order == 0)
            return &fingerprints->entries[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL; /* it is listed no longer */
}

static const char *why_unknown(const Fingerprints *fingerprints, const Entry *entry, bool moved)
{
    if (!fingerprints->settings.settings->fingerprint.enabled)
        return "its agent reads no fingerprints";
    if (entry->message != NULL)
        return entry->message;
    return moved ? "not read since its rows changed" : "not read yet";
}

static void tell_listing(Fingerprints *fingerprints, size_t index)
{
    const Entry *entry = &fingerprints->entries[index];
    const ShardInfo *info = shards_at(fingerprints->settings.shards, index);
    char *rows = rows_text(&info->rows);
    bool moved = strcmp(rows, entry->rows) != 0;
    bool known = entry->stamp[0] != '\0' && !moved;
    static const Digest none;
    shards_set_fingerprint(fingerprints->settings.shards, index,
                           known ? &entry->fingerprint : &none, known ? entry->seen_unix_ms : 0,
                           known ? "" : why_unknown(fingerprints, entry, moved));
    free(rows);
}

static void tell(Fingerprints *fingerprints, bool now)
{
    uint64_t now_ms = clock_monotonic_ms();
    if (!fingerprints->untold || (!now && now_ms < fingerprints->told_ms + TELL_EVERY_MS))
        return;
    for (size_t i = 0; i < fingerprints->count; i++)
        tell_listing(fingerprints, i);
    fingerprints->untold = false;
    fingerprints->told_ms = now_ms;
    fingerprints->settings.changed(fingerprints->settings.context);
}

static void keep_message(Fingerprints *fingerprints, Entry *entry, const char *message)
{
    if (entry->message != NULL && message != NULL && strcmp(entry->message, message) == 0)
        return;
    if (entry->message == NULL && message == NULL)
        return;
    free(entry->message);
    entry->message = message == NULL ? NULL : xstrdup(message);
    fingerprints->untold = true;
}

static void keep(Reader *reader, Entry *entry, const Part *part)
{
    Fingerprints *fingerprints = reader->owner;
    const Digest *fingerprint = part->reads ? &part->fingerprint : &entry->fingerprint;
    if (!digest_equal(fingerprint, &entry->fingerprint) || strcmp(entry->rows, part->rows) != 0 ||
        entry->stamp[0] == '\0')
        fingerprints->untold = true;
    entry->fingerprint = *fingerprint;
    memcpy(entry->stamp, reader->stamp, sizeof entry->stamp);
    free(entry->rows);
    entry->rows = xstrdup(part->rows);
    entry->seen_unix_ms = clock_unix_ms();
    entry->due_ms = clock_monotonic_ms() + fingerprints->settings.settings->fingerprint.every_ms;
    keep_message(fingerprints, entry, NULL);
}

/* --- the end of a database -------------------------------------------------------------------- */

static void on_pause_over(uv_timer_t *timer)
{
    Reader *reader = timer->data;
    reader->pausing = false;
    next_database(reader);
}

static void leave_database(Reader *reader, bool has_read)
{
    shard_close(reader->session);
    reader->session = NULL;
    arena_free(reader->arena);
    reader->arena = NULL;
    tell(reader->owner, false);
    uint64_t pause_ms = clock_monotonic_ms() - reader->began_ms;
    if (!has_read) /* that is for ever: a server of many databases is left in peace */
        pause_ms *= STAMP_PAUSES;
    reader->pausing = true;
    uv_timer_start(&reader->timer, on_pause_over, pause_ms < PAUSE_MS_MAX ? pause_ms : PAUSE_MS_MAX,
                   0);
}

static void fail(Reader *reader, const char *message)
{
    Fingerprints *fingerprints = reader->owner;
    uint64_t every_ms = fingerprints->settings.settings->fingerprint.every_ms;
    for (size_t i = 0; i < reader->part_count; i++) {
        Entry *entry = find_entry(reader, reader->parts[i].schema);
        if (entry == NULL)
            continue;
        keep_message(fingerprints, entry, message);
        entry->due_ms = clock_monotonic_ms() + (every_ms < RETRY_MS ? every_ms : RETRY_MS);
    }
    log_event(LOG_WARN, "fingerprint.not_read", "cluster",
              agent_settings_cluster(fingerprints->settings.settings, reader->cluster)->name,
              "database", reader->database, "message", message, NULL);
    leave_database(reader, false);
}

static void finish(Reader *reader, bool has_read)
{
    for (size_t i = 0; i < reader->part_count; i++) {
        const Part *part = &reader->parts[i];
        Entry *entry = find_entry(reader, part->schema);
        if (entry == NULL)
            continue;
        if (part->rows == NULL) {
            entry->due_ms = clock_monotonic_ms() + RETRY_MS;
            keep_message(reader->owner, entry, "its version rows can't be read");
        } else if (part->reads || strcmp(entry->stamp, reader->stamp) == 0) {
            keep(reader, entry, part);
        }
    }
    leave_database(reader, has_read);
}

/* Somebody is at work on it: it is due again when it is listed next. */
static void put_off(Reader *reader)
{
    leave_database(reader, true);
}

/* --- reading a database: stamp, rows, schemas; stamp and rows once more ----------------------- */

static void read_next_part(Reader *reader);
static void on_stamp(ShardSession *session, const char *stamp, const Error *err, void *data);

static void look_again(Reader *reader)
{
    reader->again = true;
    shard_read_stamp(reader->session, 0, on_stamp, reader);
}

static const char *rows_of(Arena *arena, const DatabaseReading *reading, const char *schema)
{
    for (size_t i = 0; i < reading->shard_count; i++) {
        const ShardReading *shard = &reading->shards[i];
        if (strcmp(shard->schema, schema) == 0)
            return shard->rows_unread ? NULL : strlist_join(arena, &shard->rows, "\n");
    }
    return NULL;
}

static void on_rows(ShardSession *session, const DatabaseReading *reading, const Error *err,
                    void *data)
{
    (void)session;
    Reader *reader = data;
    bool is_same = true;
    bool reads = false, moved = false;
    if (err != NULL) {
        fail(reader, err->message);
        return;
    }
    for (size_t i = 0; i < reader->part_count; i++) {
        Part *part = &reader->parts[i];
        const Entry *entry = find_entry(reader, part->schema);
        const char *rows = rows_of(reader->arena, reading, part->schema);
        if (reader->again) {
            is_same = is_same && (rows == NULL) == (part->rows == NULL) &&
                      (rows == NULL || strcmp(rows, part->rows) == 0);
            continue;
        }
        part->rows = rows;
        part->reads = rows != NULL && entry != NULL && strcmp(entry->stamp, reader->stamp) != 0;
        reads = reads || part->reads;
        moved = moved || (rows != NULL && entry != NULL && strcmp(entry->rows, rows) != 0);
    }
    if (!is_same)
        put_off(reader);
    else if (reads)
        read_next_part(reader);
    else if (moved && !reader->again) /* whoever moved them may have come after the stamp */
        look_again(reader);
    else
        finish(reader, reader->again);
}

static void read_rows(Reader *reader)
{
    ReadArgs args = {.schema_like = reader->part_count > 1 ? "%" : NULL};
    shard_read(reader->session, &args, on_rows, reader);
}

static void on_stamp(ShardSession *session, const char *stamp, const Error *err, void *data)
{
    (void)session;
    Reader *reader = data;
    if (err != NULL) {
        fail(reader, err->message);
    } else if (reader->again && strcmp(stamp, reader->stamp) != 0) {
        put_off(reader);
    } else {
        snprintf(reader->stamp, sizeof reader->stamp, "%s", stamp);
        read_rows(reader);
    }
}

static void on_model(ShardSession *session, const SchemaModel *model, const Error *err, void *data)
{
    (void)session;
    Reader *reader = data;
    char text[FINGERPRINT_TEXT_SIZE];
    if (err != NULL) {
        fail(reader, err->message);
        return;
    }
    schema_fingerprint(model, text);
    (void)fingerprint_parse(text, &reader->parts[reader->part].fingerprint);
    reader->part++;
    read_next_part(reader);
}

static void read_next_part(Reader *reader)
{
    while (reader->part < reader->part_count && !reader->parts[reader->part].reads)
        reader->part++;
    if (reader->part < reader->part_count) {
        shard_read_model(reader->session, reader->parts[reader->part].schema, 0, on_model, reader);
        return;
    }
    look_again(reader);
}

static void on_open(ShardSession *session, const Error *err, void *data)
{
    Reader *reader = data;
    if (err != NULL)
        fail(reader, err->message);
    else
        shard_read_stamp(session, 0, on_stamp, reader);
}

/* --- which database is next ------------------------------------------------------------------- */

static bool is_due(const Fingerprints *fingerprints, size_t index)
{
    const Entry *entry = &fingerprints->entries[index];
    const ShardInfo *info = shards_at(fingerprints->settings.shards, index);
    if (!info->reachable ||
        fingerprints->settings.is_at_work(fingerprints->settings.context, &info->uuid))
        return false;
    if (entry->due_ms <= clock_monotonic_ms())
        return true;
    char *rows = rows_text(&info->rows);
    bool moved = entry->message == NULL && strcmp(rows, entry->rows) != 0;
    free(rows);
    return moved;
}

static void open_database(Reader *reader, size_t first)
{
    const Fingerprints *fingerprints = reader->owner;
    const ClusterSettings *cluster =
        agent_settings_cluster(fingerprints->settings.settings, reader->cluster);
    reader->arena = arena_new();
    reader->database = arena_strdup(reader->arena, fingerprints->entries[first].database);
    reader->parts = ARENA_ARRAY(reader->arena, Part, fingerprints->count - first);
    reader->part_count = reader->part = 0;
    reader->again = false;
    reader->began_ms = clock_monotonic_ms();
    for (size_t i = first; i < fingerprints->count; i++) {
        const Entry *entry = &fingerprints->entries[i];
        if (entry->cluster != reader->cluster || strcmp(entry->database, reader->database) != 0)
            break;
        if (is_due(fingerprints, i))
            reader->parts[reader->part_count++] =
                (Part){.schema = arena_strdup(reader->arena, entry->schema)};
    }
    ShardTarget target = cluster_target(cluster);
    target.database = reader->database;
    target.schema = reader->part_count > 1 ? "" : reader->parts[0].schema;
    target.fleet_id = fingerprints->settings.fleet_id;
    target.connect_timeout_ms = CONNECT_TIMEOUT_MS;
    target.application_name = APPLICATION_NAME;
    reader->session = shard_open(fingerprints->settings.loop, &target, on_open, reader);
}

static bool cluster_is_standby(const Reader *reader)
{
    const Fingerprints *fingerprints = reader->owner;
    const ClusterInfo *info = shards_find_cluster(
        fingerprints->settings.shards,
        agent_settings_cluster(fingerprints->settings.settings, reader->cluster)->name);
    return info == NULL || info->standby;
}

static void next_database(Reader *reader)
{
    Fingerprints *fingerprints = reader->owner;
    if (fingerprints->stopped || reader->arena != NULL || reader->pausing)
        return;
    while (!cluster_is_standby(reader) && reader->cursor < fingerprints->count) {
        size_t i = reader->cursor++;
        if (fingerprints->entries[i].cluster == reader->cluster && is_due(fingerprints, i)) {
            open_database(reader, i);
            return;
        }
    }
    reader->in_round = false;
    tell(fingerprints, true);
}

/* --- life ------------------------------------------------------------------------------------- */

Fingerprints *fingerprints_new(const FingerprintsSettings *settings)
{
    Fingerprints *fingerprints = xcalloc(1, sizeof *fingerprints);
    fingerprints->settings = *settings;
    fingerprints->reader_count = agent_settings_cluster_count(settings->settings);
    fingerprints->readers = xcalloc(fingerprints->reader_count, sizeof *fingerprints->readers);
    for (size_t i = 0; i < fingerprints->reader_count; i++) {
        Reader *reader = &fingerprints->readers[i];
        reader->owner = fingerprints;
        reader->cluster = i;
        uv_timer_init(settings->loop, &reader->timer);
        reader->timer.data = reader;
    }
    return fingerprints;
}

void fingerprints_listed(Fingerprints *fingerprints)
{
    match_listing(fingerprints);
    for (size_t i = 0; i < fingerprints->count; i++)
        tell_listing(fingerprints, i);
    fingerprints->untold = false;
    if (!fingerprints->settings.settings->fingerprint.enabled)
        return;
    for (size_t i = 0; i < fingerprints->reader_count; i++) {
        Reader *reader = &fingerprints->readers[i];
        if (!reader->in_round)
            reader->cursor = 0;
        reader->in_round = true;
        next_database(reader);
    }
}

void fingerprints_stop(Fingerprints *fingerprints)
{
    fingerprints->stopped = true;
    for (size_t i = 0; i < fingerprints->reader_count; i++) {
        Reader *reader = &fingerprints->readers[i];
        shard_close(reader->session);
        reader->session = NULL;
        arena_free(reader->arena);
        reader->arena = NULL;
        uv_timer_stop(&reader->timer);
    }
}

static void on_timer_closed(uv_handle_t *handle)
{
    const Reader *reader = handle->data;
    Fingerprints *fingerprints = reader->owner;
    if (--fingerprints->open_timers > 0)
        return;
    free(fingerprints->readers);
    free(fingerprints);
}

void fingerprints_free(Fingerprints *fingerprints)
{
    if (fingerprints == NULL)
        return;
    fingerprints_stop(fingerprints);
    for (size_t i = 0; i < fingerprints->count; i++)
        entry_free(&fingerprints->entries[i]);
    free(fingerprints->entries);
    fingerprints->open_timers = fingerprints->reader_count;
    for (size_t i = 0; i < fingerprints->reader_count; i++)
        uv_close((uv_handle_t *)&fingerprints->readers[i].timer, on_timer_closed);
}
