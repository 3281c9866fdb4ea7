"""`p4d export labels`: the teachers' labels of a release, for those who distil elsewhere.

`export.py` writes the folder; `readme.py` says in it what each array is.
"""
