"""The look `atelier`: toys of stone, wood, metal and lacquer on a floor, ray-traced by POV-Ray.

`stage.py` draws its scenes, which are its own: no shape, texture, motion or camera is shared with
another look. `povray.py` writes them in POV-Ray's language and calls the program, which is no
Python package: Debian has it as `povray` and `povray-includes` (3.7.0.10 here).
"""
