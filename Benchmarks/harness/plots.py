"""Plots as SVG: bars with their range, and curves of percentiles."""

import math
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT, ROW, TOP = 860, 210, 90, 20, 46
# Of gateways and of anchors, told apart by hue and by lightness.
OURS = ("#1b6ca8", "#4b93c9", "#85b9e0", "#b5d5ee")
OTHERS = ("#c4622d", "#d98f4e", "#7d6b5d", "#a39382", "#5e7d4f", "#98b183")
FONT = 'font-family="sans-serif" font-size="12"'


def text(x, y, what, anchor="start", weight="normal", fill="#222"):
    style = f'text-anchor="{anchor}" font-weight="{weight}" fill="{fill}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(str(what))}</text>'


def line(x1, y1, x2, y2, stroke="#ccc", width=1):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}" stroke-width="{width}"/>'


def number(value):
    """Three significant digits, thousands with separators."""
    if value == 0 or not math.isfinite(value):
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"


class Scale:
    """Logarithmic from a power of ten to another, or linear from zero when something is zero."""

    def __init__(self, values, low, high):
        positive = [value for value in values if value > 0]
        self.low, self.high = low, high
        self.is_logarithmic = len(positive) == len(values) and bool(values)
        if self.is_logarithmic:
            self.first = math.floor(math.log10(min(positive)))
            self.last = max(math.ceil(math.log10(max(positive))), self.first + 1)
        else:
            self.most = max(positive, default=1)

    def __call__(self, value):
        if not self.is_logarithmic:
            share = value / self.most
        else:
            share = (math.log10(value) - self.first) / (self.last - self.first)
        return self.low + share * (self.high - self.low)

    def ticks(self):
        if self.is_logarithmic:
            return [10.0**power for power in range(self.first, self.last + 1)]
        return [float(f"{self.most * part / 4:.3g}") for part in range(5)]


def document(height, parts):
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        f'{FONT}><rect width="100%" height="100%" fill="white"/>' + "".join(parts) + "</svg>\n"
    )


def colours(names, ours):
    """A colour for each name."""
    found, own, other = {}, 0, 0
    for name in names:
        if name in ours:
            found[name], own = OURS[own % len(OURS)], own + 1
        else:
            found[name], other = OTHERS[other % len(OTHERS)], other + 1
    return found


def bars(title, axis, groups, ours):
    """`groups` is a list of (heading, rows), a row being (name, median, least, most)."""
    rows = [row for _, members in groups for row in members]
    scale = Scale([value for _, *values in rows for value in values], LEFT, WIDTH - RIGHT)
    shades = colours(dict.fromkeys(row[0] for row in rows), ours)
    height = TOP + sum(ROW * len(members) + (26 if heading else 8) for heading, members in groups) + 30
    parts = [text(12, 20, title, weight="bold"), text(12, 37, axis, fill="#666")]
    parts += [line(scale(tick), TOP, scale(tick), height - 26, "#e4e4e4") for tick in scale.ticks()]
    parts += [text(scale(tick), height - 10, f"{tick:,g}", "middle", fill="#666") for tick in scale.ticks()]
    y = TOP
    for heading, members in groups:
        if heading:
            parts.append(text(12, y + 17, heading, weight="bold"))
        y += 26 if heading else 8
        for name, median, least, most in members:
            middle, end = y + ROW / 2, scale(median)
            parts.append(text(LEFT - 8, middle + 4, name, "end"))
            parts.append(f'<rect x="{LEFT}" y="{y + 3}" width="{max(end - LEFT, 1):.1f}" height="{ROW - 6}" '
                         f'fill="{shades[name]}"/>')  # fmt: skip
            parts.append(line(scale(least), middle, scale(most), middle, "#222", 1.5))
            parts.append(text(max(end, scale(most)) + 6, middle + 4, number(median)))
            y += ROW
    return document(height, parts)


def curves(title, series, ours):
    """`series` maps a name to points (percentile, microseconds); the percentiles' axis widens towards 100."""
    height, top, bottom = 380, TOP, 340
    values = [value for points in series.values() for _, value in points]
    scale = Scale([max(value, 1) for value in values], bottom, top)
    last = max((at for points in series.values() for at, _ in points), default=99)

    def across(at):
        widest = math.log10(100 / (100 - last)) if last > 0 else 1
        return LEFT - 120 + math.log10(100 / (100 - at)) / widest * (WIDTH - LEFT - 100)

    shades = colours(series, ours)
    parts = [text(12, 20, title, weight="bold"), text(12, 37, "latency in µs by percentile, all rounds", fill="#666")]
    for tick in scale.ticks():
        parts += [line(across(0), scale(tick), across(last), scale(tick), "#e4e4e4"),
                  text(across(0) - 6, scale(tick) + 4, f"{tick:,g}", "end", fill="#666")]  # fmt: skip
    for at in (0, 50, 90, 99, 99.9, 99.99):
        if at <= last:
            parts.append(text(across(at), bottom + 18, f"{at:g} %", "middle", fill="#666"))
    for index, (name, points) in enumerate(series.items()):
        path = " ".join(f"{across(at):.1f},{scale(max(value, 1)):.1f}" for at, value in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{shades[name]}" stroke-width="2"/>')
        parts += [line(WIDTH - 178, 60 + index * 18, WIDTH - 158, 60 + index * 18, shades[name], 3),
                  text(WIDTH - 152, 64 + index * 18, name)]  # fmt: skip
    return document(height, parts)
