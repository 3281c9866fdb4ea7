"""What people see of artifacts: pictures, small tables, and a summary of a project.

From folders of stages, `previews.py` (frames, regions), `label_maps.py`, `label_differences.py`,
`question_sheet.py` and `charts.py` draw PNGs, `tables.py` makes tables; `stage_views.py` lists
which stage shows which. `labelled_clip.py` draws the picture of the README.
`colour_keys.py` and `lettering.py` are what the pictures share, `markdown.py` renders a table,
`summary.py` is the text of `p4d summary`. Nothing here is an artifact, and no stage reads it.
Colours and sheets are in `p4d/drawing.py`, HTML pages in `p4d/pages`.
"""
