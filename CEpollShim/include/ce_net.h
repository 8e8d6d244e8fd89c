/// Names, and connections to others.
#ifndef CE_NET_H
#define CE_NET_H

#include <stdint.h>

/// An IP address in network byte order; `count` is 4 or 16.
struct ce_address {
    uint8_t bytes[16];
    int count;
};

/// The addresses of a name, in the order in which to try them (RFC 6724), by the system's resolver: blocks, for as
/// long as that does. Returns how many were stored, at most `capacity`, or an error of getaddrinfo(3), which is
/// negative.
int ce_resolve(const char *host, struct ce_address *out, int capacity);

/// What such an error means.
const char *ce_resolve_reason(int error);

/// Whether the address is one of this machine's own interfaces: what is reached there is behind every firewall.
/// 1 or 0; -errno when the interfaces cannot be read.
int ce_is_own_address(const uint8_t *address, int count);

/// Begins a non-blocking TCP connection with TCP_NODELAY and keep-alive: a peer that is gone without a word is
/// noticed after two minutes. Returns a descriptor, which becomes writable or fails.
int ce_connect_begin(const uint8_t *address, int count, int port);

#endif
