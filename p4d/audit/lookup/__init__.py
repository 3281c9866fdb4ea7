"""From an id to what it names, and to everything behind it.

`lookup.py` reads the ledger, dvc.lock and the files of versions; `resolve.py` finds what an id
names, with `id_index.py`; `why.py` builds the lineage as a tree (`tree.py`); `restore.py` copies a
version out of the cache; `environment.py` lists the packages it was made with. Whether bytes are
intact is checked in `p4d/audit/proof`.
"""
