"""How answers are read, and whether published rules give the published scores.

`python -m benchmarks.scores` writes two keys of `benchmarks/results/scores.json`: `parser` (per
form of answer: read, misread, unread) and `published_rules` (per benchmark: items, and how many
score as by the benchmark's own script). Forms and replies are in the YAML files. The golden scores
were computed once, outside of this repository, by the functions of the published scripts on
predictions of ours; `published_golden.json` holds the predictions and the scores.
"""
