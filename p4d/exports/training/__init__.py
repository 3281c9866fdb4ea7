"""`p4d export training`: questions, clips and pictures for any trainer, in one folder.

`export.py` writes the folder; read it first. `contents.py` decides what is in it, `media.py` makes
clips and marked pictures from source frames, `rows.py` the rows of questions, `formats.py` the same
rows as each trainer reads them, `card.py` the card, `description.py` the Croissant, `shards.py` tar
archives. `reading.py` reads rows back.
"""
