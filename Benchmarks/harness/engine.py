"""Runs a scenario: interleaved rounds, with a check of the answers before and after.

Each round measures every target once at each point, so that a change of the machine hits all of them. A target whose
answers are wrong before or after is not reported."""

import subprocess

from .places import Unavailable
from .scenario import Outcome


class Engine:
    """`only` names the targets to measure; empty: all."""

    def __init__(self, progress, only=()):
        self.progress, self.only = progress, only
        self.running = []

    def run(self, scenario):
        outcome = Outcome(scenario)
        try:
            found, outcome.skipped = scenario.targets()
            outcome.targets = [target for target in found if not self.only or target.name in self.only]
            self.plan(scenario, outcome)
            if scenario.is_fresh:
                self.run_fresh(scenario, outcome)
            else:
                self.run_together(scenario, outcome)
        except Unavailable as reason:
            outcome.skipped.append(f"{reason}.")
            outcome.targets = []
        finally:
            self.stop_all(outcome)
            scenario.close()
        outcome.skipped += scenario.notes
        measured = {one["target"] for one in outcome.runs}
        outcome.targets = [target for target in outcome.targets if target.name in measured]
        return outcome

    def plan(self, scenario, outcome):
        self.done = 0
        self.total = len(scenario.points()) * sum(scenario.rounds(target) for target in outcome.targets)

    def run_together(self, scenario, outcome):
        for target in list(outcome.targets):
            if self.begin(scenario, outcome, target):
                scenario.prepare(target)
        for number in range(max((scenario.rounds(target) for target in outcome.targets), default=0)):
            for point in scenario.points():
                for target in list(outcome.targets):
                    if number < scenario.rounds(target):
                        self.measure(scenario, outcome, target, point, number)
        for target in list(outcome.targets):
            scenario.finish(target)
            self.check_after(scenario, outcome, target)

    def run_fresh(self, scenario, outcome):
        for number in range(max((scenario.rounds(target) for target in outcome.targets), default=0)):
            for point in scenario.points():
                for target in list(outcome.targets):
                    if number >= scenario.rounds(target) or not scenario.measures(target, point):
                        continue
                    if not self.begin(scenario, outcome, target):
                        continue
                    scenario.prepare(target)
                    self.measure(scenario, outcome, target, point, number)
                    if target in outcome.targets:
                        scenario.finish(target)
                        self.check_after(scenario, outcome, target)
                        self.stop(target)

    def begin(self, scenario, outcome, target):
        """Starts a target and checks it; false when it is not to be measured."""
        self.progress.step(scenario.name, self.done, self.total, f"starting {target.name}")
        self.running.append(target)
        try:
            target.begin()
            wrong = scenario.check(target)
        except Unavailable as reason:
            outcome.skipped.append(f"{target.name}: {reason}.")
            self.drop(outcome, target)
            return False
        except (RuntimeError, OSError) as error:
            outcome.wrong.append(f"{target.name} does not start: {error}")
            self.drop(outcome, target)
            return False
        if wrong:
            outcome.wrong.append(f"{target.name} answers wrongly: {wrong[0]} ({len(wrong)} in all)")
            self.drop(outcome, target)
        return not wrong

    def measure(self, scenario, outcome, target, point, number):
        """One run; a target that cannot be measured is dropped."""
        if not scenario.measures(target, point):
            return
        self.progress.step(scenario.name, self.done, self.total, f"round {number + 1}, {target.name} {point}".strip())
        try:
            figures = scenario.measure(target, point)
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            outcome.wrong.append(f"{target.name} cannot be measured: {error}")
            self.drop(outcome, target)
            return
        outcome.runs.append(
            {"scenario": scenario.name, "target": target.name, "point": str(point), "round": number, **figures})  # fmt: skip
        self.done += 1

    def check_after(self, scenario, outcome, target):
        bad = sum(one.get("bad", 0) for one in outcome.runs if one["target"] == target.name)
        wrong = scenario.check(target) or ([f"{bad} failed requests"] if bad else [])
        if wrong:
            outcome.wrong.append(f"{target.name} answered wrongly under load: {wrong[0]}")
            self.drop(outcome, target)

    def drop(self, outcome, target):
        if target in outcome.targets:
            outcome.targets.remove(target)
        outcome.runs = [one for one in outcome.runs if one["target"] != target.name]
        self.stop(target)

    def stop(self, target):
        if target in self.running:
            self.running.remove(target)
            if target.process:
                target.stop()

    def stop_all(self, outcome):
        for target in list(self.running):
            try:
                self.stop(target)
            except (RuntimeError, OSError) as error:
                outcome.wrong.append(f"{target.name} does not stop: {error}")
