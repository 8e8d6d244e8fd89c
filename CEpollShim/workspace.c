/// Workspaces of a fixed size, each in a mount namespace of its own: a copy of the host's table in which one more
/// thing is mounted. In the host's own table, each would make the start of every jail slower, which copies it.
#define _GNU_SOURCE
#include "ce_workspace.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

struct job {
    int namespace;
    const char *path;
    uint64_t bytes, files;
    int directory;
    int result;
};

static int mount_memory(const struct job *job) {
    char options[128];
    snprintf(options, sizeof options, "mode=0711,size=%llu,nr_inodes=%llu", (unsigned long long)job->bytes,
             (unsigned long long)job->files);
    return mount("workspace", job->path, "tmpfs", MS_NOSUID | MS_NODEV, options) == 0 ? 0 : -errno;
}

static void *make(void *raw) {
    struct job *job = raw;
    // Slaves: what the host unmounts later goes here too, and nothing of here is seen there.
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0) {
        job->result = -errno;
        return NULL;
    }
    job->result = mount_memory(job);
    if (job->result < 0) return NULL;
    job->directory = open(job->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (job->directory < 0) {
        job->result = -errno;
        return NULL;
    }
    int fd = open("/proc/thread-self/ns/mnt", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        fd = -errno;
        close(job->directory);
    }
    job->result = fd;
    return NULL;
}

/// On a thread of its own, whose end brings nothing back.
static int run(void *(*work)(void *), struct job *job) {
    pthread_t thread;
    int error = pthread_create(&thread, NULL, work, job);
    if (error != 0) return -error;
    pthread_join(thread, NULL);
    return job->result;
}

int ce_workspace_make(const char *path, uint64_t bytes, uint64_t files, int *directory) {
    struct job job = {.path = path, .bytes = bytes, .files = files, .directory = -1, .result = -EINVAL};
    int result = run(make, &job);
    *directory = result < 0 ? -1 : job.directory;
    return result;
}

/// The mount table of the host's own services, which differs from ours where the unit of this process hides something
/// of the host from it.
#define HOST_TABLE "/proc/1/ns/mnt"

/// Takes the calling thread to the host's mount table. Returns 0 or -errno.
static int enter_host(void) {
    int host = open(HOST_TABLE, O_RDONLY | O_CLOEXEC);
    if (host < 0) return -errno;
    int error = setns(host, CLONE_NEWNS) < 0 ? errno : 0;
    close(host);
    return -error;
}

static void *show(void *raw) {
    struct job *job = raw;
    int tree = -1;
    // Threads share the place that their paths begin at, which follows the namespace.
    if (unshare(CLONE_FS) < 0 || setns(job->namespace, CLONE_NEWNS) < 0 ||
        (tree = open_tree(job->directory, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)) < 0) {
        job->result = -errno;
        return NULL;
    }
    job->result = enter_host();
    if (job->result == 0 && move_mount(tree, "", AT_FDCWD, job->path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        job->result = -errno;
    close(tree);
    return NULL;
}

int ce_workspace_show(int namespace, int directory, const char *path) {
    struct job job = {.namespace = namespace, .directory = directory, .path = path, .result = -EINVAL};
    return run(show, &job);
}

static void *conceal(void *raw) {
    struct job *job = raw;
    job->result = unshare(CLONE_FS) < 0 ? -errno : enter_host();
    while (job->result >= 0 && umount2(job->path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0) job->result++;
    return NULL;
}

int ce_workspace_conceal(const char *path) {
    struct job job = {.path = path, .result = -EINVAL};
    return run(conceal, &job);
}

/// As the kernel keeps it in `system.posix_acl_default`, little-endian: version 2, then tag, permissions and id of
/// each entry (uapi/linux/posix_acl_xattr.h).
#define ENTRY(tag, permissions) tag, 0, permissions, 0, 0xff, 0xff, 0xff, 0xff
static const unsigned char of_owner_and_group[] = {2, 0, 0, 0, ENTRY(0x01, 7), ENTRY(0x04, 7), ENTRY(0x20, 0)};

int ce_shared_directory_make(const char *path, int64_t user, int64_t group) {
    if (mkdir(path, 0700) < 0) return -errno;
    // Its mode last: a change of owners takes the bit that makes what is in it the group's.
    int failed = lchown(path, (uid_t)user, (gid_t)group) < 0 || chmod(path, 02770) < 0;
    int error = failed ? errno : 0;
    if (failed) rmdir(path);
    // A file system that has none of it leaves it to each program's umask what others may write.
    if (!failed) setxattr(path, "system.posix_acl_default", of_owner_and_group, sizeof of_owner_and_group, 0);
    return -error;
}
