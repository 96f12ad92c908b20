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

warnings.filterwarnings("ignore", category=RuntimeWarning)  # scipy's nct at the ends of the bracket
random = np.random.default_rng(2018)


def mean_of(mean, error, freedom):
    return {"mean": mean, "error": error, "freedom": freedom}


def tests():
    for mean, error, freedom in [(2, 1, 10), (-0.4, 0.9, 2), (3.1, 0.5, 3.37), (0.2, 1, 120.5), (30, 1, 8)]:
        t = stats.t(freedom)
        critical = t.ppf(0.975)
        ends = lambda shift: stats.nct.sf(critical, freedom, shift) - 0.8
        yield {
            **mean_of(mean, error, freedom),
            "interval": [mean - critical * error, mean + critical * error],
            "p": 2 * t.sf(abs(mean) / error),
            "equivalence": max(t.sf((mean + 2) / error), t.cdf((mean - 2) / error)),
            "detectable": error * optimize.brentq(ends, 0.1, 50),
        }


def parts():
    for share, few, many, p in [(0.9, 2, 249, 0.05), (0.5, 4, 39, 0.003), (0.07, 9, 9, 0.2)]:
        square = share * stats.t.ppf(1 - p / 2, few) ** 2 + (1 - share) * stats.t.ppf(1 - p / 2, many) ** 2
        yield {"share": share, "freedoms": [few, many], "t": float(np.sqrt(square)), "p": p}


def crossed():
    for seeds, clusters, of_seed, of_cluster, rest in [(3, 40, 1, 0.2, 1), (5, 12, 0.2, 2, 1), (4, 30, 0, 0, 1), (2, 3, 1, 1, 0.1)]:
        scores = 1 + of_seed * random.normal(size=(seeds, 1)) + of_cluster * random.normal(size=(1, clusters)) \
            + rest * random.normal(size=(seeds, clusters))
        frame = pd.DataFrame([(s, g, scores[s, g]) for s in range(seeds) for g in range(clusters)], columns=["s", "g", "y"])
        found = anova_lm(ols("y ~ C(s) + C(g)", frame).fit())
        square, freedom = found["mean_sq"], found["df"]
        total = square["C(s)"] + square["C(g)"] - square["Residual"]
        larger = max(square["C(s)"], square["C(g)"])
        if total > larger:
            df = total**2 / sum(square[name] ** 2 / freedom[name] for name in square.index)
        else:
            df = freedom["C(s)" if square["C(s)"] > square["C(g)"] else "C(g)"]
        yield {
            "scores": scores.round(6).tolist(),
            "mean": scores.mean(),
            "error": float(np.sqrt(max(total, larger) / (seeds * clusters))),
            "freedom": float(min(df, 6 * (seeds - 1))),
        }


raw = [[0.01, 0.04, 0.03], [0.2, 1e-5, 0.013, 0.013, 0.9, 0.049], [0.5]]
made = {
    "versions": {"scipy": scipy.__version__, "statsmodels": statsmodels.__version__},
    "tests": list(tests()),
    "parts": list(parts()),
    "crossed": list(crossed()),
    "holm": [{"raw": p, "corrected": multipletests(p, method="holm")[1].tolist()} for p in raw],
    "clopperPearson": [
        {"cases": k, "of": n, "interval": list(stats.binomtest(k, n).proportion_ci(method="exact"))}
        for k, n in [(0, 5), (2, 10), (5, 5), (7, 9), (300, 2000)]
    ],
}
path = Path(__file__).parent.parent / "fixtures" / "statistics.json"
path.write_text(json.dumps(made, indent=1) + "\n")
