"""The ledger: an append-only, hash-chained record of versions, checks and decisions.

Read `ledger.py` first. It says what happened; what is current is in dvc.lock (`state/`). What
explains and proves records to people is in `p4d/audit`.
"""
