/// The warden: stands between the gateway and a server that runs without a jail, so that nothing the server
/// has started outlives it. bubblewrap's init does the same inside a jail. Around a container engine it also makes
/// the engine remove the container, whatever ended it.
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
#include <time.h>
#include <unistd.h>

/// Says: kill everything. Sent by the gateway, and by the kernel when the gateway has died.
#define KILL_ALL SIGUSR1

/// 0 when it has been reaped.
static pid_t server;
/// Run before everything is killed; NULL: nothing is.
static char **last;
/// The server is a client of a daemon, which may be about to make what the last command removes.
static int is_client;

static void kill_one(pid_t pid) { kill(pid, SIGKILL); }

/// Calls `act` for each process in a list of children.
static void each_child(const char *path, char *text, size_t room, void (*act)(pid_t)) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    ssize_t count = read(fd, text, room - 1);
    close(fd);
    if (count <= 0) return;
    text[count] = 0;
    for (char *at = text, *end; *at != 0; at = end) {
        long pid = strtol(at, &end, 10);
        if (end == at) break;
        if (pid > 0) act((pid_t)pid);
    }
}

/// Direct children, of which there are more whenever one of them dies: a subreaper inherits the orphans.
static void each_own_child(void (*act)(pid_t)) {
    static char text[64 * 1024];
    each_child("/proc/thread-self/children", text, sizeof text, act);
}

static void kill_its_children(pid_t pid) {
    static char text[64 * 1024];
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
    each_child(path, text, sizeof text, kill_one);
}

static _Noreturn void become_last(int output) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; fd++)
        if (null >= 0 && null != fd) dup2(null, fd);
    if (output >= 0) dup2(output, 1);
    execv(last[0], last);
    _exit(127);
}

/// Waits for the last command's end, for a while.
static void wait_for(pid_t pid) {
    sigset_t ended;
    sigemptyset(&ended);
    sigaddset(&ended, SIGCHLD);
    const struct timespec second = {.tv_sec = 1};
    for (int waited = 0; waited < CE_WARDEN_LAST_SECONDS;) {
        pid_t gone;
        while ((gone = waitpid(-1, NULL, WNOHANG)) > 0)
            if (gone == pid) return;
        if (sigtimedwait(&ended, NULL, &second) < 0) waited++;
    }
}

/// True when it said something, as engines do of what they have removed; their status is 0 either way.
static int has_removed(void) {
    int ends[2] = {-1, -1};
    // At 3 and above: what is below is given to the command.
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0)
        for (int end = 0; end < 2; end++) {
            int high = fcntl(ends[end], F_DUPFD_CLOEXEC, 3);
            close(ends[end]);
            ends[end] = high;
        }
    pid_t pid = fork();
    if (pid == 0) become_last(ends[1]);
    close(ends[1]);
    if (pid > 0) wait_for(pid);
    char byte;
    int said = read(ends[0], &byte, 1) == 1;
    close(ends[0]);
    return said;
}

/// - Parameter was_killed: the server is to be, or has been, in the middle of whatever it was doing.
static void run_last(int was_killed) {
    if (!is_client) {
        // What guards a container must live to tidy up behind it; the container need not, and may have taken every
        // process and all memory that the last command needs.
        each_own_child(kill_its_children);
        has_removed();
        return;
    }
    // It must ask for nothing more. What it has asked for may come later.
    if (server > 0) kill(server, SIGKILL);
    const struct timespec pause = {.tv_nsec = CE_WARDEN_PAUSE_MILLISECONDS * 1000000L};
    for (int round = 0; !has_removed() && was_killed && round < CE_WARDEN_ROUNDS; round++) nanosleep(&pause, NULL);
}

static _Noreturn void finish(int status) {
    if (last) run_last(WIFSIGNALED(status));
    // Each round kills what the last one orphaned; it ends when no child is left.
    for (;;) {
        each_own_child(kill_one);
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
        if (pid == server) {
            server = 0;
            finish(status);
        }
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
    if (count < 2) return;
    if (strcmp(arguments[0], CE_WARDEN_NAME) == 0) run(arguments + 1);
    is_client = strcmp(arguments[0], CE_WARDEN_CLIENT_NAME) == 0;
    if (!is_client && strcmp(arguments[0], CE_WARDEN_LAST_NAME) != 0) return;
    int words = atoi(arguments[1]);
    if (words < 1 || words > count - 3) _exit(126);
    // The command's end is where the program's begins: a NULL between them.
    last = calloc((size_t)words + 1, sizeof *last);
    if (!last) _exit(126);
    memcpy(last, arguments + 2, (size_t)words * sizeof *last);
    run(arguments + 2 + words);
}
