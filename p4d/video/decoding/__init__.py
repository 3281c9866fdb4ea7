"""Reading video files that anybody may have made, without trusting them.

`container.py` opens a file, chooses its video stream and turns FFmpeg's messages into one reason;
`picture.py` makes upright RGB of a frame; `decode.py` is the strict decoder, `probe.py` its quick
version; `budget.py` has what one file may cost; `per_video.py` runs many files in processes of
their own, so that an exception, a crash or a hang is the row of the file that caused it.

What is done with the frames (shards, clips, shots) is in the package above.
"""
