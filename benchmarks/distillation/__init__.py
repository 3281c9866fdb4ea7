"""Does distillation improve the embedded student? `make bench-distillation`.

All arms start from a base that was fine-tuned on questions about other worlds, as a published
model is before it is distilled. They see the questions of their release in the same order for the
same number of steps and answer the same held-out questions, seed by seed. An arm differs from SFT
only in what its entry in `plan.py` and its chosen setting change. `variants.py` copies the release
or the clips with information added or removed (among them the questions about a tenth of the
videos), `bases.py` the base student with an untrained encoder or without time, and `controls/`
trains what no stage of the pipeline does.

`choose` compares settings of SFT and P4D on the validation split, with seeds of their own, and
writes `results/distillation_choices.json`. Until that file is committed no run asks a test question
(`choices.py`). Trees with changes are refused, and every row has its commit, an id of the code that
trained it and its processor seconds. Every run leaves a small file in the work folder and is not
repeated by the same commit, so a killed benchmark resumes. `schedule.py` starts what ends in time
and names what is left out. Reading order: plan, corpus, variants, bases, choices, run, controls,
answers, statistics, schedule, report.
"""
