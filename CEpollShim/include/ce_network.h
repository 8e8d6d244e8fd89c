/// Network namespaces of sandboxes. Both calls need CAP_SYS_ADMIN and take about a millisecond.
#ifndef CE_NETWORK_H
#define CE_NETWORK_H

/// Makes a network namespace in which nothing but the loopback interface is. It lives as long as the returned
/// descriptor (close-on-exec), a process or a socket in it. Returns the descriptor or -errno.
int ce_network_make(void);

/// A non-blocking TCP listener in that namespace, as ce_listen_tcp makes it. Returns its descriptor or -errno.
int ce_network_listen(int network, const char *address, int port, int backlog);

#endif
