"""Programs that make what ships with the package, and controls that compare it.

`embedded_student` makes the embedded base student, `stills` its questions about single pictures,
and `question_examples` the page docs/questions.md. No stage of the pipeline imports them;
`benchmarks/` and maintainers do.
"""
