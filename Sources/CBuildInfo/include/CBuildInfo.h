/// What the program was built from.
#ifndef CBUILDINFO_H
#define CBUILDINFO_H

/// The commit, `+changes` after it when files differed from it; `unknown` outside a checkout. Static.
const char *cb_commit(void);

/// The TLS library that is loaded, with its version. Static.
const char *cb_tls_library(void);

#endif
