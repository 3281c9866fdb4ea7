"""The TUM RGB-D layout, which SLAM tools write, and the Bonn dataset in the same layout.

`lists.py` reads the lists of files and poses, `cameras.py` knows the cameras that no folder states,
`reader.py` joins all of it by time.
"""
