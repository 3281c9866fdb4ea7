"""Storage of versions beyond this checkout: sending them to remotes, and garbage collection.

The cache itself is in `dvc/cache.py`; comparing stored bytes with the ledger is in
`p4d/audit/proof`.
"""
