/* The least that an HTTP-to-stdio gateway can do: the bound that ours is measured against.
 *
 *     bound PORT CHILDREN PROGRAM [ARGUMENTS]
 *
 * One thread, level-triggered epoll. It looks for the end of the head, Content-Length and the number behind
 * "/sandbox/", and nothing else: no checks, no tokens, no JSON. The body goes to child NUMBER as a line; since the
 * child answers in order, a queue of waiting connections per child is all the bookkeeping. Everything that one turn
 * of the loop has for a child leaves in one write. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DESCRIPTORS = 20000, ANSWER_BYTES = 65536, WAITING = 16384, EVENTS = 512, HEAD_BYTES = 256 };
enum kind { NOTHING, LISTENER, CLIENT, CHILD };

struct client {
    char *bytes;
    int count, room;
    unsigned generation;
};

struct waiter {
    int descriptor;
    unsigned generation;
};

struct child {
    int input, output;
    char *pending;
    int pending_count, pending_room, is_dirty;
    char *answers;
    int answers_count, answers_room;
    struct waiter queue[WAITING];
    unsigned first, next;
};

extern char **environ;
static struct client clients[DESCRIPTORS];
static enum kind kinds[DESCRIPTORS];
static int child_of[DESCRIPTORS];
static struct child *children;
static int *dirty;
static int poller, child_count, dirty_count;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void watch(int descriptor, enum kind kind, int child) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = descriptor};
    if (descriptor >= DESCRIPTORS) fail("too many descriptors");
    kinds[descriptor] = kind;
    child_of[descriptor] = child;
    if (epoll_ctl(poller, EPOLL_CTL_ADD, descriptor, &event)) fail("epoll_ctl");
}

static void start(int number, char **command) {
    int in[2], out[2];
    pid_t pid;
    posix_spawn_file_actions_t actions;
    if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC)) fail("pipe2");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    errno = posix_spawn(&pid, command[0], &actions, NULL, command, environ);
    if (errno) fail(command[0]);
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    struct child *child = &children[number];
    child->input = in[1];
    child->output = out[0];
    fcntl(child->input, F_SETFL, O_NONBLOCK);
    fcntl(child->output, F_SETFL, O_NONBLOCK);
    child->pending_room = 4096;
    child->pending = malloc(4096);
    child->answers_room = ANSWER_BYTES;
    child->answers = malloc(ANSWER_BYTES);
    if (!child->pending || !child->answers) fail("malloc");
    watch(child->output, CHILD, number);
}

/* Waits for a reader that is slow: with large answers there is one client at a time. */
static int send_all(int descriptor, const char *bytes, int count) {
    for (int sent = 0; sent < count;) {
        ssize_t n = send(descriptor, bytes + sent, (size_t)(count - sent), MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN) return -1;
        if (n > 0) sent += (int)n;
        else if (sent < count) poll(&(struct pollfd){.fd = descriptor, .events = POLLOUT}, 1, -1);
    }
    return 0;
}

static void answer(int descriptor, const char *body, int count) {
    static char message[HEAD_BYTES + ANSWER_BYTES];
    int total = snprintf(message, HEAD_BYTES,
                         "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", count);
    int copied = count < ANSWER_BYTES ? count : 0;
    memcpy(message + total, body, (size_t)copied);
    if (send_all(descriptor, message, total + copied) == 0) send_all(descriptor, body + copied, count - copied);
}

static void forward(int descriptor, const char *head, int head_count, const char *body, int count) {
    const char *place = memmem(head, (size_t)(head_count < 128 ? head_count : 128), "/sandbox/", 9);
    int number = place ? atoi(place + 9) % child_count : 0;
    struct child *child = &children[number];
    while (child->pending_count + count + 1 > child->pending_room) {
        child->pending_room *= 2;
        child->pending = realloc(child->pending, (size_t)child->pending_room);
        if (!child->pending) fail("realloc");
    }
    memcpy(child->pending + child->pending_count, body, (size_t)count);
    child->pending_count += count;
    child->pending[child->pending_count++] = '\n';
    child->queue[child->next++ % WAITING] = (struct waiter){descriptor, clients[descriptor].generation};
    if (!child->is_dirty) {
        child->is_dirty = 1;
        dirty[dirty_count++] = number;
    }
}

static int content_length(char *head, char *end) {
    *end = 0;
    int length = 0;
    for (char *at = head; (at = strchr(at, '\n')); ) {
        at++;
        if ((*at | 32) == 'c' && strncasecmp(at, "content-length:", 15) == 0) {
            length = atoi(at + 15);
            break;
        }
    }
    *end = '\r';
    return length;
}

static void read_client(int descriptor) {
    struct client *client = &clients[descriptor];
    if (client->count == client->room) {
        client->room = client->room ? client->room * 2 : 4096;
        client->bytes = realloc(client->bytes, (size_t)client->room + 1);
        if (!client->bytes) fail("realloc");
    }
    ssize_t n = recv(descriptor, client->bytes + client->count, (size_t)(client->room - client->count), 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
        client->generation++;
        client->count = 0;
        kinds[descriptor] = NOTHING;
        close(descriptor);
        return;
    }
    client->count += (int)n;
    int used = 0;
    for (;;) {
        char *head = client->bytes + used;
        int count = client->count - used;
        char *end = memmem(head, (size_t)count, "\r\n\r\n", 4);
        if (!end) break;
        int head_count = (int)(end + 4 - head), length = content_length(head, end);
        if (count < head_count + length) break;
        forward(descriptor, head, head_count, head + head_count, length);
        used += head_count + length;
    }
    memmove(client->bytes, client->bytes + used, (size_t)(client->count - used));
    client->count -= used;
}

static void read_child(int number) {
    struct child *child = &children[number];
    if (child->answers_count == child->answers_room) {
        child->answers = realloc(child->answers, (size_t)(child->answers_room *= 2));
        if (!child->answers) fail("realloc");
    }
    int room = child->answers_room - child->answers_count;
    ssize_t n = read(child->output, child->answers + child->answers_count, (size_t)room);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) exit(5);
    int seen = child->answers_count, from = 0;
    char *end;
    child->answers_count += (int)n;
    while ((end = memchr(child->answers + seen, '\n', (size_t)(child->answers_count - seen)))) {
        int at = (int)(end - child->answers);
        struct waiter waiter = child->queue[child->first++ % WAITING];
        if (kinds[waiter.descriptor] == CLIENT && clients[waiter.descriptor].generation == waiter.generation)
            answer(waiter.descriptor, child->answers + from, at - from);
        from = seen = at + 1;
    }
    memmove(child->answers, child->answers + from, (size_t)(child->answers_count - from));
    child->answers_count -= from;
}

static void flush(void) {
    int left = 0;
    for (int i = 0; i < dirty_count; i++) {
        struct child *child = &children[dirty[i]];
        ssize_t n = write(child->input, child->pending, (size_t)child->pending_count);
        if (n < 0) n = 0;
        child->pending_count -= (int)n;
        if (child->pending_count) {
            memmove(child->pending, child->pending + n, (size_t)child->pending_count);
            dirty[left++] = dirty[i];
        } else {
            child->is_dirty = 0;
        }
    }
    dirty_count = left;
}

static void accept_all(int listener) {
    int descriptor, one = 1;
    while ((descriptor = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        watch(descriptor, CLIENT, 0);
    }
}

int main(int count, char **arguments) {
    if (count < 4) return 64;
    child_count = atoi(arguments[2]);
    if (child_count < 1) return 64;
    signal(SIGPIPE, SIG_IGN);
    poller = epoll_create1(EPOLL_CLOEXEC);
    children = calloc((size_t)child_count, sizeof *children);
    dirty = calloc((size_t)child_count, sizeof *dirty);
    for (int i = 0; i < child_count; i++) start(i, arguments + 3);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons((unsigned short)atoi(arguments[1]));
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) fail("listen");
    watch(listener, LISTENER, 0);
    struct epoll_event events[EVENTS];
    for (;;) {
        int n = epoll_wait(poller, events, EVENTS, dirty_count ? 1 : -1);
        for (int i = 0; i < n; i++) {
            int descriptor = events[i].data.fd;
            switch (kinds[descriptor]) {
            case LISTENER: accept_all(descriptor); break;
            case CLIENT: read_client(descriptor); break;
            case CHILD: read_child(child_of[descriptor]); break;
            case NOTHING: break;
            }
        }
        if (dirty_count) flush();
    }
}
