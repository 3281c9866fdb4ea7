"""From replies to scores.

Reading order: `predictions.py` makes one row per item with a score by each scoring method, from
what `p4d.evaluation.reading` reads; `statistics.py` gives means with cluster bootstrap intervals
and paired gains; `cluster_t.py` gives the t-intervals that promotions are decided by;
`benchmark_metrics.py` makes `metrics.json`; `chance.py` tests whether a control
without video is at chance. Comparisons of arms, promotion and pages do not belong here; they stand
above.
"""
