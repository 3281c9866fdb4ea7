"""R4D-World: the benchmark of this repository, made by the pipeline and frozen by digest.

`make.py` is the whole recipe and its fixed parameters; `choose.py` selects whole exchange groups;
`release.py` writes the folder; `frozen.py` compares it with the digests in `r4d_world.sha256`;
`texts.py` holds its card and datasheet. The release is read like R4D-Bench, by `r4d_bench.py`.
"""
