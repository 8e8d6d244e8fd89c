#define _GNU_SOURCE
#include "ce_file.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/// A numeric address as a sockaddr. Returns its length, -EINVAL when it is none.
static int parse_address(const char *text, int port, struct sockaddr_storage *out) {
    if (port < 0 || port > 65535) return -EINVAL;
    memset(out, 0, sizeof *out);
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        return sizeof *v4;
    }
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        return sizeof *v6;
    }
    return -EINVAL;
}

static int set_option(int fd, int level, int name, int value) {
    return setsockopt(fd, level, name, &value, sizeof value) == 0 ? 0 : -errno;
}

int ce_listen_tcp(const char *address, int port, int backlog, int reuse_port) {
    struct sockaddr_storage storage;
    int length = parse_address(address, port, &storage);
    if (length < 0) return length;
    int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    int result = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (result == 0 && reuse_port) result = set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (result == 0 && storage.ss_family == AF_INET6) result = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (result == 0 && bind(fd, (struct sockaddr *)&storage, (socklen_t)length) < 0) result = -errno;
    if (result == 0 && listen(fd, backlog) < 0) result = -errno;
    if (result < 0) close(fd);
    return result < 0 ? result : fd;
}

int ce_local_port(int fd) {
    struct sockaddr_storage storage;
    socklen_t length = sizeof storage;
    if (getsockname(fd, (struct sockaddr *)&storage, &length) < 0) return -errno;
    if (storage.ss_family == AF_INET) return ntohs(((struct sockaddr_in *)&storage)->sin_port);
    if (storage.ss_family == AF_INET6) return ntohs(((struct sockaddr_in6 *)&storage)->sin6_port);
    return -EAFNOSUPPORT;
}

int ce_connect_tcp(const char *address, int port) {
    struct sockaddr_storage storage;
    int length = parse_address(address, port, &storage);
    if (length < 0) return length;
    int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    if (connect(fd, (struct sockaddr *)&storage, (socklen_t)length) < 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    return fd;
}

int ce_socketpair(int ends[2]) {
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0 ? 0 : -errno;
}

int ce_set_send_buffer(int fd, int bytes) { return set_option(fd, SOL_SOCKET, SO_SNDBUF, bytes); }

int ce_set_reset_on_close(int fd) {
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    return setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0 ? 0 : -errno;
}

int ce_shutdown_write(int fd) { return shutdown(fd, SHUT_WR) == 0 ? 0 : -errno; }
