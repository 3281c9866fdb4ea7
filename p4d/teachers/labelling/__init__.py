"""Labelling: runs teachers over the clips of a shard and stores their labels.

Read `label.py` first (stage `labels`); `behind.py` stores and measures while the next clips are
labelled. `store.py` is the file format, with a reader and a writer;
`sources.py` records which teacher counts for which modality; `statistics.py` measures what was
stored. What a label is, and when it is valid, is defined in p4d/teachers/protocol.py. Readers for
training are in p4d/students/data.
"""
