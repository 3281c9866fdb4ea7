"""The embedded expert: trained once on 1,600 worlds, for 1,500 steps (about 25 CPU minutes).

`expert.checkpoint: embedded` copies it; with an empty value the stage trains an expert on
`expert.worlds` worlds for `expert.steps` steps instead. `card.json` has its errors on held-out
worlds. To reproduce it: worlds 1600, holdout_worlds 64, steps 1500, threads 1, checkpoint empty.
"""

from __future__ import annotations

from pathlib import Path

EMBEDDED = "embedded"
"""The value of `expert.checkpoint` that means this expert."""

FOLDER = Path(__file__).parent
"""Weights, config, curve, statistics of latents and card, as the stage writes them."""

WEIGHTS_SHA256 = "76db1b91512dd8f2a294c358f1c138016bb7b68cb4be70976ce68254fd6f57e9"
"""Checked on use. It is in the code, so that other weights change the code version of the stage."""
