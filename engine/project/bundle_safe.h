/*
 * The safe statements of a bundle: files safe/NAME, behind the revisions. Internal to bundle.c.
 */
#pragma once

#include "bundle.h"

#include "bundle.pb-c.h"

/* Adds the files to the manifest, and their bytes behind the `*count` files that are there (there
 * must be room). ERR_SCRIPT for what is no safe statement, ERR_LIMIT. */
ErrCode bundle_safe_add(Arena *arena, const SafeFiles *safe, Pgtide__V1__BundleManifest *manifest,
                        ProtobufCBinaryData *files, size_t *count, Error *err) MUST_CHECK;
/* `files` are those behind the revisions, as many as the manifest lists. DIGEST_MISMATCH, PROTOCOL,
 * SCRIPT. */
ErrCode bundle_safe_open(Arena *arena, const Pgtide__V1__BundleManifest *manifest,
                         const ProtobufCBinaryData *files, Bundle *out, Error *err) MUST_CHECK;
