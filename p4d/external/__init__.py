"""Other people's questions: conversations from `external/NAME/`, checked and made our own.

`files.py` reads the rows of JSON, JSON lines and Parquet files, `forms.py` turns one record into a
conversation or says why not, `sat.py` and `vsti.py` do so for two published sets, `media.py` checks
a video or a picture, `stage.py` is the stage `external`. `resemblance.py` compares media with the
clips of a release, `mixture.py` is the stage `mixture`: which rows students train on, and which are
held out as the general set. `rows.py` reads both artifacts. docs/external_questions.md is the
guide. Does not belong here: tokens and batches (`p4d/students/data`), scores (`p4d/evaluation`).
"""
