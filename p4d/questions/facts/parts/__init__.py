"""Facts of clips whose truth came in parts (p4d/truth): what is there is measured, and no more.

- `places.py` finds where the marked regions are: by the poses of objects, or by depth under masks.
- `limits.py` lists the kinds of facts that need what a truth may lack: up, times, turns, sizes.
- `reader.py` reads the truth of a shard and calls the modules of `../exact` on what is known.

What truth lacks, `../image_facts.py` measures from labels. Read `reader.py` first.
"""
