"""Versions: hashes, fingerprints, publishing, the ledger and the audit. The one user of DVC."""
