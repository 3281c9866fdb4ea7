"""The ledger: what was made, from what, at what cost, and which checks ran on it.

- `record.py`: the form of one record, and its digest;
- `ledger.py`: appends records to the hash chain of `data/ledger/ledger.jsonl`, and verifies it;
- `index.py`: the records in memory, by artifact and version, with lineage in both directions;
- `environment.py`: the packages of each environment, kept under their digest;
- `code_lists.py`: the files of code behind a version, kept under the hash of all of them;
- `anchor.py`: commits the ledger and all that it names to the branch `p4d-ledger`;
- `continuity.py`: proves that the ledger continues everything that was anchored of it;
- `problem.py`: a fault that a comparison with the ledger found.

Knows artifacts, versions and checks, and nothing of what they contain. Read `ledger.py` first.
"""
