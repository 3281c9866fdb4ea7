"""Datasets of masks: what moves where in the picture, and nothing of depth or cameras.

`rle.py` and `indexed.py` read the two forms of a mask, run lengths and pictures of ids; `tracks.py`
draws the objects of a frame. One reader a layout: `davis.py`, `youtube_vis.py`, `sav.py`,
`videorefer.py`. A mask that cannot be used costs its object in its frame.
"""
