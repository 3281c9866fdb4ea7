"""Videos: from files in the inbox to clips of sampled frames.

In the order of the flow: `inbox.py` scans the drop folder, `landing.py` closes shards of new files,
`ingest.py` (stage `videos`) copies and fully decodes them, `clips.py` (stage `clips`) cuts them on
a time grid. `decode.py` is the strict decoder that all of them use, `probe.py` its quick version,
`per_video.py` isolates crashes of the decoder, `appearance.py` has exact measures of pictures.
`sources.py` fetches and damages videos for the demonstration; `still.py` reads single pictures.

Rendering worlds is in p4d/worlds; names of sidecars are in p4d/sidecars.py.
"""
