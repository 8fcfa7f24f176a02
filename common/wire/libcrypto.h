/*
 * OpenSSL's headers. They call a type ERR_STATE, as we do an error code: theirs is renamed.
 */
#pragma once

#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#undef ERR_STATE
