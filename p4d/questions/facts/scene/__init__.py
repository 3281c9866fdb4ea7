"""The exact geometry of a clip, and how certain a measurement on it is.

`geometry.py` has the scene, `trajectory.py` one object's path between two frames, `turns.py` its
accumulated rotation, `margins.py` sigmas and signed margins. No facts are made here.
"""
