"""The fine-tuned embedded student: the base student of `make demo`.

What it has seen: the lessons of p4d/students/embedded on 900 other worlds, then 1,500 steps of
questions about their clips, in the nine categories and thirteen families of `CORE_FAMILIES`, until
its accuracy hardly rose (0.50 in the mean over categories on 100 clips that were held out). No
teacher and no map took part. Its tubelets are eight frames long, so that one visual token covers a
whole motion; what it knows of motions comes from these questions.

`card.json` records the recipe; `python -m p4d.studies.embedded_student WORK --tuned` makes it.
"""
