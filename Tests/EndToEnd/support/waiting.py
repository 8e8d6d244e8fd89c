"""Waiting for things to become true, with a deadline that fails with what was awaited."""

import time


def wait_until(condition, seconds, what):
    """Polls `condition` until it returns something true, which is returned; fails after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end:
            raise AssertionError(f"not within {seconds:g} s: {what} (last seen: {value!r})")
        time.sleep(0.01)
