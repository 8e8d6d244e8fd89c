/// Workspaces of a fixed size. Needs CAP_SYS_ADMIN.
#ifndef CE_WORKSPACE_H
#define CE_WORKSPACE_H

#include <stdint.h>

/// Makes a mount namespace like the caller's in which an empty tmpfs of at most `bytes` and `files` is mounted at
/// `path`, its root root's own and open to pass. It lives as long as the returned descriptor or a process in it. Sets
/// `*directory` to its root, opened with O_PATH. Both are close-on-exec. Returns the namespace or -errno.
int ce_workspace_make(const char *path, uint64_t bytes, uint64_t files, int *directory);

/// Mounts the tmpfs of such a namespace, by its root, at `path` of the host too, where services of the host such as a
/// container engine's daemon see it. It stays until it is concealed. Returns 0 or -errno.
int ce_workspace_show(int namespace, int directory, const char *path);

/// Unmounts what the host has mounted at `path`, if anything. Returns how often, or -errno.
int ce_workspace_conceal(const char *path);

/// Makes a directory of the user's in which all that is made is the group's too, to read and to write, whatever the
/// umask of who makes it. Returns 0 or -errno.
int ce_shared_directory_make(const char *path, int64_t user, int64_t group);

#endif
