"""The exact geometry of clips, and how certain a measurement on it is.

`geometry.py` has the scene of one clip, `stack.py` scenes of several clips as arrays,
`trajectories.py` the paths of their objects between two frames, `turns.py` their accumulated
rotations, `margins.py` sigmas and signed margins. No facts are made here. In the names of arrays
`c` counts clips, `k` objects and `t` frames.
"""
