"""What the runs say: a table for the terminal, Markdown with plots, and every run as JSON."""

import json
import statistics

from . import latency, plots

RATIO = "gateway ÷ this"


class Summary:
    """One scenario's runs, by target and point."""

    def __init__(self, outcome):
        self.outcome, self.scenario = outcome, outcome.scenario
        self.notes = {target.name: target.note for target in outcome.targets}
        self.beside = {target.name: target.beside for target in outcome.targets}
        self.names = list(self.notes)
        self.ours = {name for name in self.names if name.startswith("gateway")}
        seen = dict.fromkeys(one["point"] for one in outcome.runs)
        self.points = [str(point) for point in self.scenario.points() if str(point) in seen]

    def runs(self, name, point):
        return [one for one in self.outcome.runs if one["target"] == name and one["point"] == point]

    def values(self, name, point, key):
        """Median, least and most of a figure over the rounds; None when there is none."""
        values = [one[key] for one in self.runs(name, point) if one.get(key) is not None]
        return (statistics.median(values), min(values), max(values)) if values else None

    def ratio(self, name, point):
        """The gateway's figure by this target's, paired within each round; None when they cannot be compared."""
        other, key = self.beside[name], self.scenario.primary
        if not other or not key:
            return None
        theirs = {one["round"]: one[key] for one in self.runs(name, point) if one.get(key) is not None}
        ours = {one["round"]: one[key] for one in self.runs(other, point) if one.get(key) is not None}
        pairs = [ours[at] / theirs[at] for at in ours if at in theirs and theirs[at] > 0]
        return (statistics.median(pairs), min(pairs), max(pairs)) if pairs else None

    def row(self, name, point, brief=False):
        """The cells of a line; `brief` leaves out ranges but that of the figure that is compared."""
        cells = []
        for column in self.scenario.columns:
            found = self.values(name, point, column.key)
            if found and brief and column.key != self.scenario.primary:
                found = found[:1] * 3
            cells.append(shown(found, column.digits, column.scale) if found else "–")
        if self.scenario.primary:
            found = self.ratio(name, point)
            digits = 2 if found and found[0] >= 0.1 else 4
            cells.append(f"{shown(found, digits)} ({self.beside[name]})" if found else "–")
        return cells

    def headings(self):
        return [column.heading for column in self.scenario.columns] + [RATIO] * bool(self.scenario.primary)

    def figures(self):
        """For the JSON: medians and ratios."""
        found = {}
        for point in self.points:
            for name in self.names:
                figures = {}
                for column in self.scenario.columns:
                    if values := self.values(name, point, column.key):
                        figures[column.key] = values[0]
                if ratio := self.ratio(name, point):
                    figures["ratio"], figures["beside"] = ratio[0], self.beside[name]
                if self.runs(name, point):
                    found[f"{name}@{point}" if point else name] = figures
        return found

    def bars(self):
        groups = []
        for point in self.points:
            rows = [(name, *found) for name in self.names if (found := self.values(name, point, self.scenario.primary))]
            groups.append((self.point_title(point), rows))
        return plots.bars(self.scenario.title, self.scenario.primary_title, groups, self.ours) if groups else ""

    def curves(self):
        """A plot for each point: HdrHistograms of all rounds together."""
        found = {}
        for point in self.points:
            series = {}
            for name in self.names:
                encoded = [one["histogram"] for one in self.runs(name, point) if one.get("histogram")]
                if encoded:
                    series[name] = latency.curve(latency.merged(encoded))
            if series:
                title = f"{self.scenario.title} {self.point_title(point)}".strip()
                found[point] = plots.curves(title, series, self.ours)
        return found

    def point_title(self, point):
        unit = self.scenario.point_unit
        return f"{point} {unit.removesuffix('s') if point == '1' else unit}".strip() if point else ""


def shown(values, digits, scale=1):
    """A median with its range; without it when there is none to speak of."""
    median, least, most = (f"{value * scale:,.{digits}f}" for value in values)
    return median if least == most else f"{median} [{least}..{most}]"


def terminal(outcome):
    """The scenario as aligned text."""
    summary = Summary(outcome)
    lines = ["", f"== {outcome.scenario.title}"]
    if outcome.runs:
        rows = [["", *summary.headings()]]
        for point in summary.points:
            title = summary.point_title(point)
            for name in summary.names:
                if summary.runs(name, point):
                    rows.append([f"{title}, {name}" if title else name, *summary.row(name, point, brief=True)])
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        for row in rows:
            cells = [cell.rjust(width) if at else cell.ljust(width)
                     for at, (cell, width) in enumerate(zip(row, widths, strict=True))]  # fmt: skip
            lines.append("  ".join(cells).rstrip())
    lines += [f"   wrong: {sentence}" for sentence in outcome.wrong]
    lines += [f"   not measured: {sentence}" for sentence in outcome.skipped]
    return "\n".join(lines)


def markdown(outcomes, machine, options, folder):
    """Writes report.md and its plots."""
    parts = ["# Benchmarks\n", heading(machine, options), disturbance(outcomes)]
    for outcome in outcomes:
        summary, scenario = Summary(outcome), outcome.scenario
        parts.append(f"\n## {scenario.title}\n\n{scenario.about}\n")
        for name in summary.names:
            parts.append(f"- `{name}`: {summary.notes[name]}")
        for point in summary.points:
            parts.append(table(summary, point))
        parts += [f"- **Wrong answers, not reported:** {sentence}" for sentence in outcome.wrong]
        parts += [f"- Not measured: {sentence}" for sentence in outcome.skipped]
        parts.append(figures(summary, folder))
        parts.append(functions(outcome))
    (folder / "report.md").write_text("\n".join(part for part in parts if part) + "\n")


def heading(machine, options):
    versions = "; ".join(machine["versions"].values())
    return (
        f"Measured {machine['at']} at commit `{machine['commit'] or 'unknown'}` on {machine['processor']}, "
        f"{machine['cores']} cores, {machine['memory_bytes'] / 2**30:.0f} GiB, Linux {machine['kernel']}, "
        f"{machine['system']}. {versions}.\n\n"
        f"{options.rounds} interleaved rounds of {options.seconds} s: each round measures every target once at each "
        "point. Cells are medians with the least and the most; ratios are paired within a round, then their median; "
        "below 1 the gateway costs less. What is measured, with its MCP servers, runs on core "
        f"{machine['target_core']}; the load, and what is behind a proxy, on core {machine['load_core']}."
    )


def disturbance(outcomes):
    foreign = [one["foreign"] for outcome in outcomes for one in outcome.runs if "foreign" in one]
    if not foreign:
        return ""
    median = statistics.median(foreign)
    return (f"\nMeanwhile other programs on this machine used {median:.2f} cores in the median, at most "
            f"{max(foreign):.2f}; what they disturb most is latency above the median.")  # fmt: skip


def table(summary, point):
    rows = [["", *summary.headings()], ["---"] + ["---:"] * len(summary.headings())]
    rows += [[name, *summary.row(name, point)] for name in summary.names if summary.runs(name, point)]
    title = f"\n**{summary.point_title(point)}**\n\n" if point else "\n"
    return title + "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def figures(summary, folder):
    """Writes a scenario's plots; the lines that show them."""
    found = {}
    if summary.scenario.primary and summary.points:
        found[summary.scenario.name] = summary.bars()
    for index, (_, svg) in enumerate(summary.curves().items()):
        found[f"{summary.scenario.name}-latency-{index + 1}"] = svg
    for name, svg in found.items():
        (folder / f"{name}.svg").write_text(svg)
    return "\n".join(f"\n![{name}]({name}.svg)" for name in found)


def functions(outcome):
    """The most expensive functions, where a run has them."""
    parts = []
    for one in outcome.runs:
        if one.get("functions"):
            parts.append(f"\n`{one['target']}`, share of its instructions:\n")
            parts += [f"- {item['share']:.1%} `{item['name']}`" for item in one["functions"]]
            if one.get("areas"):
                shares = (f"{name} {share:.0%}" for name, share in one["areas"].items())
                parts.append(f"\nBy what they do: {', '.join(shares)}.")
    return "\n".join(parts)


def record(outcomes, machine, options, file):
    """Every run as JSON."""
    summaries = {outcome.scenario.name: Summary(outcome).figures() for outcome in outcomes}
    notes = {outcome.scenario.name: {"skipped": outcome.skipped, "wrong": outcome.wrong} for outcome in outcomes}
    settings = {name: value for name, value in vars(options).items() if isinstance(value, (int, str, bool, list))}
    runs = [one for outcome in outcomes for one in outcome.runs]
    whole = {"machine": machine, "options": settings, "summary": summaries, "notes": notes, "runs": runs}
    file.write_text(json.dumps(whole, indent=1) + "\n")
