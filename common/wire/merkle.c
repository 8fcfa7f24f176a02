#include "merkle.h"

#include "arena.h"
#include "digest.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/*
 * RFC 6962 splits at the largest power of two below n. The same tree comes from pairing neighbours
 * level by level and carrying a last one without neighbour up as it is.
 */
struct MerkleTree {
    Digest *levels[LIMIT_MERKLE_DEPTH + 1];
    size_t counts[LIMIT_MERKLE_DEPTH + 1];
    size_t level_count; /* the last level is the root alone; 0 = no leaves */
};

static Digest node_hash(Sha256 *hash, const Digest *left, const Digest *right)
{
    const uint8_t prefix = 0x01;
    sha256_update(hash, &prefix, 1);
    sha256_update(hash, left->bytes, sizeof left->bytes);
    sha256_update(hash, right->bytes, sizeof right->bytes);
    return sha256_next(hash);
}

Digest merkle_leaf(const void *bytes, size_t length)
{
    const uint8_t prefix = 0x00;
    Sha256 hash;
    sha256_init(&hash);
    sha256_update(&hash, &prefix, 1);
    sha256_update(&hash, bytes, length);
    return sha256_final(&hash);
}

/* `to` may be `from`: a pair is read before its parent is written. */
static size_t fold_level(Sha256 *hash, const Digest *from, size_t count, Digest *to)
{
    size_t parents = 0;
    for (size_t i = 0; i < count; i += 2) {
        to[parents++] = i + 1 < count ? node_hash(hash, &from[i], &from[i + 1]) : from[i];
    }
    return parents;
}

Digest merkle_root(const Digest *leaves, size_t count)
{
    if (count == 0) {
        return sha256_bytes("", 0);
    }
    Digest *work = xcalloc(count, sizeof *work);
    memcpy(work, leaves, count * sizeof *work);
    Sha256 hash;
    sha256_init(&hash);
    while (count > 1) {
        count = fold_level(&hash, work, count, work);
    }
    sha256_abandon(&hash);
    Digest root = work[0];
    free(work);
    return root;
}

MerkleTree *merkle_tree_new(const Digest *leaves, size_t count)
{
    MerkleTree *tree = xcalloc(1, sizeof *tree);
    if (count == 0) {
        return tree;
    }
    Sha256 hash;
    sha256_init(&hash);
    tree->levels[0] = xcalloc(count, sizeof *leaves);
    memcpy(tree->levels[0], leaves, count * sizeof *leaves);
    tree->counts[0] = count;
    size_t level = 0;
    while (tree->counts[level] > 1) {
        assert(level < LIMIT_MERKLE_DEPTH);
        size_t parents = (tree->counts[level] + 1) / 2;
        tree->levels[level + 1] = xcalloc(parents, sizeof *leaves);
        fold_level(&hash, tree->levels[level], tree->counts[level], tree->levels[level + 1]);
        level++;
        tree->counts[level] = parents;
    }
    tree->level_count = level + 1;
    sha256_abandon(&hash);
    return tree;
}

void merkle_tree_free(MerkleTree *tree)
{
    if (tree == NULL) {
        return;
    }
    for (size_t i = 0; i < tree->level_count; i++) {
        free(tree->levels[i]);
    }
    free(tree);
}

size_t merkle_tree_path(const MerkleTree *tree, size_t index, Digest out[LIMIT_MERKLE_DEPTH])
{
    assert(index < tree->counts[0]);
    size_t length = 0;
    for (size_t level = 0; level + 1 < tree->level_count; level++) {
        size_t sibling = index ^ 1;
        if (sibling < tree->counts[level]) {
            out[length++] = tree->levels[level][sibling];
        }
        index /= 2;
    }
    return length;
}

bool merkle_verify(const Digest *leaf, uint64_t index, uint64_t count, const Digest *path,
                   size_t path_count, const Digest *root)
{
    if (index >= count || path_count > LIMIT_MERKLE_DEPTH) {
        return false;
    }
    Sha256 hash;
    sha256_init(&hash);
    Digest node = *leaf;
    size_t used = 0;
    uint64_t width = count;
    bool fits = true;
    for (; width > 1; index /= 2, width = (width + 1) / 2) {
        if ((index ^ 1) >= width) {
            continue; /* carried up as it is */
        }
        if (used == path_count) {
            fits = false;
            break;
        }
        node = index % 2 == 0 ? node_hash(&hash, &node, &path[used])
                              : node_hash(&hash, &path[used], &node);
        used++;
    }
    sha256_abandon(&hash);
    return fits && used == path_count && digest_equal(&node, root);
}
