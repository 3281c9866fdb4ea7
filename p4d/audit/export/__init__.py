"""Writes recorded runs and releases in standard formats: OpenLineage and Croissant.

Both are written from their specifications, without the official libraries; the tests compare them.
"""
