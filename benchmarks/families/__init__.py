"""Published checkpoints: asked as transformers asks them, dry runs of real sizes, the presets.

`python -m benchmarks.families agreement` writes `families` (per family and size of pictures: equal
tokens, pixels, generated tokens, largest difference of logits), `dry-run FILE` adds one model to
`dry_run`, `presets` writes `paper_preset` (each setting, its values and the test that pins it). All
three are keys of `benchmarks/results/scores.json`.
"""
