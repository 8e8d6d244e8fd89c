#include "CTestCertificates.h"

#include <malloc.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

struct ctc_certificate {
    X509 *certificate;
    EVP_PKEY *key;
};

static int add_extension(X509 *certificate, X509 *issuer, int kind, const char *value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
    int is_added = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return is_added;
}

static int fill(struct ctc_certificate *made, const struct ctc_certificate *issuer, const char *common_name,
                const char *names, int is_authority, long from, long to) {
    X509 *certificate = made->certificate;
    long serial = 0;
    if (RAND_bytes((unsigned char *)&serial, sizeof serial) != 1) return 0;
    X509_NAME *subject = X509_get_subject_name(certificate);
    X509 *signer = issuer ? issuer->certificate : certificate;
    return X509_set_version(certificate, 2) == 1 &&
           ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial & 0x7fffffffffffffL) == 1 &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), from) != NULL &&
           X509_gmtime_adj(X509_getm_notAfter(certificate), to) != NULL &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)common_name, -1,
                                      -1, 0) == 1 &&
           X509_set_issuer_name(certificate, X509_get_subject_name(signer)) == 1 &&
           X509_set_pubkey(certificate, made->key) == 1 &&
           add_extension(certificate, signer, NID_basic_constraints,
                         is_authority ? "critical,CA:TRUE" : "critical,CA:FALSE") &&
           (names == NULL || add_extension(certificate, signer, NID_subject_alt_name, names)) &&
           X509_sign(certificate, issuer ? issuer->key : made->key, EVP_sha256()) > 0;
}

struct ctc_certificate *ctc_make(const struct ctc_certificate *issuer, const char *common_name,
                                 const char *names, int is_authority, long from, long to, int rsa_bits) {
    struct ctc_certificate *made = calloc(1, sizeof *made);
    if (made == NULL) return NULL;
    made->key = rsa_bits > 0 ? EVP_RSA_gen((unsigned)rsa_bits) : EVP_EC_gen("P-256");
    made->certificate = X509_new();
    if (made->key != NULL && made->certificate != NULL &&
        fill(made, issuer, common_name, names, is_authority, from, to))
        return made;
    ctc_free(made);
    return NULL;
}

static int copy_out(BIO *bytes, char *out, size_t capacity) {
    char *text = NULL;
    long length = BIO_get_mem_data(bytes, &text);
    int result = -1;
    if (length >= 0 && (size_t)length < capacity) {
        memcpy(out, text, (size_t)length);
        out[length] = 0;
        result = (int)length;
    }
    BIO_free(bytes);
    return result;
}

int ctc_certificate_pem(const struct ctc_certificate *certificate, char *out, size_t capacity) {
    BIO *bytes = BIO_new(BIO_s_mem());
    if (bytes == NULL || PEM_write_bio_X509(bytes, certificate->certificate) != 1) return -1;
    return copy_out(bytes, out, capacity);
}

int ctc_key_pem(const struct ctc_certificate *certificate, const char *password, char *out, size_t capacity) {
    BIO *bytes = BIO_new(BIO_s_mem());
    const EVP_CIPHER *cipher = password ? EVP_aes_256_cbc() : NULL;
    if (bytes == NULL || PEM_write_bio_PKCS8PrivateKey(bytes, certificate->key, cipher, NULL, 0, NULL,
                                                       (void *)password) != 1)
        return -1;
    return copy_out(bytes, out, capacity);
}

void ctc_free(struct ctc_certificate *certificate) {
    if (certificate == NULL) return;
    X509_free(certificate->certificate);
    EVP_PKEY_free(certificate->key);
    free(certificate);
}

size_t ctc_heap_bytes(void) {
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}
