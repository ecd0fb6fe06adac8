"""How often a comparison calls two equal modes different, on sparse scores as evaluations give them.

    python benchmarks/false_alarms.py

Two modes answer like each other on most questions; on the others their scores differ by chance. Each rule should raise an
alarm in at most 5% of such comparisons. Bar: the permutation p does, within the error of the simulation.
"""

from __future__ import annotations

import sys

import numpy as np

from doyen.core.statistics import paired_difference

RUNS = 2000
SAMPLES = 999
CASES = {(n, share): "one in ten" if share == 0.1 else "three in ten" for n in (30, 40, 100, 400) for share in (0.1, 0.3)}


def main() -> int:
    """Print the share of alarms by rule and case; return 1 when the permutation raises too many."""
    limit = 0.05 + 2.6 * (0.05 * 0.95 / RUNS) ** 0.5
    worst = 0.0
    print(f"{'n':>4}  {'questions that differ':<22} {'BCa leaves out 0':>17} {'p < 0.05':>9} {'both':>6}")
    for (n, share), said in CASES.items():
        interval, p, both = alarms(n, share)
        worst = max(worst, p)
        print(f"{n:>4}  {said:<22} {interval:>17.3f} {p:>9.3f} {both:>6.3f}", flush=True)
    print(f"the permutation's worst case is {worst:.3f} (bar {limit:.3f})")
    return int(worst > limit)


def alarms(n: int, share: float) -> tuple[float, float, float]:
    """Return the shares of alarms: by the interval, by p, by both."""
    rng = np.random.default_rng(17)
    found = np.zeros((RUNS, 2), dtype=bool)
    for run in range(RUNS):
        differs = rng.random(n) < share
        differences = np.where(differs, rng.choice([-1.0, 1.0], n) * rng.beta(1.2, 1.2, n), 0.0)
        result = paired_difference(differences, np.zeros(n), samples=SAMPLES, seed=run % 4)
        outside = result.low is not None and result.high is not None and (result.low > 0 or result.high < 0)
        found[run] = outside, result.p is not None and result.p < 0.05
    return float(found[:, 0].mean()), float(found[:, 1].mean()), float(found.all(axis=1).mean())


if __name__ == "__main__":
    sys.exit(main())
