"""Facts of clips with exact truth: poses of objects and camera, sizes and names.

`reader.py` reads the truth of a shard, `scene_facts.py` calls the modules beside it, which each
measure one subject: an instant, an object's motion, its trajectory, its speed, its rotation, two
objects, all objects, the camera, or what holds of the whole clip. A family of facts is one function
over the arrays of several clips. Read `scene_facts.py` first, then `../blocks.py`.
"""
