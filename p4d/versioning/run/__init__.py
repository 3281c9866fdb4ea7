"""Running a stage: prepare, compute, publish, recover, check.

Read `run_stage.py`, then `publish.py`. `stage_run.py` holds everything about one run;
`exchange.py`, `journal.py` and `recovery.py` make publishing survive a kill; `lock_recorder.py`
knows whether DVC runs this process; `remake.py` makes a recorded version again, for proofs. What
the stages compute is elsewhere in `p4d`.
"""
