"""Exports questions to Label Studio and imports verdicts, in its JSON formats (tested with 1.x).

- `tasks.py`: a batch is `tasks.json` (one task per question, its answer prefilled as a prediction),
  `config.xml` (the labeling interface, `interface.xml` here) and `media/`;
- `annotations.py`: reads the server's JSON export, which holds each task with its annotations.

A task carries what the annotator saw and a hash of it. An id that no table has is therefore either
a question of a superseded version, as the hash proves, or no question of this project.

Which verdict counts does not belong here: `p4d/review/verdicts.py`.
"""

from p4d.review.label_studio.annotations import (
    Imported,
    InvalidAnnotation,
    import_into,
    import_verdicts,
)
from p4d.review.label_studio.tasks import Exported, export_tasks

__all__ = [
    "Exported",
    "Imported",
    "InvalidAnnotation",
    "export_tasks",
    "import_into",
    "import_verdicts",
]
