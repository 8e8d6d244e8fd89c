/// Workspaces of a fixed size. All calls need CAP_SYS_ADMIN.
#ifndef CE_WORKSPACE_H
#define CE_WORKSPACE_H

#include <stdint.h>

/// Makes a mount namespace like the caller's in which an empty tmpfs of at most `bytes` and `files` is mounted at
/// `path`, its root the user's alone. It lives as long as the returned descriptor or a process in it. Sets
/// `*directory` to its root, opened with O_PATH. Both are close-on-exec. Returns the namespace or -errno.
int ce_workspace_make(const char *path, uint64_t bytes, uint64_t files, int64_t user, int64_t group,
                      int *directory);

/// Mounts what is at `path` in such a namespace at `path` of the caller's own too. Returns 0 or -errno.
int ce_workspace_show(int workspace, const char *path);

/// Takes away what is mounted at `path`, now if nobody uses it, else when nobody does any more. Returns 0.
int ce_unmount(const char *path);

#endif
