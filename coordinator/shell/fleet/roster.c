#include "roster.h"

#include "named_limits.h"
#include "names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Every key that was ever admitted, so that none comes back under another name. */
typedef struct KnownKey {
    PublicKeyInfo key;
    bool revoked;
} KnownKey;

struct Roster {
    const Trust *trust;
    RosterAgent **agents;
    size_t count;
    size_t capacity;
    Names *names; /* the agents' places */
    KnownKey *keys;
    size_t key_count;
    size_t key_capacity;
};

Roster *roster_new(const Trust *trust)
{
    Roster *roster = xcalloc(1, sizeof *roster);
    roster->trust = trust;
    roster->names = names_new();
    return roster;
}

void roster_free(Roster *roster)
{
    if (roster == NULL)
        return;
    for (size_t i = 0; i < roster->count; i++) {
        free(roster->agents[i]->reason);
        free(roster->agents[i]);
    }
    free(roster->agents);
    free(roster->keys);
    names_free(roster->names);
    free(roster);
}

size_t roster_count(const Roster *roster)
{
    return roster->count;
}

RosterAgent *roster_at(const Roster *roster, size_t index)
{
    return roster->agents[index];
}

RosterAgent *roster_find(const Roster *roster, const char *name)
{
    uint32_t place = names_find(roster->names, name, "");
    return place != NAMES_NONE ? roster->agents[place] : NULL;
}

static KnownKey *find_key(const Roster *roster, const uint8_t ed25519[KEY_BYTES])
{
    for (size_t i = 0; i < roster->key_count; i++) {
        if (memcmp(roster->keys[i].key.ed25519, ed25519, KEY_BYTES) == 0)
            return &roster->keys[i];
    }
    return NULL;
}

/* Whoever connects with a CURVE key is taken for its owner, so it must have exactly one. */
static ErrCode check_curve_is_free(const Roster *roster, const PublicKeyInfo *key, Error *err)
{
    TrustPeer peer;
    for (size_t i = 0; trust_peer_at(roster->trust, i, &peer); i++) {
        if (memcmp(peer.key->curve, key->curve, KEY_BYTES) == 0)
            return err_set(err, ERR_REFUSED, "the connection key of agent %s is %s's", key->name,
                           peer.key->name);
    }
    for (size_t i = 0; i < roster->key_count; i++) {
        const PublicKeyInfo *known = &roster->keys[i].key;
        if (memcmp(known->curve, key->curve, KEY_BYTES) == 0 &&
            memcmp(known->ed25519, key->ed25519, KEY_BYTES) != 0)
            return err_set(err, ERR_REFUSED, "the connection key of agent %s is agent %s's",
                           key->name, known->name);
    }
    return ERR_OK;
}

static ErrCode check_key(const Roster *roster, const Admission *admission, Error *err)
{
    const PublicKeyInfo *key = &admission->agent;
    const KnownKey *known = find_key(roster, key->ed25519);
    if (known == NULL)
        return check_curve_is_free(roster, key, err);
    if (strcmp(known->key.name, key->name) != 0)
        return err_set(err, ERR_REFUSED, "the key of agent %s belongs to agent %s", key->name,
                       known->key.name);
    if (memcmp(known->key.curve, key->curve, KEY_BYTES) != 0)
        return err_set(err, ERR_REFUSED, "the key of agent %s had another connection key",
                       key->name);
    if (known->revoked && !admission->revoked) {
        err_set(err, ERR_REFUSED, "the key of agent %s was revoked", key->name);
        err_hint(err, "Make the agent a new key and admit that one.");
        return ERR_REFUSED;
    }
    return ERR_OK;
}

static void remember_key(Roster *roster, const Admission *admission)
{
    KnownKey *known = find_key(roster, admission->agent.ed25519);
    if (known == NULL) {
        if (roster->key_count == roster->key_capacity) {
            roster->key_capacity = roster->key_capacity == 0 ? 16 : roster->key_capacity * 2;
            roster->keys = xrealloc(roster->keys, roster->key_capacity * sizeof *roster->keys);
        }
        known = &roster->keys[roster->key_count++];
        *known = (KnownKey){.key = admission->agent};
    }
    known->revoked = known->revoked || admission->revoked;
}

static RosterAgent *add_agent(Roster *roster, const char *name)
{
    if (roster->count == roster->capacity) {
        roster->capacity = roster->capacity == 0 ? 16 : roster->capacity * 2;
        roster->agents = xrealloc(roster->agents, roster->capacity * sizeof *roster->agents);
    }
    RosterAgent *agent = xcalloc(1, sizeof *agent);
    snprintf(agent->key.name, sizeof agent->key.name, "%s", name);
    names_add(roster->names, agent->key.name, ""); /* its place: they are never taken out */
    roster->agents[roster->count++] = agent;
    return agent;
}

ErrCode roster_admit(Roster *roster, const Admission *admission, RosterAgent **ret_agent,
                     Error *err)
{
    const PublicKeyInfo *key = &admission->agent;
    RosterAgent *agent = roster_find(roster, key->name);
    if (agent != NULL && admission->serial <= agent->serial)
        return err_set(err, ERR_STALE, "a newer admission of agent %s is known", key->name);
    if (agent == NULL && admission->revoked)
        return err_set(err, ERR_NOT_FOUND, "no agent %s was admitted", key->name);
    if (agent == NULL && roster->count >= LIMIT_AGENTS)
        return err_set(err, ERR_LIMIT, "at most %d agents", LIMIT_AGENTS);
    ErrCode code = check_key(roster, admission, err);
    if (code != ERR_OK)
        return code;
    remember_key(roster, admission);
    if (agent == NULL) {
        agent = add_agent(roster, key->name);
    } else if (memcmp(agent->key.ed25519, key->ed25519, KEY_BYTES) != 0) {
        /* A new key: whoever holds the old one is no longer this agent. */
        find_key(roster, agent->key.ed25519)->revoked = true;
        free(agent->reason);
        *agent = (RosterAgent){0};
    }
    agent->key = *key;
    agent->serial = admission->serial;
    agent->revoked = admission->revoked;
    free(agent->reason);
    agent->reason = xstrdup(admission->reason);
    memcpy(agent->admitted_by, admission->admitted_by, sizeof agent->admitted_by);
    *ret_agent = agent;
    return ERR_OK;
}

ErrCode roster_new_boot(RosterAgent *agent, const BootNonce *boot, Error *err)
{
    for (unsigned i = 0; i < agent->old_boot_count && i < ROSTER_OLD_BOOTS; i++) {
        if (uuid_equal(&agent->old_boots[i], boot))
            return err_set(err, ERR_STALE, "agent %s said hello from a former start",
                           agent->key.name);
    }
    if (!uuid_is_nil(&agent->boot))
        agent->old_boots[agent->old_boot_count++ % ROSTER_OLD_BOOTS] = agent->boot;
    agent->boot = *boot;
    agent->sequence_seen = 0;
    agent->sequence_sent = 0;
    return ERR_OK;
}
