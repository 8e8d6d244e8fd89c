/// What the build was made from.
#ifndef CBUILDINFO_H
#define CBUILDINFO_H

/// The commit, `+changes` after it when files differed from it; `unknown` outside a checkout. Static.
const char *cb_commit(void);

#endif
