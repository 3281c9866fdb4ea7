"""Regions of source `flow`: things that move by themselves, found without any network.

`paths.py` follows points through the pictures of a clip, `background.py` finds how the background
moves, `things.py` groups the points that leave it and gives each group a mask.
"""
