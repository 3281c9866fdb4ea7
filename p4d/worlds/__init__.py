"""Simulated 4D worlds with exact truth: videos whose depth, flow, motion and poses are known.

A seed gives a specification, and a specification gives pictures with truth:

    spec = spec_for(7)                                             # sampling.py
    video = render(spec, times_ns=[0, 250_000_000], size_px=64)    # renderer.py
    video.rgb_thw3, video.truth.resample([0, 1], 64)               # truth.py

Read `spec.py` first. `motion.py` has poses in closed form, `meshes.py` and `textures.py` the
appearance, `gl.py` the choice of an OpenGL backend. `corpus.py` writes videos with sidecars for the
inbox, `clip_shards.py` clips without a codec for studies, `retimed.py` worlds whose pictures are
shown at several times. `sidecar.py` is the format of the truth sidecar, which other datasets can
also write. Nothing here reads videos: that is p4d/video.
"""
