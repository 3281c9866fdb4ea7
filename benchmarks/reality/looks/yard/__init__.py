"""The look `yard`: vans, walkers, barrels, gates and drones in a yard, drawn by Babylon.js (WebGL).

`place.py` draws the scenes, `babylon.py` renders them in a headless Chromium with `page.html`.
Babylon.js is no Python package: `npm install babylonjs@9.31.0` in the checkout; `apt install
chromium`.
"""
