/// Workspaces of a fixed size. Needs CAP_SYS_ADMIN.
#ifndef CE_WORKSPACE_H
#define CE_WORKSPACE_H

#include <stdint.h>

/// Makes a mount namespace like the caller's in which an empty tmpfs of at most `bytes` and `files` is mounted at
/// `path`, its root the user's alone. It lives as long as the returned descriptor or a process in it. Sets
/// `*directory` to its root, opened with O_PATH. Both are close-on-exec. Returns the namespace or -errno.
int ce_workspace_make(const char *path, uint64_t bytes, uint64_t files, int64_t user, int64_t group,
                      int *directory);

#endif
