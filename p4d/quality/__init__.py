"""Gates: what must hold of a stage's files before another stage may read them.

`gates.py` lists the gates of each stage and checks a stage by them. Their bodies are SQL files in
`sql/gates/STAGE/`, expectations in `suites.py`, or functions in `code_gates.py` and
`look_gates.py` (experts, by looks that they were not trained on). `results.py` is what they return,
`great_expectations.py` the adapter of the suites, and `drift.py` the measure behind the drift
sensor.

It does not belong here: recording results, or deciding whether a version may be read. That is in
`p4d/versioning/state/check_records.py` and `p4d/versioning/run/check_published.py`.

Read `gates.py` first. `sql/README.md` shows how to add a gate.
"""
