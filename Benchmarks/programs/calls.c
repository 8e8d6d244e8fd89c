/* A closed loop of calls in which every connection keeps to one request, as a client keeps to its sandbox.
 *
 *     calls PORT SECONDS FILE
 *
 * FILE has one record a connection: a line with a byte count, and that many bytes of a request. Prints what
 * load.lua prints: RESULT and LATENCIES. An answer is good when it is a 200 with a Content-Length.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 512, ANSWER_BYTES = 65536, LATENCIES = 1 << 20 };

struct connection {
    int descriptor, request_count, answer_count;
    long long sent;
    char *request, *answer;
};

static struct connection *connections;
static int count, poller, port;
static long long requests, bad, bytes;
static unsigned latencies[LATENCIES];

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void ask(struct connection *one) {
    one->answer_count = 0;
    one->sent = now();
    if (send(one->descriptor, one->request, (size_t)one->request_count, MSG_NOSIGNAL) != one->request_count)
        fail("send");
}

static void open_one(struct connection *one) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons((unsigned short)port);
    one->descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    one->answer = malloc(ANSWER_BYTES + 1);
    if (one->descriptor < 0 || !one->answer) fail("socket");
    if (connect(one->descriptor, (struct sockaddr *)&address, sizeof address)) fail("connect");
    int yes = 1;
    setsockopt(one->descriptor, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (unsigned)(one - connections)};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, one->descriptor, &event)) fail("epoll_ctl");
}

static int is_whole(const struct connection *one) {
    const char *body = memmem(one->answer, (size_t)one->answer_count, "\r\n\r\n", 4);
    if (!body) return 0;
    const char *length = strcasestr(one->answer, "\r\ncontent-length:");
    return !length || length > body || one->answer_count - (body + 4 - one->answer) >= atoi(length + 17);
}

/* Asks anew at once, until the end has come. */
static void hear(struct connection *one, int goes_on) {
    ssize_t n = recv(one->descriptor, one->answer + one->answer_count, (size_t)(ANSWER_BYTES - one->answer_count), 0);
    if (n <= 0) fail("recv");
    one->answer_count += (int)n;
    one->answer[one->answer_count] = 0;
    if (!is_whole(one)) return;
    long long micros = (now() - one->sent) / 1000;
    latencies[micros < LATENCIES ? micros : LATENCIES - 1]++;
    requests++;
    bytes += one->answer_count;
    int is_good = strncmp(one->answer, "HTTP/1.1 200", 12) == 0 && strcasestr(one->answer, "\r\ncontent-length:");
    if (!is_good) bad++;
    if (goes_on) ask(one);
}

static void read_records(const char *path) {
    FILE *file = fopen(path, "r");
    int length;
    if (!file) fail(path);
    while (fscanf(file, "%d", &length) == 1 && fgetc(file) == '\n') {
        connections = realloc(connections, sizeof *connections * (size_t)(count + 1));
        char *request = malloc((size_t)length);
        if (!connections || !request || fread(request, 1, (size_t)length, file) != (size_t)length) fail(path);
        connections[count++] = (struct connection){.request = request, .request_count = length};
    }
    fclose(file);
}

int main(int words, char **arguments) {
    if (words != 4) return 64;
    port = atoi(arguments[1]);
    read_records(arguments[3]);
    poller = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < count; i++) open_one(&connections[i]);
    long long began = now(), end = began + atoll(arguments[2]) * 1000000000LL;
    for (int i = 0; i < count; i++) ask(&connections[i]);
    while (now() < end) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(poller, events, EVENTS, 100);
        for (int i = 0; i < ready; i++) hear(&connections[events[i].data.u32], now() < end);
    }
    printf("RESULT {\"requests\":%lld,\"microseconds\":%lld,\"bytes\":%lld,\"bad\":%lld}\n", requests,
           (now() - began) / 1000, bytes, bad);
    printf("LATENCIES");
    for (int i = 0; i < LATENCIES; i++)
        if (latencies[i]) printf(" %d:%u", i, latencies[i]);
    printf("\n");
}
