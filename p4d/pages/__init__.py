"""Renders the HTML pages that p4d writes, and gives them one style.

Three pages use it: the audit report (`p4d/audit/page`), the question gallery (`p4d/review`) and the
page of an evaluation (`p4d/evaluation/page.py`). Each page is a Jinja2 template beside the code
that fills it; what they share is here.

- `render.py`: the Jinja2 environment, with autoescape, and filters for numbers and texts.
- `base.html.j2`, `macros.html.j2`, `style.css`: the frame of a page, its elements and its style.

A page is one self-contained file: styles and pictures are inline, and nothing is loaded from a
network. Equal inputs give equal bytes. What a page says does not belong here. A text that a user
supplied reaches a template as a plain `str`, never as `Markup`, so that it is always escaped.
"""
