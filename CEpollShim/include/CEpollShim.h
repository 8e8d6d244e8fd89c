/// The kernel and the C libraries as Swift can call them. No policy: every function returns a value or -errno.
#ifndef CEPOLLSHIM_H
#define CEPOLLSHIM_H

#include "ce_crypto.h"
#include "ce_file.h"
#include "ce_http2.h"
#include "ce_net.h"
#include "ce_network.h"
#include "ce_poll.h"
#include "ce_scan.h"
#include "ce_seccomp.h"
#include "ce_spawn.h"
#include "ce_tls.h"
#include "ce_workspace.h"

#endif
