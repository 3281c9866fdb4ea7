"""Does distillation improve the embedded student? `make bench-distillation`.

All arms start from the same base, see the same questions in the same order for the same number of
steps, and answer the same held-out questions, seed by seed. An arm differs from SFT only in what
its entry in `plan.py` changes. Controls change the data, not the code: `variants.py` copies the
release or the clips with information added or removed. Every run leaves a small file in the work
folder and is not repeated, so a killed benchmark resumes; `--recorded` starts from the runs in
benchmarks/results/distillation. Reading order: plan, corpus, variants, run, answers, statistics,
report.
"""
