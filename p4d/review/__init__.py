"""Review of questions by people: a gallery page, Label Studio out and back, and their verdicts.

README.md gives the flow and the rules. What a verdict changes in a release is applied by
`p4d/release`; which questions are asked at all is decided by `p4d/questions`.
"""
