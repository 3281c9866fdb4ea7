"""R4D-World-Time: the part of R4D-World whose answers need the seconds, frozen by its own digests.

Worlds that look as in R4D-World, from other seeds, are each shown at several times: videos of equal
pictures (p4d/worlds/retimed.py), of 1 to 8 s, with pauses, bursts and changing rates. Questions
come in groups of equal pictures, words and options; each option is right once, so a model that
ignores the times is right in exactly one of four. `make.py` is the recipe, `videos.py` writes the
videos, `texts.py` card and datasheet. Layout, reader and comparison are those of R4D-World.
"""
