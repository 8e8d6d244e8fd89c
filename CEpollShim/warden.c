/// The warden: stands between the gateway and a server that runs without a jail, so that nothing the server
/// has started outlives it. bubblewrap's init does the same inside a jail.
#define _GNU_SOURCE
#include "ce_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/// Says: kill everything. Sent by the gateway, and by the kernel when the gateway has died.
#define KILL_ALL SIGUSR1

static pid_t server;

/// Direct children, of which there are more whenever one of them dies: a subreaper inherits the orphans.
static int kill_children(void) {
    static char text[64 * 1024];
    int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -errno;
    ssize_t count = read(fd, text, sizeof text - 1);
    close(fd);
    if (count <= 0) return 0;
    text[count] = 0;
    for (char *at = text, *end; *at != 0; at = end) {
        long pid = strtol(at, &end, 10);
        if (end == at) break;
        if (pid > 0) kill((pid_t)pid, SIGKILL);
    }
    return 0;
}

static _Noreturn void finish(int status) {
    // Each round kills what the last one orphaned; it ends when no child is left.
    for (;;) {
        kill_children();
        pid_t gone = waitpid(-1, NULL, 0);
        if (gone < 0 && errno == ECHILD) break;
        while (waitpid(-1, NULL, WNOHANG) > 0) continue;
    }
    // The shell's convention, which bubblewrap follows too.
    _exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

/// Reaps what has ended. When that was the server, all else ends too.
static void reap(void) {
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        if (pid == server) finish(status);
}

static _Noreturn void run(char **arguments) {
    sigset_t set;
    sigemptyset(&set);
    const int watched[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP, KILL_ALL};
    for (size_t i = 0; i < sizeof watched / sizeof *watched; i++) sigaddset(&set, watched[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    // Until here the gateway's death is SIGKILL to us (`death_signal` of ce_spawn, kept through exec).
    prctl(PR_SET_PDEATHSIG, KILL_ALL);
    server = fork();
    if (server < 0) {
        perror("fork");
        _exit(126);
    }
    if (server == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        setpgid(0, 0);
        execv(arguments[0], arguments);
        fprintf(stderr, "%s: %s\n", arguments[0], strerror(errno));
        _exit(127);
    }
    // The pipes are the server's.
    close(0);
    close(1);
    for (;;) {
        int number = sigwaitinfo(&set, NULL);
        if (number == SIGCHLD) reap();
        else if (number == KILL_ALL) finish(SIGKILL);
        else if (number > 0) kill(server, number);
    }
}

/// Runs before main and before any Swift: the gateway starts its own program under another name.
__attribute__((constructor)) static void ce_warden(int count, char **arguments) {
    if (count < 2 || strcmp(arguments[0], CE_WARDEN_NAME) != 0) return;
    run(arguments + 1);
}
