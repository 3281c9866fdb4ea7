"""A clip in 3D: `p4d view CLIP` writes what is known of it as a Rerun recording.

`contents.py` reads a clip and everything made of it from the artifacts, `recording.py` writes the
recording, `viewer.py` opens or serves it. Only the last two need the extra `view` (rerun-sdk). A
recording is for looking: no stage reads one, and none is versioned.
"""
