"""The look `nursery`: toys of several parts in a furnished room, drawn by three.js (WebGL).

`room.py` draws the scenes, `browser.py` renders them in a headless Chromium with `page.html`.
three.js is no Python package: `npm install three@0.187.0` in the checkout; `apt install chromium`.
"""
