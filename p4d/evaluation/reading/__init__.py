"""Reads answers from generated text: one reader for every benchmark and every arm.

Reading order: `wording.py` removes the reasoning and the markup and unifies Unicode; `choices.py`
finds the last stated option; `statements.py` holds the phrases that state one; `numbers.py` reads a
number with its unit. A text that states nothing, states two answers, or was cut inside its
reasoning gives None. None is better than a wrong reading: unread text is counted and shown.

The parsers of the published evaluations are in `p4d.evaluation.benchmarks`; they stay as they were
published, faults included.
"""
