/// Names, and connections to others.
#ifndef CE_NET_H
#define CE_NET_H

#include <stdint.h>

/// An IP address in network byte order; `count` is 4 or 16.
struct ce_address {
    uint8_t bytes[16];
    int count;
};

/// A resolver of names: c-ares, with the system's hosts(5) and resolv.conf(5) as they are when it is opened. Of one
/// thread; no name waits for another.
struct ce_resolver;

enum {
    /// Addresses of one name that are told of.
    CE_ADDRESSES_MAX = 8,
};

/// What a name leads to, in the order in which to try it (RFC 6724); `status` is 0, or an error of c-ares.
typedef void (*ce_resolved)(void *question, int status, const struct ce_address *addresses, int count);

/// `servers` are those of resolv.conf(5) when NULL, else `address:port`, with commas. Each is asked `tries` times, for
/// `timeout_ms` and longer each time. Returns 0, or the negative error of c-ares.
int ce_resolver_open(const char *servers, int timeout_ms, int tries, ce_resolved done, struct ce_resolver **out);

/// `done` is called once for each question, perhaps at once.
void ce_resolver_ask(struct ce_resolver *resolver, const char *host, void *question);

/// Questions that have no answer yet.
int ce_resolver_waiting(const struct ce_resolver *resolver);

/// Waits for something to happen, at most so long, and deals with it. Returns 1 when `wakeup` is readable, else 0;
/// -errno when it cannot wait.
int ce_resolver_turn(struct ce_resolver *resolver, int wakeup, int timeout_ms);

/// Questions without an answer get an error.
void ce_resolver_close(struct ce_resolver *resolver);

/// What an error of c-ares means.
const char *ce_resolver_reason(int status);

/// Whether the address is one of this machine's own interfaces: what is reached there is behind every firewall.
/// 1 or 0; -errno when the interfaces cannot be read.
int ce_is_own_address(const uint8_t *address, int count);

/// Begins a non-blocking TCP connection with TCP_NODELAY and keep-alive: a peer that is gone without a word is
/// noticed after two minutes. Returns a descriptor, which becomes writable or fails.
int ce_connect_begin(const uint8_t *address, int count, int port);

#endif
