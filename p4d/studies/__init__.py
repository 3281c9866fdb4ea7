"""Programs that make what ships with the package, and controls that compare it.

`embedded_student` makes the embedded base student, `stills` its questions about single pictures,
`question_examples` the page docs/questions.md, and `fact_text` the text of facts for the control
that reads facts instead of video. No stage of the pipeline imports them; `benchmarks/` and
maintainers do.
"""
