"""Regions: the objects of a clip that questions refer to as `<obj_1>`, `<obj_2>`, ...

- `stage.py` is the stage `regions`. `sources.py` finds candidates: in exact truth, by a detector
  and a tracker (`checkpoint.py`), or in the expert's motion map (`motion.py`).
- `tracks.py` defines a candidate; `selection.py` keeps some of them and assigns the marks.
- `marks.py` draws the marks on a frame. `flow/` measures what moves in videos without truth.

What is measured of regions is in `p4d/questions/facts`. Read `stage.py` first.
"""
