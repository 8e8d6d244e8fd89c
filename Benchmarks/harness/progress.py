"""Where a long run is, on standard error: one line that changes on a terminal, a new one now and then elsewhere."""

import sys
import time

QUIET_SECONDS = 15


class Progress:
    def __init__(self, names):
        self.names = names
        self.began = self.last = time.monotonic()
        self.is_terminal = sys.stderr.isatty()
        self.width = 0

    def step(self, scenario, done, total, what):
        now = time.monotonic()
        if not self.is_terminal and now - self.last < QUIET_SECONDS:
            return
        self.last = now
        elapsed = int(now - self.began)
        number = self.names.index(scenario) + 1
        text = f"{elapsed // 60}:{elapsed % 60:02d}  {number}/{len(self.names)} {scenario}, {done}/{total}: {what}"
        if self.is_terminal:
            sys.stderr.write("\r" + text.ljust(self.width))
            self.width = len(text)
        else:
            sys.stderr.write(text + "\n")
        sys.stderr.flush()

    def clear(self):
        if self.is_terminal and self.width:
            sys.stderr.write("\r" + " " * self.width + "\r")
            sys.stderr.flush()
            self.width = 0
