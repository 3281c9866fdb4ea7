"""Proofs that recorded versions are what the ledger says.

`verify.py` re-hashes everything, with `hash_journal.py`, and `listings.py` checks the lists of the
project; `repair.py` restores altered cache objects; `replay.py` makes a version again and compares
it by `content_diff.py`; `bundle.py` writes an archive that `bundle_verifier.py` proves elsewhere.
The verifier imports nothing of p4d. `signing.py` signs ledger head, release and students.
"""
