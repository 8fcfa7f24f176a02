/*
 * What decides "changed after it was applied": SHA-256 over the token stream of a revision's
 * sections. Comments and white space do not count, nor the case of what is not quoted.
 */
#pragma once

#include "script.h"

enum { TOKEN_DIGEST_TEXT_SIZE = 3 + DIGEST_HEX_SIZE }; /* "t1:" + hex with NUL */

/*
 * "t1:" + hex over upgrade, downgrade and verify. False (and '' in `out`) when the scanner does
 * not know the text, as with syntax newer than the library: that means "cannot compare", never
 * "changed".
 */
bool token_digest_make(const ScriptSection sections[SCRIPT_PART_COUNT],
                       char out[TOKEN_DIGEST_TEXT_SIZE]);
