/*
 * Merkle tree over a plan's shards (RFC 6962: leaf = SHA-256(0x00 ‖ bytes), node = SHA-256(0x01 ‖
 * left ‖ right)), so that an agent can check one shard against the plan header without the list.
 */
#pragma once

#include "ids.h"
#include "named_limits.h"

Digest merkle_leaf(const void *bytes, size_t length);
/* Of leaf hashes; the root of no leaves is SHA-256 of nothing. */
Digest merkle_root(const Digest *leaves, size_t count);

typedef struct MerkleTree MerkleTree;
/* Keeps every level (2n digests): each path costs O(log n). Copies the leaves. Returns owned. */
MerkleTree *merkle_tree_new(const Digest *leaves, size_t count);
void merkle_tree_free(MerkleTree *tree); /* NULL-safe */
/* Sibling hashes from leaf to root; `out` holds LIMIT_MERKLE_DEPTH. Returns how many. `index` must
 * be below the count. */
size_t merkle_tree_path(const MerkleTree *tree, size_t index, Digest out[LIMIT_MERKLE_DEPTH]);

/* The leaf is number `index` of `count` under `root`. */
bool merkle_verify(const Digest *leaf, uint64_t index, uint64_t count, const Digest *path,
                   size_t path_count, const Digest *root) MUST_CHECK;
