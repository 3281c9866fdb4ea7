"""How often promotions are false, and how often they miss a better student, by simulation.

`simulation.py` draws challengers of one champion on one held-out set and applies the bound and the
error rates of the gate (`p4d.evaluation.scoring.cluster_t`, `p4d.evaluation.arms.error_spending`).
`python -m benchmarks.promotion` writes benchmarks/results/promotion.json; it takes a minute of one
core.
"""
