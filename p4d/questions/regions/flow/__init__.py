"""Regions of source `flow`: things that move by themselves, found without any network.

`paths.py` follows points through the pictures of a clip and `background.py` finds how the
background moves. `blobs.py` outlines what differs from the background behind it, `surfaces.py` what
flows otherwise, as far as `borne_out.py` finds that the pictures change there; `stirring.py` finds
the parts of the picture in which something moves at all, where the camera rests, and `light.py`
where it is but the light that changes. `clip_motion.py` puts them together, `paths_file.py` stores
what was measured.
"""
