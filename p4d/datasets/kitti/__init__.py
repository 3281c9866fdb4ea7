"""The KITTI family: one car, several archives.

`calibration.py`, `oxts.py`, `maps.py`, `times.py` and `mots.py` read one kind of file each and know
no folders. `mount.py` and `sparse.py` join them to poses and depth of frames. One reader an
archive: `raw.py`, `odometry.py`, `tracking.py` (MOTS), `flow2015.py`. Everything is paired by
number.
"""
