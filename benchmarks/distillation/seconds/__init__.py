"""Does it matter how a student is given time? `python -m benchmarks.distillation time`.

The corpus consists of takes: the same pictures at other times (p4d/worlds/retimed.py), with
questions whose answers need the seconds. Questions come in groups of equal pictures, words and
options, so a student without times answers exactly one in four. Four students start from the same
weights and see the same questions in the same order; only `student.time` differs (paper, table 6).
A fifth reads times and the frames of events as text, without pictures: what can be learned at all.

- `plan.py`: parameters. `corpus.py`: worlds, questions, release, base students.
- `arms.py`: training and answers. `oracle.py`: the texts of the fifth student.
- `readable.py`: what of the times enters the language model, by linear regression.
- `report.py`: the key `time` of benchmarks/results/distillation.json. `cli.py`: the command.
"""
