#include "CBuildInfo.h"

const char *cb_commit(void) { return MCP_GATEWAY_COMMIT; }
