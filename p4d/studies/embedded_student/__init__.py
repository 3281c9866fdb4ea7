"""The recipes of the embedded base students (p4d/students/embedded), for maintainers.

    python -m p4d.studies.embedded_student WORK [FOLDER] [--tuned]

1. Worlds with their own seeds, and their regions, facts and questions, by the pipeline's stages.
2. Reading, text only: facts and a question, answered with the text of an option; first only the
   facts that answer it, then all facts of that kind. Every token is a target, at a smaller weight.
3. Seeing: questions about stills (p4d/studies/stills.py), first only about the colours of regions.
4. Clips, cycling through four tasks: facts and questions of step 2 beside their clip, questions
   about the first frame of a clip, reading as in step 2, and stills. Without this step a student
   stops reading when a clip precedes the question.

5. With `--tuned` only: questions about clips without facts, as a published model is fine-tuned; six
   of eight steps, the others are stills and reading. Tubelets then have eight frames, and there are
   900 worlds.

What the student of steps 1 to 4 has seen: no question about depth, motion or time has to be
answered from pictures, because the facts are in the text. But in step 4 such questions, with these
facts, are trained beside the very clip that they describe.

A killed run resumes at the step where it was. Equal versions on equal machines give equal weights.
Read `recipe` first, then `worlds`, `samples`, `lessons` and `__main__`.
"""
