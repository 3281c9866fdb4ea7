"""Facts: quantities measured of each clip, with unit, sigma, interval and frame of reference.

- `stage.py` is the stage `facts`; `table.py` defines a fact and reads and writes `facts.parquet`.
- `exact/` measures clips with exact truth, by means of the geometry in `scene/`. It measures all
  clips of a shard at once: `blocks.py` has facts as columns, `facts_table.py` makes their table.
- `parts/` measures clips whose truth came in parts, by the same modules.
- `image_facts.py` measures real clips in the image, from the expert's labels.
- `picture_facts.py`, `mark_facts.py` and `intervals.py` are shared by both.
- `picture_counts.py` counts over the facts of a clip without truth.
- `vocabulary.py` holds the words of facts and options; `sentences.py` turns a fact into a sentence.

Nothing here knows which questions are asked: that is `p4d/questions/asking`. Read `table.py` first,
then the table of kinds in p4d/questions/README.md.
"""
