"""Versions of artifacts: files, DVC's formats, the ledger, freshness, publishing. See README.md."""
