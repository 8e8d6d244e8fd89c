/// Hashing, authenticated encryption and randomness. Every function returns a value >= 0 or -errno.
/// All are safe on any thread: algorithms are fetched once per process, contexts live once per thread.
#ifndef CE_CRYPTO_H
#define CE_CRYPTO_H

#include <stddef.h>
#include <stdint.h>

enum {
    CE_SHA256_BYTES = 32,
    CE_AES256_KEY_BYTES = 32,
    /// A sealed message is nonce || ciphertext || tag.
    CE_GCM_NONCE_BYTES = 12,
    CE_GCM_TAG_BYTES = 16,
    CE_GCM_OVERHEAD_BYTES = 28,
};

/// SHA-256 (FIPS 180-4) of `count` bytes into `out`. Returns 0.
int ce_sha256(const void *data, size_t count, uint8_t out[CE_SHA256_BYTES]);

/// HMAC-SHA-256 (RFC 2104) into `out`. Returns 0.
int ce_hmac_sha256(const void *key, size_t key_count, const void *data, size_t count,
                   uint8_t out[CE_SHA256_BYTES]);

/// AES-256-GCM (NIST SP 800-38D) under a fresh random nonce. `associated` is bound to the message but not stored.
/// Writes `count` + CE_GCM_OVERHEAD_BYTES bytes to `out`, which must not overlap the input. Returns the bytes
/// written, -EMSGSIZE when `capacity` is smaller. One key may seal at most 2^32 messages (random 96-bit nonces).
int ce_gcm_seal(const uint8_t key[CE_AES256_KEY_BYTES], const void *associated, size_t associated_count,
                const void *plain, size_t count, uint8_t *out, size_t capacity);

/// Opens what ce_gcm_seal made. Returns the bytes of plaintext, -EBADMSG when it is not authentic (`out` is then
/// cleared), -EMSGSIZE when `capacity` is too small.
int ce_gcm_open(const uint8_t key[CE_AES256_KEY_BYTES], const void *associated, size_t associated_count,
                const uint8_t *sealed, size_t count, uint8_t *out, size_t capacity);

/// 1 when both hold the same `count` bytes, else 0, in a time that depends on `count` only.
int ce_equal(const void *left, const void *right, size_t count);

/// Fills `out` from the kernel's CSPRNG; blocks only before the pool is first seeded. Returns 0.
int ce_random(void *out, size_t count);

#endif
