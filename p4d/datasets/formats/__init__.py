"""Readers that need one file: a format with several has a package of its own beside this one.

See README.md one level up for the protocol of a reader.
"""
