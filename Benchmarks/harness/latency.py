"""Latencies as an HdrHistogram, in microseconds with three significant digits."""

from hdrh.histogram import HdrHistogram

HIGHEST = 3600 * 1_000_000
DIGITS = 3
SHOWN = {"p50_us": 50, "p90_us": 90, "p99_us": 99, "p999_us": 99.9}
# The points of a curve: each halves what is left above it.
CURVE = [0.0] + [100 - 50 / 2**step for step in range(14)]


class Latencies:
    def __init__(self, pairs=()):
        self.histogram = HdrHistogram(1, HIGHEST, DIGITS)
        for microseconds, count in pairs:
            self.add(microseconds, count)

    def add(self, microseconds, count=1):
        self.histogram.record_value(min(max(int(microseconds), 1), HIGHEST), count)

    def figures(self):
        """Percentiles, and the histogram itself in HdrHistogram's own encoding."""
        figures = {name: self.histogram.get_value_at_percentile(at) for name, at in SHOWN.items()}
        figures["max_us"] = self.histogram.get_max_value()
        figures["histogram"] = self.histogram.encode().decode()
        return figures


def merged(encoded):
    """One histogram out of several encoded ones; None when there is none."""
    total = None
    for text in encoded:
        one = HdrHistogram.decode(text)
        if total is None:
            total = HdrHistogram(1, HIGHEST, DIGITS)
        total.add(one)
    return total


def curve(histogram):
    """Percentile and microseconds, as far as the number of values carries."""
    total = histogram.get_total_count()
    points = [at for at in CURVE if at == 0 or total * (100 - at) / 100 >= 1]
    return [(at, histogram.get_value_at_percentile(at)) for at in points]
