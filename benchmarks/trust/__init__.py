"""Measures what a stranger's input can do here, and how the environment is pinned.

`python -m benchmarks.trust` runs every attack of the test suite and counts which held, measures the
memory of a bundle's verifier, and counts the locks; `python -m benchmarks.trust pythons` runs the
test suite under each supported Python. `wheel` tries the commands of the built wheel outside of any
checkout, and `init` makes a project with it and runs that to a decision. All write
`benchmarks/results/trust.json`, each its own keys. The attacks are tests with the marker `attack`;
`findings.py` says what each attacks.
"""
