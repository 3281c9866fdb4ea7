"""Whether questions stay true on looks that nothing was fitted on.

    python -m benchmarks.reality.looks --look bullet --show    # while developing, one look
    python -m benchmarks.reality.looks                         # all looks, and reality.json
    python -m benchmarks.reality.looks --held-out              # those that the gates read, likewise
    python -m benchmarks.reality.looks.calibrate --work DIR    # factors of sigmas, from the others

A look is a renderer with its own textures, layouts, motions, lenses, rates and codecs. `bullet`
(TinyRenderer of PyBullet) is the look for development: rules and sigmas may be chosen on it.
`vtk` (rasterizer of VTK) and `collage` (photographs, cut out and moved; its scenes are its own) are
held out as whole looks: nothing is chosen on them, and they are opened for figures alone. `mitsuba`
(path tracer), `panda` (a game engine in its forest; its scenes are its own) and `atelier` (toys
before POV-Ray, a ray tracer; its scenes are its own) were held out once; rules were chosen after
their figures, so they are for development today. `nursery` (toys of several parts, three.js in a
browser; its scenes are its own) was written before the rules were final that it was first run with,
and failed, so it is for development since. `yard` (a yard before Babylon.js; its scenes are its
own) was written before the rules were final that it was first run with. None of them is MuJoCo,
which renders the worlds that train the expert.

- `scenes.py`, `motions.py`, `shapes.py`: what is filmed; `tiny.py`, `raster.py`, `tracer.py`: the
  renderers; `collage.py`, `forest.py` and `panda.py`, `atelier/`, `nursery/`, `yard/`: scenes and
  renderers of `collage`, `panda`, `atelier`, `nursery`, `yard`; `browser.py`: what renders in a
  browser; `film.py`: blur, noise, rates, codecs, and the truth that stays aside.
- `truth.py` reads the truth of a clip, `judge.py` compares facts and questions with it, by
  `rules.py`, `picture_rules.py`, `world_rules.py` and `course_rules.py`.
- `measure.py` runs landing to questions, and sums up. The extra `looks` brings the renderers but
  POV-Ray (`apt install povray povray-includes`), and three.js and Babylon.js in Chromium (`apt
  install chromium`, `npm install three@0.187.0 babylonjs@9.31.0` in the checkout), which are no
  Python packages.
"""
