#include "digest.h"
#include "merkle.h"
#include "wire_test.h"

enum { LEAVES_MAX = 40 };

static void make_leaves(Digest *leaves, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint8_t byte = (uint8_t)i;
        leaves[i] = merkle_leaf(&byte, 1);
    }
}

/* Certificate Transparency's published roots of its eight example leaves. */
static void roots_of_rfc_6962(void **state)
{
    (void)state;
    static const struct {
        const char *leaf;
        size_t length;
        const char *root;
    } rows[] = {
        {"", 0, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"},
        {"\x00", 1, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"},
        {"\x10", 1, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"},
        {"\x20\x21", 2, "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"},
        {"\x30\x31", 2, "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"},
        {"\x40\x41\x42\x43", 4, "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"},
        {"\x50\x51\x52\x53\x54\x55\x56\x57", 8,
         "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"},
        {"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f", 16,
         "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"},
    };
    Digest leaves[8];
    for (size_t i = 0; i < 8; i++) {
        leaves[i] = merkle_leaf(rows[i].leaf, rows[i].length);
        Digest root = merkle_root(leaves, i + 1);
        char hex[DIGEST_HEX_SIZE];
        digest_hex(&root, hex);
        assert_string_equal(hex, rows[i].root);
    }
}

static void every_path_of_every_size_holds(void **state)
{
    (void)state;
    Digest leaves[LEAVES_MAX];
    make_leaves(leaves, LEAVES_MAX);
    for (size_t n = 1; n <= LEAVES_MAX; n++) {
        MerkleTree *tree = merkle_tree_new(leaves, n);
        Digest root = merkle_root(leaves, n);
        for (size_t i = 0; i < n; i++) {
            Digest path[LIMIT_MERKLE_DEPTH];
            size_t length = merkle_tree_path(tree, i, path);
            assert_true(merkle_verify(&leaves[i], i, n, path, length, &root));
        }
        merkle_tree_free(tree);
    }
}

static void nothing_else_holds(void **state)
{
    (void)state;
    Digest leaves[LEAVES_MAX];
    make_leaves(leaves, LEAVES_MAX);
    for (size_t n = 1; n <= LEAVES_MAX; n++) {
        MerkleTree *tree = merkle_tree_new(leaves, n);
        Digest root = merkle_root(leaves, n);
        for (size_t i = 0; i < n; i++) {
            Digest path[LIMIT_MERKLE_DEPTH];
            size_t length = merkle_tree_path(tree, i, path);
            for (size_t other = 0; other <= n; other++) {
                if (other != i) {
                    assert_false(merkle_verify(&leaves[i], other, n, path, length, &root));
                }
            }
            Digest wrong = leaves[(i + 1) % LEAVES_MAX];
            assert_false(merkle_verify(&wrong, i, n, path, length, &root));
            if (length > 0) {
                assert_false(merkle_verify(&leaves[i], i, n, path, length - 1, &root));
                path[length / 2].bytes[5] ^= 1;
                assert_false(merkle_verify(&leaves[i], i, n, path, length, &root));
                path[length / 2].bytes[5] ^= 1;
            }
            path[length] = root;
            assert_false(merkle_verify(&leaves[i], i, n, path, length + 1, &root));
        }
        merkle_tree_free(tree);
    }
}

/* A node given as a leaf: the two prefixes keep them apart. */
static void a_node_is_no_leaf(void **state)
{
    (void)state;
    Digest leaves[2];
    make_leaves(leaves, 2);
    uint8_t both[64];
    memcpy(both, leaves[0].bytes, 32);
    memcpy(both + 32, leaves[1].bytes, 32);
    Digest root = merkle_root(leaves, 2);
    Digest forged = merkle_leaf(both, sizeof both);
    assert_false(merkle_verify(&forged, 0, 1, NULL, 0, &root));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roots_of_rfc_6962),
        cmocka_unit_test(every_path_of_every_size_holds),
        cmocka_unit_test(nothing_else_holds),
        cmocka_unit_test(a_node_is_no_leaf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
