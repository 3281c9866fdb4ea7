"""ScanNet: indoor scans with depth, poses and instances, as exported folders or `.sens` streams.

`sens.py` reads the streams, `scene_text.py` the text files, `reader.py` makes captures of either.
Depth and colour are two cameras (p4d/datasets/registration.py).
"""
