#define _GNU_SOURCE
#include "ce_crypto.h"

#include <errno.h>
#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

// EVP_MD_fetch and friends take locks and walk provider tables (microseconds): once per process.
static pthread_once_t algorithms_once = PTHREAD_ONCE_INIT;
static EVP_MD *sha256_algorithm;
static EVP_MAC *hmac_algorithm;
static EVP_CIPHER *gcm_algorithm;
static pthread_key_t contexts_key;
static int contexts_key_error;

// Contexts are reused: creating one costs more than hashing a token.
struct contexts {
    EVP_MD_CTX *digest;
    EVP_MAC_CTX *mac;
    EVP_CIPHER_CTX *cipher;
};

static _Thread_local struct contexts *thread_contexts;

static void free_contexts(void *raw) {
    struct contexts *contexts = raw;
    if (contexts == NULL) return;
    EVP_MD_CTX_free(contexts->digest);
    EVP_MAC_CTX_free(contexts->mac);
    EVP_CIPHER_CTX_free(contexts->cipher);
    free(contexts);
    thread_contexts = NULL;
}

static void fetch_algorithms(void) {
    sha256_algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
    hmac_algorithm = EVP_MAC_fetch(NULL, "HMAC", NULL);
    gcm_algorithm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    contexts_key_error = pthread_key_create(&contexts_key, free_contexts);
}

/// The calling thread's contexts, or NULL when memory or an algorithm is missing.
static struct contexts *contexts_of_thread(void) {
    if (__builtin_expect(thread_contexts != NULL, 1)) return thread_contexts;
    pthread_once(&algorithms_once, fetch_algorithms);
    if (sha256_algorithm == NULL || hmac_algorithm == NULL || gcm_algorithm == NULL || contexts_key_error != 0)
        return NULL;
    struct contexts *made = calloc(1, sizeof *made);
    if (made == NULL) return NULL;
    made->digest = EVP_MD_CTX_new();
    made->mac = EVP_MAC_CTX_new(hmac_algorithm);
    made->cipher = EVP_CIPHER_CTX_new();
    if (made->digest == NULL || made->mac == NULL || made->cipher == NULL ||
        // Bound once: an init that names the algorithm again would free and allocate the provider's state.
        EVP_DigestInit_ex2(made->digest, sha256_algorithm, NULL) != 1 ||
        EVP_EncryptInit_ex2(made->cipher, gcm_algorithm, NULL, NULL, NULL) != 1 ||
        pthread_setspecific(contexts_key, made) != 0) {
        free_contexts(made);
        return NULL;
    }
    thread_contexts = made;
    return made;
}

int ce_sha256(const void *data, size_t count, uint8_t out[CE_SHA256_BYTES]) {
    struct contexts *contexts = contexts_of_thread();
    if (contexts == NULL) return -ENOMEM;
    unsigned int length = 0;
    if (EVP_DigestInit_ex2(contexts->digest, NULL, NULL) != 1 ||
        (count > 0 && EVP_DigestUpdate(contexts->digest, data, count) != 1) ||
        EVP_DigestFinal_ex(contexts->digest, out, &length) != 1 || length != CE_SHA256_BYTES)
        return -EIO;
    return 0;
}

int ce_hmac_sha256(const void *key, size_t key_count, const void *data, size_t count,
                   uint8_t out[CE_SHA256_BYTES]) {
    struct contexts *contexts = contexts_of_thread();
    if (contexts == NULL) return -ENOMEM;
    // EVP_MAC_init takes a NULL key as "keep the last one": an empty key needs an address of its own.
    static const uint8_t empty_key[1] = {0};
    const uint8_t *key_bytes = key_count == 0 ? empty_key : key;
    char digest_name[] = "SHA256";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest_name, 0),
        OSSL_PARAM_construct_end(),
    };
    size_t length = 0;
    if (EVP_MAC_init(contexts->mac, key_bytes, key_count, parameters) != 1 ||
        (count > 0 && EVP_MAC_update(contexts->mac, data, count) != 1) ||
        EVP_MAC_final(contexts->mac, out, &length, CE_SHA256_BYTES) != 1 || length != CE_SHA256_BYTES)
        return -EIO;
    return 0;
}

int ce_gcm_seal(const uint8_t key[CE_AES256_KEY_BYTES], const void *associated, size_t associated_count,
                const void *plain, size_t count, uint8_t *out, size_t capacity) {
    if (count > INT_MAX - CE_GCM_OVERHEAD_BYTES || associated_count > INT_MAX) return -EMSGSIZE;
    if (capacity < count + CE_GCM_OVERHEAD_BYTES) return -EMSGSIZE;
    struct contexts *contexts = contexts_of_thread();
    if (contexts == NULL) return -ENOMEM;
    int failed = ce_random(out, CE_GCM_NONCE_BYTES);
    if (failed < 0) return failed;
    EVP_CIPHER_CTX *cipher = contexts->cipher;
    uint8_t *body = out + CE_GCM_NONCE_BYTES;
    int written = 0, last = 0;
    if (EVP_EncryptInit_ex2(cipher, NULL, key, out, NULL) != 1 ||
        (associated_count > 0 &&
         EVP_EncryptUpdate(cipher, NULL, &last, associated, (int)associated_count) != 1) ||
        (count > 0 && EVP_EncryptUpdate(cipher, body, &written, plain, (int)count) != 1) ||
        EVP_EncryptFinal_ex(cipher, body + written, &last) != 1 || written + last != (int)count ||
        EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, CE_GCM_TAG_BYTES, body + count) != 1)
        return -EIO;
    return (int)count + CE_GCM_OVERHEAD_BYTES;
}

int ce_gcm_open(const uint8_t key[CE_AES256_KEY_BYTES], const void *associated, size_t associated_count,
                const uint8_t *sealed, size_t count, uint8_t *out, size_t capacity) {
    if (count < CE_GCM_OVERHEAD_BYTES) return -EBADMSG;
    if (count > INT_MAX || associated_count > INT_MAX) return -EMSGSIZE;
    size_t plain_count = count - CE_GCM_OVERHEAD_BYTES;
    if (capacity < plain_count) return -EMSGSIZE;
    struct contexts *contexts = contexts_of_thread();
    if (contexts == NULL) return -ENOMEM;
    EVP_CIPHER_CTX *cipher = contexts->cipher;
    const uint8_t *body = sealed + CE_GCM_NONCE_BYTES;
    uint8_t tag[CE_GCM_TAG_BYTES];
    memcpy(tag, body + plain_count, sizeof tag);
    int written = 0, last = 0;
    if (EVP_DecryptInit_ex2(cipher, NULL, key, sealed, NULL) != 1 ||
        (associated_count > 0 &&
         EVP_DecryptUpdate(cipher, NULL, &last, associated, (int)associated_count) != 1) ||
        (plain_count > 0 && EVP_DecryptUpdate(cipher, out, &written, body, (int)plain_count) != 1) ||
        EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, CE_GCM_TAG_BYTES, tag) != 1)
        return -EIO;
    uint8_t rest[EVP_MAX_BLOCK_LENGTH];
    if (EVP_DecryptFinal_ex(cipher, rest, &last) != 1 || written != (int)plain_count) {
        OPENSSL_cleanse(out, plain_count);
        return -EBADMSG;
    }
    return (int)plain_count;
}

int ce_equal(const void *left, const void *right, size_t count) {
    // As CRYPTO_memcmp, but eight bytes a step: it is on the path of every request.
    const uint8_t *a = left, *b = right;
    uint64_t difference = 0;
    for (; count >= sizeof(uint64_t); count -= sizeof(uint64_t)) {
        uint64_t x, y;
        memcpy(&x, a, sizeof x);
        memcpy(&y, b, sizeof y);
        difference |= x ^ y;
        // The compiler must not see through it, or it might leave the loop early.
        __asm__ volatile("" : "+r"(difference));
        a += sizeof x;
        b += sizeof y;
    }
    for (; count > 0; count--) {
        difference |= (uint64_t)(*a++ ^ *b++);
        __asm__ volatile("" : "+r"(difference));
    }
    return difference == 0;
}

int ce_random(void *out, size_t count) {
    uint8_t *at = out;
    while (count > 0) {
        // Up to 256 bytes never come short (random(4)); larger requests may be cut by a signal.
        ssize_t got = getrandom(at, count < 256 ? count : 256, 0);
        if (got < 0) {
            if (errno == EINTR) continue;
            return -errno;
        }
        at += got;
        count -= (size_t)got;
    }
    return 0;
}
