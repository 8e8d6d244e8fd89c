/* Holds many connections open: event streams, or connections that idle after one exchange.
 *
 *     streams PORT FILE
 *
 * FILE has one record a connection: a line `FIRST SECOND`, two byte counts, and that many bytes. FIRST is a request
 * whose whole answer is awaited; SECOND, in which @SESSION@ stands for the answer's Mcp-Session-Id, is one whose
 * head is awaited. Either may be empty. When all are open it prints `OPEN good bad milliseconds` and obeys lines:
 *
 *     mark            forget the events seen so far; answers MARKED
 *     await N MS      wait until N streams had an event since; answers with their times of arrival, in nanoseconds
 *                     of CLOCK_MONOTONIC, on one line
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 512, OPENING_MAX = 64, ANSWER_BYTES = 65536, OPEN_SECONDS = 120 };
enum state { UNUSED, FIRST, SECOND, OPEN, CLOSED };

struct stream {
    enum state state;
    int descriptor, first_count, second_count;
    char *request;
    char *answer;
    int answer_count;
    long long arrived;
};

static struct stream *streams;
static int stream_count, poller, port, good, bad, opening;

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void close_stream(struct stream *stream) {
    if (stream->state == FIRST || stream->state == SECOND) {
        opening--;
        bad++;
        if (bad <= 3) fprintf(stderr, "refused: %.300s\n", stream->answer ? stream->answer : "no answer");
    }
    stream->state = CLOSED;
    close(stream->descriptor);
}

static void send_all(struct stream *stream, const char *bytes, int count) {
    for (int sent = 0; sent < count;) {
        ssize_t n = send(stream->descriptor, bytes + sent, (size_t)(count - sent), MSG_NOSIGNAL);
        if (n <= 0) return;
        sent += (int)n;
    }
}

/* Also frees what was needed to open the stream, so that thousands of them are cheap here too. */
static void opened(struct stream *stream) {
    stream->state = OPEN;
    free(stream->answer);
    free(stream->request);
    stream->answer = stream->request = NULL;
    opening--;
    good++;
}

static void send_second(struct stream *stream) {
    static char request[ANSWER_BYTES];
    const char *second = stream->request + stream->first_count;
    const char *place = memmem(second, (size_t)stream->second_count, "@SESSION@", 9);
    char *session = stream->answer ? strcasestr(stream->answer, "\r\nmcp-session-id: ") : NULL;
    int session_count = session ? (int)strcspn(session += 18, "\r") : 0;
    int before = place ? (int)(place - second) : stream->second_count;
    int after = place ? stream->second_count - before - 9 : 0;
    if (before + session_count + after >= (int)sizeof request) return close_stream(stream);
    memcpy(request, second, (size_t)before);
    if (session_count) memcpy(request + before, session, (size_t)session_count);
    if (after) memcpy(request + before + session_count, second + before + 9, (size_t)after);
    stream->answer_count = 0;
    stream->state = SECOND;
    send_all(stream, request, before + session_count + after);
}

static void open_next(struct stream *stream) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons((unsigned short)port);
    stream->descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (stream->descriptor < 0) fail("socket");
    opening++;
    stream->state = FIRST;
    stream->answer = calloc(1, ANSWER_BYTES + 1);
    if (!stream->answer) fail("calloc");
    if (connect(stream->descriptor, (struct sockaddr *)&address, sizeof address)) return close_stream(stream);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (unsigned)(stream - streams) + 1};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, stream->descriptor, &event)) fail("epoll_ctl");
    if (stream->first_count) send_all(stream, stream->request, stream->first_count);
    else send_second(stream);
}

static int is_whole(const char *answer, int count) {
    const char *body = strstr(answer, "\r\n\r\n");
    if (!body) return 0;
    body += 4;
    const char *length = strcasestr(answer, "\r\ncontent-length:");
    if (length && length < body) return count - (body - answer) >= atoi(length + 17);
    return count >= 5 && memcmp(answer + count - 5, "0\r\n\r\n", 5) == 0;
}

static void read_stream(struct stream *stream) {
    static char bytes[ANSWER_BYTES + 1];
    ssize_t n = recv(stream->descriptor, bytes, ANSWER_BYTES, 0);
    if (n < 0 && errno == EINTR) return;
    if (n <= 0) return close_stream(stream);
    if (stream->state == OPEN) {
        bytes[n] = 0;
        if (!stream->arrived && strstr(bytes, "data:")) stream->arrived = now();
        return;
    }
    if (stream->answer_count + n > ANSWER_BYTES) return close_stream(stream);
    memcpy(stream->answer + stream->answer_count, bytes, (size_t)n);
    stream->answer_count += (int)n;
    stream->answer[stream->answer_count] = 0;
    int is_good = strncmp(stream->answer, "HTTP/1.1 200", 12) == 0;
    if (stream->state == FIRST && is_whole(stream->answer, stream->answer_count)) {
        if (!is_good) close_stream(stream);
        else if (stream->second_count) send_second(stream);
        else opened(stream);
    } else if (stream->state == SECOND && strstr(stream->answer, "\r\n\r\n")) {
        if (is_good) opened(stream);
        else close_stream(stream);
    }
}

/* Returns non-zero when a command waits on standard input. */
static int turn(int timeout) {
    struct epoll_event events[EVENTS];
    int is_asked = 0, count = epoll_wait(poller, events, EVENTS, timeout);
    for (int i = 0; i < count; i++) {
        if (events[i].data.u32 == 0) is_asked = 1;
        else read_stream(&streams[events[i].data.u32 - 1]);
    }
    return is_asked;
}

static void read_records(const char *path) {
    FILE *file = fopen(path, "r");
    int first, second, room = 0;
    if (!file) fail(path);
    while (fscanf(file, "%d %d", &first, &second) == 2 && fgetc(file) == '\n') {
        if (stream_count == room) streams = realloc(streams, sizeof *streams * (size_t)(room = room ? room * 2 : 1024));
        if (!streams) fail("realloc");
        struct stream *stream = &streams[stream_count++];
        *stream = (struct stream){.descriptor = -1, .first_count = first, .second_count = second};
        stream->request = malloc((size_t)(first + second) + 1);
        if (!stream->request || fread(stream->request, 1, (size_t)(first + second), file) != (size_t)(first + second))
            fail(path);
    }
    fclose(file);
}

static void await(int wanted, int milliseconds) {
    long long end = now() + milliseconds * 1000000LL;
    int count = 0;
    for (;;) {
        count = 0;
        for (int i = 0; i < stream_count; i++) count += streams[i].arrived != 0;
        if (count >= wanted || now() > end) break;
        turn(20);
    }
    printf("ARRIVED");
    for (int i = 0; i < stream_count; i++)
        if (streams[i].arrived) printf(" %lld", streams[i].arrived);
    printf("\n");
}

int main(int count, char **arguments) {
    if (count != 3) return 64;
    port = atoi(arguments[1]);
    read_records(arguments[2]);
    poller = epoll_create1(EPOLL_CLOEXEC);
    long long began = now(), end = began + OPEN_SECONDS * 1000000000LL;
    for (int next = 0; good + bad < stream_count && now() < end;) {
        while (next < stream_count && opening < OPENING_MAX) open_next(&streams[next++]);
        turn(100);
    }
    printf("OPEN %d %d %lld\n", good, stream_count - good, (now() - began) / 1000000);
    fflush(stdout);
    struct epoll_event event = {.events = EPOLLIN};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, 0, &event)) fail("standard input");
    char line[64];
    for (;;) {
        if (!turn(-1)) continue;
        /* One command at a time: its answer is read before the next is sent. */
        if (!fgets(line, sizeof line, stdin)) return 0;
        int wanted, milliseconds;
        if (strncmp(line, "mark", 4) == 0) {
            for (int i = 0; i < stream_count; i++) streams[i].arrived = 0;
            printf("MARKED\n");
        } else if (sscanf(line, "await %d %d", &wanted, &milliseconds) == 2) {
            await(wanted, milliseconds);
        }
        fflush(stdout);
    }
}
