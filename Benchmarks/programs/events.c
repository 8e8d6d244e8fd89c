/* The least that an event stream can be: what the gateway's streams are measured against, and what nginx and haproxy
 * have behind them when they pass streams on.
 *
 *     events PORT
 *
 * GET answers with an event stream that stays open; POST sends an event to every stream, then answers. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DESCRIPTORS = 20000, EVENTS = 512 };

static unsigned char is_stream[DESCRIPTORS];
static int last;

static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
                           "Transfer-Encoding: chunked\r\n\r\n";
/* As many bytes as the gateway's event: `event: message` and the notification. */
static const char event[] = "60\r\nevent: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/"
                            "list_changed\",\"params\":{}}\n\n\r\n";
static const char done[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

static void tell(int descriptor, const char *bytes, size_t count) {
    /* A stream that is not read loses events here; the gateway would cut it. */
    ssize_t n = send(descriptor, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)n;
}

static void answer(int descriptor) {
    char bytes[8192];
    ssize_t n = recv(descriptor, bytes, sizeof bytes, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
        is_stream[descriptor] = 0;
        close(descriptor);
    } else if (bytes[0] == 'G') {
        is_stream[descriptor] = 1;
        tell(descriptor, head, sizeof head - 1);
    } else {
        for (int i = 0; i <= last; i++)
            if (is_stream[i]) tell(i, event, sizeof event - 1);
        tell(descriptor, done, sizeof done - 1);
    }
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

int main(int count, char **arguments) {
    if (count != 2) return 64;
    int poller = epoll_create1(EPOLL_CLOEXEC), one = 1;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons((unsigned short)atoi(arguments[1]));
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) fail("listen");
    struct epoll_event watched = {.events = EPOLLIN, .data.fd = listener}, events[EVENTS];
    if (epoll_ctl(poller, EPOLL_CTL_ADD, listener, &watched)) fail("epoll_ctl");
    for (;;) {
        int ready = epoll_wait(poller, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            int descriptor = events[i].data.fd;
            if (descriptor != listener) {
                answer(descriptor);
                continue;
            }
            while ((descriptor = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
                if (descriptor >= DESCRIPTORS) fail("too many descriptors");
                if (descriptor > last) last = descriptor;
                setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                watched.data.fd = descriptor;
                if (epoll_ctl(poller, EPOLL_CTL_ADD, descriptor, &watched)) fail("epoll_ctl");
            }
        }
    }
}
