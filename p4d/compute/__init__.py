"""Where stages run: this process, worker processes of this machine, or Ray. Knows no stage.

Two questions are kept apart. `Engine` (`engine.py`) answers how many artifacts are made at once,
and by which processes. `Compute` (`stage_call.py`) answers where the function of one stage runs,
once its inputs are known. What prepares, publishes and checks is `p4d/versioning`. Neither answer
changes a fingerprint. README.md has the map.
"""
