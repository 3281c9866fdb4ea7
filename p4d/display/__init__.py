"""What people see of artifacts: pictures, small tables, and a summary of a project.

`previews.py` draws PNGs and `tables.py` makes tables from the folders of stages; `stage_views.py`
lists which stage shows which; `markdown.py` renders a table; `summary.py` is the text of
`p4d summary`. Nothing here is an artifact, and no stage reads it. Colours and sheets are in
`p4d/drawing.py`, HTML pages in `p4d/pages`.
"""
