#include "tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

// MARK: Failures

struct ce_tls_failure tls_failure_of(int kind, int detail, const char *text) {
    return (struct ce_tls_failure){.kind = kind, .detail = detail, .text = text ? text : "unknown reason"};
}

struct ce_tls_failure tls_take_failure(int kind) {
    unsigned long code = ERR_get_error();
    ERR_clear_error();
    return tls_failure_of(kind, ERR_GET_REASON(code), code ? ERR_reason_error_string(code) : NULL);
}

int tls_refuse(struct ce_tls_failure *why, int kind) {
    *why = tls_take_failure(kind);
    return -EINVAL;
}

// MARK: Certificates

/// Without it OpenSSL would ask for a password on the terminal. Tells its caller that it was asked.
static int no_password(char *out, int capacity, int is_writing, void *was_asked) {
    (void)out, (void)capacity, (void)is_writing;
    *(int *)was_asked = 1;
    return -1;
}

/// Appends every certificate of `pem` to `out`. Returns their number, or -EINVAL.
int tls_read_certificates(const void *pem, size_t count, STACK_OF(X509) *out, struct ce_tls_failure *why) {
    ERR_clear_error();
    BIO *bytes = count > INT_MAX ? NULL : BIO_new_mem_buf(count > 0 ? pem : "", (int)count);
    if (bytes == NULL) return tls_refuse(why, CE_TLS_FAILURE_INTERNAL);
    int was_asked = 0, found = 0;
    X509 *next;
    while ((next = PEM_read_bio_X509(bytes, NULL, no_password, &was_asked)) != NULL) {
        if (sk_X509_push(out, next) <= 0) {
            X509_free(next);
            BIO_free(bytes);
            return tls_refuse(why, CE_TLS_FAILURE_INTERNAL);
        }
        found += 1;
    }
    BIO_free(bytes);
    unsigned long last = ERR_peek_last_error();
    int is_end = ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
    if (!is_end) return tls_refuse(why, CE_TLS_FAILURE_BAD_CERTIFICATE);
    if (found == 0) return tls_refuse(why, CE_TLS_FAILURE_NO_CERTIFICATE);
    ERR_clear_error();
    return found;
}

static EVP_PKEY *read_key(const void *pem, size_t count, struct ce_tls_failure *why) {
    ERR_clear_error();
    BIO *bytes = count > INT_MAX ? NULL : BIO_new_mem_buf(count > 0 ? pem : "", (int)count);
    if (bytes == NULL) {
        tls_refuse(why, CE_TLS_FAILURE_INTERNAL);
        return NULL;
    }
    int was_asked = 0;
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bytes, NULL, no_password, &was_asked);
    // The decoder reports a missing key and a broken one alike: look for a block that claims to be one.
    int has_block = 0;
    if (key == NULL) {
        (void)BIO_reset(bytes);
        char line[128];
        while (!has_block && BIO_gets(bytes, line, sizeof line) > 0)
            has_block = strncmp(line, "-----BEGIN ", 11) == 0 && strstr(line, "PRIVATE KEY-----") != NULL;
    }
    BIO_free(bytes);
    if (key == NULL)
        tls_refuse(why, was_asked    ? CE_TLS_FAILURE_ENCRYPTED_KEY
                    : has_block ? CE_TLS_FAILURE_BAD_KEY
                                : CE_TLS_FAILURE_NO_KEY);
    return key;
}

int ce_tls_identity_parse(const void *chain, size_t chain_count, const void *key, size_t key_count,
                          struct ce_tls_identity **out, struct ce_tls_failure *why) {
    *why = tls_failure_of(CE_TLS_FAILURE_INTERNAL, 0, "out of memory");
    struct ce_tls_identity *made = calloc(1, sizeof *made);
    if (made == NULL) return -EINVAL;
    made->chain = sk_X509_new_null();
    if (made->chain == NULL || tls_read_certificates(chain, chain_count, made->chain, why) < 0) goto failed;
    made->leaf = sk_X509_shift(made->chain);
    made->key = read_key(key, key_count, why);
    if (made->key == NULL) goto failed;
    if (X509_check_private_key(made->leaf, made->key) != 1) {
        tls_refuse(why, CE_TLS_FAILURE_KEY_MISMATCH);
        goto failed;
    }
    *why = tls_failure_of(CE_TLS_FAILURE_NONE, 0, "");
    *out = made;
    return 0;
failed:
    ce_tls_identity_free(made);
    return -EINVAL;
}

void ce_tls_identity_free(struct ce_tls_identity *identity) {
    if (identity == NULL) return;
    X509_free(identity->leaf);
    sk_X509_pop_free(identity->chain, X509_free);
    EVP_PKEY_free(identity->key);
    free(identity);
}

static int copy_name(const char *name, int length, char *out, size_t capacity) {
    if (length <= 0 || (size_t)length >= capacity || memchr(name, 0, (size_t)length) != NULL) return -EILSEQ;
    memcpy(out, name, (size_t)length);
    out[length] = 0;
    return length;
}

static int common_name(const X509 *leaf, char *out, size_t capacity) {
    X509_NAME *subject = X509_get_subject_name(leaf);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    X509_NAME_ENTRY *entry = at < 0 ? NULL : X509_NAME_get_entry(subject, at);
    if (entry == NULL) return -ENOENT;
    const ASN1_STRING *text = X509_NAME_ENTRY_get_data(entry);
    return copy_name((const char *)ASN1_STRING_get0_data(text), ASN1_STRING_length(text), out, capacity);
}

int ce_tls_identity_name(const struct ce_tls_identity *identity, int index, char *out, size_t capacity) {
    GENERAL_NAMES *names = X509_get_ext_d2i(identity->leaf, NID_subject_alt_name, NULL, NULL);
    if (names == NULL) return index == 0 ? common_name(identity->leaf, out, capacity) : -ENOENT;
    int result = -ENOENT;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_DNS || index-- > 0) continue;
        result = copy_name((const char *)ASN1_STRING_get0_data(name->d.dNSName),
                           ASN1_STRING_length(name->d.dNSName), out, capacity);
        break;
    }
    GENERAL_NAMES_free(names);
    return result;
}

static int unix_seconds(const ASN1_TIME *time, int64_t *out) {
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days = 0, seconds = 0;
    int is_read = epoch != NULL && ASN1_TIME_diff(&days, &seconds, epoch, time) == 1;
    ASN1_TIME_free(epoch);
    *out = (int64_t)days * 86400 + seconds;
    return is_read ? 0 : -EINVAL;
}

int ce_tls_identity_validity(const struct ce_tls_identity *identity, int64_t *from, int64_t *to) {
    int result = unix_seconds(X509_get0_notBefore(identity->leaf), from);
    return result < 0 ? result : unix_seconds(X509_get0_notAfter(identity->leaf), to);
}

int ce_tls_identity_is_ordered(const struct ce_tls_identity *identity) {
    X509 *issued = identity->leaf;
    for (int i = 0; i < sk_X509_num(identity->chain); i++) {
        X509 *issuer = sk_X509_value(identity->chain, i);
        if (X509_check_issued(issuer, issued) != X509_V_OK) return 0;
        issued = issuer;
    }
    return 1;
}
