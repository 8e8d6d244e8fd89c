#define _GNU_SOURCE
#include "include/ce_net.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int ce_is_own_address(const uint8_t *address, int count) {
    struct ifaddrs *list = NULL;
    if (getifaddrs(&list) < 0) return -errno;
    int found = 0;
    for (struct ifaddrs *entry = list; entry && !found; entry = entry->ifa_next) {
        if (entry->ifa_addr == NULL) continue;
        if (count == 4 && entry->ifa_addr->sa_family == AF_INET)
            found = memcmp(&((struct sockaddr_in *)entry->ifa_addr)->sin_addr, address, 4) == 0;
        if (count == 16 && entry->ifa_addr->sa_family == AF_INET6)
            found = memcmp(&((struct sockaddr_in6 *)entry->ifa_addr)->sin6_addr, address, 16) == 0;
    }
    freeifaddrs(list);
    return found;
}

static void keep_alive(int fd) {
    static const int options[][3] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},    {SOL_SOCKET, SO_KEEPALIVE, 1},   {IPPROTO_TCP, TCP_KEEPIDLE, 60},
        {IPPROTO_TCP, TCP_KEEPINTVL, 15}, {IPPROTO_TCP, TCP_KEEPCNT, 4},
    };
    for (unsigned i = 0; i < sizeof options / sizeof *options; i++)
        (void)setsockopt(fd, options[i][0], options[i][1], &options[i][2], sizeof(int));
}

int ce_connect_begin(const uint8_t *address, int count, int port) {
    struct sockaddr_storage storage;
    socklen_t length;
    if (port < 1 || port > 65535) return -EINVAL;
    memset(&storage, 0, sizeof storage);
    if (count == 4) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)&storage;
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        memcpy(&v4->sin_addr, address, 4);
        length = sizeof *v4;
    } else if (count == 16) {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&storage;
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        memcpy(&v6->sin6_addr, address, 16);
        length = sizeof *v6;
    } else {
        return -EINVAL;
    }
    int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    keep_alive(fd);
    if (connect(fd, (struct sockaddr *)&storage, length) < 0 && errno != EINPROGRESS) {
        int error = errno;
        close(fd);
        return -error;
    }
    return fd;
}
