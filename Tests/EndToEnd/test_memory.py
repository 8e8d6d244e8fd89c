"""What is over is freed."""

from support.gateway import echo

CYCLES = 300
# Less than a quarter of what a sandbox with one small server takes, for each.
ROOM = CYCLES * 1200


def anonymous(gateway):
    status = open(f"/proc/{gateway.pid}/status").read()
    return int(status.split("RssAnon:")[1].split()[0]) * 1024


def test_sandboxes_that_were_killed_take_no_memory(own_gateway):
    gateway = own_gateway(flags=["--workers", "1"])

    def cycle():
        with gateway.create({"e": echo()}) as sandbox:
            assert sandbox.text("e_echo", {"text": "x"}) == "x"

    # Tables and the allocator's stock grow to their size first.
    for _ in range(CYCLES):
        cycle()
    before = anonymous(gateway)
    for _ in range(CYCLES):
        cycle()
    assert anonymous(gateway) - before < ROOM
