#include "CBuildInfo.h"

#include <openssl/crypto.h>

const char *cb_commit(void) { return MCP_GATEWAY_COMMIT; }

const char *cb_tls_library(void) { return OpenSSL_version(OPENSSL_VERSION); }
