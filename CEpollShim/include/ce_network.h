/// Network namespaces of sandboxes. Both calls need CAP_SYS_ADMIN and take about a millisecond.
#ifndef CE_NETWORK_H
#define CE_NETWORK_H

/// Makes a network namespace in which nothing but the loopback interface is. It lives as long as the returned
/// descriptor (close-on-exec), a process or a socket in it. Returns the descriptor or -errno.
int ce_network_make(void);

/// A listener that is wanted in a namespace.
struct ce_inside {
    /// Numeric.
    const char *address;
    int port;
    /// Not 0: the loopback interface is given the address first, so that it is one of the namespace's own.
    int adds_address;
    /// Set by ce_network_listen: the descriptor or -errno.
    int result;
};

/// Non-blocking TCP listeners in that namespace, as ce_listen_tcp makes them. Returns 0, or -errno when the
/// namespace could not be entered: none was made then.
int ce_network_listen(int network, struct ce_inside *wanted, int count, int backlog);

#endif
