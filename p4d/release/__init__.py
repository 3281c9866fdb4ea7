"""The release: the frozen set of questions that students are trained on and tested with.

- `stage.py` is the stage `release`; read it first. `selection.py` decides which clips and questions
  are in, `duplicates.py` groups near-duplicate videos, `manifest.py` records identity and counts.
- `balance.py` measures what a text-only reader could exploit; `card.py` writes the dataset card.

How questions are made is in `p4d/questions`, reviewers' verdicts are in `p4d/review`, and the split
of a video is in `p4d/splits.py`.
"""
