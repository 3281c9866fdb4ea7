"""MPI Sintel: rendered film with exact forward flow, depth and cameras, of scenes that bend.

`files.py` reads its binary files, `reader.py` makes captures of both passes. Two passes of a
sequence are one recording.
"""
