"""Medians, spreads, and ratios that are refused when they would say nothing."""

import statistics
from dataclasses import dataclass

# Greatest through least sample of one program. Beyond it the rounds were not the same experiment.
WIDEST_SPREAD = 1.5
# Fewer samples have no spread.
FEWEST_SAMPLES = 2


def median(values):
    return statistics.median(values)


def spread(values):
    """Greatest through least; infinite where the least is nothing."""
    return max(values) / min(values) if min(values) > 0 else float("inf")


@dataclass(frozen=True)
class Ratio:
    """One program's samples through another's: of the medians, and between which bounds the samples leave it."""

    value: float
    low: float
    high: float
    refusal: str | None

    def __str__(self):
        if self.refusal:
            return self.refusal
        if self.low <= 1 <= self.high:
            return f"about 1 ({self.low:.2f} to {self.high:.2f})"
        return f"{plain(self.value)} x ({plain(self.low)} to {plain(self.high)})"


def ratio(ours, theirs):
    """Refused without two samples each, and where either spreads more widely than WIDEST_SPREAD."""
    if min(len(ours), len(theirs)) < FEWEST_SAMPLES:
        return Ratio(0, 0, 0, "too few rounds")
    if min(*ours, *theirs) <= 0:
        return Ratio(0, 0, 0, "too little to measure")
    widest = max(spread(ours), spread(theirs))
    if widest > WIDEST_SPREAD:
        return Ratio(0, 0, 0, f"spread too wide ({widest:.2f})")
    return Ratio(median(ours) / median(theirs), min(ours) / max(theirs), max(ours) / min(theirs), None)


def plain(value):
    """Three digits that count."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3f}"
