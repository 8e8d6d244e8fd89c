"""What a scenario is: targets, the points they are measured at, and what is measured."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Column:
    """A figure of a run as the reports show it."""

    key: str
    heading: str
    digits: int = 1
    scale: float = 1


@dataclass
class Outcome:
    """Everything that a scenario brought."""

    scenario: "Scenario"
    targets: list = field(default_factory=list)
    runs: list = field(default_factory=list)
    # Sentences: what could not be measured and why.
    skipped: list = field(default_factory=list)
    # Targets that answered wrongly and are not reported.
    wrong: list = field(default_factory=list)


class Scenario:
    name = ""
    title = ""
    # What is measured and how to read it, for the report.
    about = ""
    columns = ()
    # The figure that targets are compared by; smaller is better.
    primary = ""
    primary_title = ""
    # What a point is a number of, for headings.
    point_unit = ""
    # True: a target is started anew for each run and alone.
    is_fresh = False
    # Of `options.rounds`, at the most; and where time is short.
    rounds_max, rounds_quick = 1000, 2

    def __init__(self, options):
        self.options = options
        # Sentences for the report, found while measuring.
        self.notes = []

    def targets(self):
        """Targets, and sentences on what is missing."""
        raise NotImplementedError

    def points(self):
        return [""]

    def measures(self, target, point):
        """False where a target cannot be measured at a point."""
        return True

    def prepare(self, target):
        """After the start and the first check of a target: warms it up."""

    def check(self, target):
        return target.check()

    def measure(self, target, point):
        """The figures of one run."""
        raise NotImplementedError

    def finish(self, target):
        """Before the last check of a target."""

    def close(self):
        """Ends what the scenario itself has started."""

    def rounds(self, target):
        count = min(self.options.rounds, self.rounds_max)
        if not self.options.quick:
            return count
        return 1 if target.is_slow else min(count, self.rounds_quick)
