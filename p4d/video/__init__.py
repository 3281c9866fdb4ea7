"""Videos: from files in the inbox to clips of sampled frames.

In the order of the flow: `inbox.py` scans the drop folder, `landing.py` closes shards of new files
with the rows of `landed_rows.py`; `ingest.py` (stage `videos`) copies the files and reads each of
them once (`one_pass.py`): times, shots (`shots.py`), and the pictures on the grid of its clips
(`sampling.py`); `clips.py` (stage `clips`) makes the clips that `clip_plans.py` plans. Reading
files that anybody may have made is in `decoding/`. `appearance.py` has exact measures of pictures,
`sources.py` fetches and damages videos for the demonstration, `still.py` reads single pictures.

Rendering worlds is in p4d/worlds; names of sidecars are in p4d/sidecars.py.
"""
