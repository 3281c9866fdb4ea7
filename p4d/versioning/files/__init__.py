"""Files and their identities: keys, hashes, code closure, locks, git. Knows no dvc.lock, no ledger.

Read `artifact_key.py` and `hashes.py` first. Everything above names artifacts by `ArtifactKey` and
content by the hashes made here. What belongs to one of DVC's files goes to `dvc/`.
"""
