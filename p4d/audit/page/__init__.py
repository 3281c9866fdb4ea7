"""The audit report: one offline HTML page about an id.

`report.py` computes what `report.html.j2` shows, and `lineage_svg.py` the positions of the graph in
`lineage.svg.j2`. The style and the frame of the page are in `p4d/pages`.
"""
