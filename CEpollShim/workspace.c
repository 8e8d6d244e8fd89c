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
#include <unistd.h>

struct job {
    const char *path;
    uint64_t bytes, files;
    int64_t user, group;
    int directory;
    int result;
};

static int mount_memory(const struct job *job) {
    char options[128];
    snprintf(options, sizeof options, "mode=0700,size=%llu,nr_inodes=%llu,uid=%lld,gid=%lld",
             (unsigned long long)job->bytes, (unsigned long long)job->files, (long long)job->user,
             (long long)job->group);
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

int ce_workspace_make(const char *path, uint64_t bytes, uint64_t files, int64_t user, int64_t group,
                      int *directory) {
    struct job job = {
        .path = path, .bytes = bytes, .files = files, .user = user, .group = group, .directory = -1,
        .result = -EINVAL,
    };
    int result = run(make, &job);
    *directory = result < 0 ? -1 : job.directory;
    return result;
}
