"""Writes ../fixtures/statistics.json: what SciPy and statsmodels say of the numbers that lib/study computes.

    apt-get install python3-scipy python3-statsmodels
    /usr/bin/python3 tests/reference/statistics.py
"""

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import scipy
import statsmodels
from scipy import optimize, stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

warnings.filterwarnings("ignore", category=RuntimeWarning)  # scipy's nct at the ends of the bracket
random = np.random.default_rng(2018)


def mean_of(mean, error, freedom):
    return {"mean": mean, "error": error, "freedom": freedom}


def tests():
    for mean, error, freedom in [(2, 1, 10), (-0.4, 0.9, 2), (3.1, 0.5, 3.37), (0.2, 1, 120.5), (30, 1, 8)]:
        t = stats.t(freedom)
        critical = t.ppf(0.975)
        ends = lambda shift, critical=critical: stats.nct.sf(critical, freedom, shift) - 0.8
        of_twenty = lambda shift: ends(shift, t.ppf(1 - 0.025 / 20))
        yield {
            **mean_of(mean, error, freedom),
            "interval": [mean - critical * error, mean + critical * error],
            "p": 2 * t.sf(abs(mean) / error),
            "equivalence": max(t.sf((mean + 2) / error), t.cdf((mean - 2) / error)),
            "detectable": error * optimize.brentq(ends, 0.1, 50),
            "detectableOfTwenty": error * optimize.brentq(of_twenty, 0.1, 90),
        }


def samples():
    """Student's interval, p-value and equivalence of a sample, as statsmodels computes them of the values."""
    for count, mean, margin in [(4, 0.4, 1), (9, 1.5, 2), (30, 0.1, 0.5)]:
        values = random.normal(mean, 1, count).round(6)
        found = DescrStatsW(values)
        yield {
            **mean_of(values.mean(), values.std(ddof=1) / np.sqrt(count), count - 1),
            "margin": margin,
            "interval": list(found.tconfint_mean()),
            "p": found.ttest_mean(0)[1],
            "equivalence": found.ttost_mean(-margin, margin)[0],
        }


def welch():
    """Two groups of equal number: their parts have equal quantiles, and Satterthwaite's degrees of freedom are Welch's."""
    for count, ratio in [(3, 4), (6, 1), (12, 0.2)]:
        a, b = random.normal(1, 1, count).round(6), random.normal(0, ratio, count).round(6)
        squares = [a.var(ddof=1) / count, b.var(ddof=1) / count]
        yield {
            "mean": a.mean() - b.mean(),
            "error": np.sqrt(sum(squares)),
            "freedom": [{"share": square / sum(squares), "freedom": count - 1} for square in squares],
            "interval": list(CompareMeans(DescrStatsW(a), DescrStatsW(b)).tconfint_diff(usevar="unequal")),
            "p": stats.ttest_ind(a, b, equal_var=False).pvalue,
        }


def critical(parts, probability):
    """Student's quantile with Satterthwaite's degrees of freedom of the parts, times the squares of their own quantiles."""
    squares = [share * stats.t.isf(probability, freedom) ** 2 for share, freedom in parts]
    freedom = sum(squares) ** 2 / sum(square**2 / freedom for square, (_, freedom) in zip(squares, parts))
    return stats.t.isf(probability, max(freedom, min(freedom for _, freedom in parts)))


def crossed():
    for seeds, clusters, of_seed, of_cluster, rest in [
        (3, 40, 1, 0.2, 1), (5, 12, 0.2, 2, 1), (3, 50, 0.5, 2, 1), (4, 30, 0, 0, 1), (4, 3, 1, 1, 0.1), (2, 3, 1, 1, 0.1)
    ]:
        scores = 1 + of_seed * random.normal(size=(seeds, 1)) + of_cluster * random.normal(size=(1, clusters)) \
            + rest * random.normal(size=(seeds, clusters))
        scores = scores.round(6)
        frame = pd.DataFrame([(s, g, scores[s, g]) for s in range(seeds) for g in range(clusters)], columns=["s", "g", "y"])
        found = anova_lm(ols("y ~ C(s) + C(g)", frame).fit())
        square, freedom = found["mean_sq"], found["df"]
        total = square["C(s)"] + square["C(g)"] - square["Residual"]
        fewer = "C(s)" if seeds <= clusters else "C(g)"
        parts = [(1, freedom[fewer])] if total <= square[fewer] else [
            (sign * square[name] / total, freedom[name]) for name, sign in [("C(s)", 1), ("C(g)", 1), ("Residual", -1)]
        ]
        mean, error = scores.mean(), np.sqrt(max(total, square[fewer]) / (seeds * clusters))
        reach = critical(parts, 0.025) * error
        far = optimize.brentq(lambda log: critical(parts, np.exp(log)) - mean / error, np.log(1e-11), np.log(0.49))
        yield {
            "scores": scores.tolist(),
            "mean": mean,
            "error": error,
            "interval": [mean - reach, mean + reach],
            "p": 2 * np.exp(far),
        }


raw = [[0.01, 0.04, 0.03], [0.2, 1e-5, 0.013, 0.013, 0.9, 0.049], [0.5]]
made = {
    "versions": {"scipy": scipy.__version__, "statsmodels": statsmodels.__version__},
    "tests": list(tests()),
    "samples": list(samples()),
    "welch": list(welch()),
    "crossed": list(crossed()),
    "holm": [{"raw": p, "corrected": multipletests(p, method="holm")[1].tolist()} for p in raw],
    "clopperPearson": [
        {"cases": k, "of": n, "interval": list(stats.binomtest(k, n).proportion_ci(method="exact"))}
        for k, n in [(0, 5), (2, 10), (5, 5), (7, 9), (300, 2000)]
    ],
}
path = Path(__file__).parent.parent / "fixtures" / "statistics.json"
path.write_text(json.dumps(made, indent=2) + "\n")
