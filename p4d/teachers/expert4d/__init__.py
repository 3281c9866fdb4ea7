"""Expert4D: a small 4D perception network, trained on simulated worlds with exact truth.

Read `network.py` first: sizes, latents, heads. `local_flow.py` computes its input features of
motion. `training_worlds.py` (stage `expert_worlds`) renders the worlds, `train.py` (stage `expert`)
trains, freezes and measures. `teacher.py` labels clips with it; `camera_fit.py` fits cameras to the
rays that it predicts. `embedded/` has the trained weights that the project ships.
"""
