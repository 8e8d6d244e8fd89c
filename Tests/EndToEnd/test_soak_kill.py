"""Sudden deaths of the gateway at random moments leave nothing after its next start. `make soak-kill` is the long
form."""

import os
import random

from soak_kill import Soak

CYCLES = 15


def test_nothing_is_left_after_sudden_deaths(scratch):
    seed = int(os.environ.get("MCP_GATEWAY_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"seed {seed}: MCP_GATEWAY_SEED={seed} makes the same choices again")
    # Leases of users are those of the machine's other gateways too: the long form tells them apart.
    soak = Soak(scratch / "soak-kill", seed, seconds=0.6, owns_locks=False)
    for _ in range(CYCLES):
        soak.cycle()
    assert soak.counts["created"] > 0
    soak.end()
