"""The stage table, which Dagster, DVC and the command line are derived from.

- `table.py`: every stage, what it reads and which function does the work. Start here.
- `stage.py`: what a stage declares, what its function may read, and what it reports.

What a stage computes does not belong here, nor how it is versioned: a stage's code does not hold
this package, so an edit of the table makes no other stage stale.
"""

from p4d.pipeline.stage import (
    DvcPlot,
    Needs,
    Reopened,
    SharedFolder,
    Stage,
    StageInputs,
    StageReport,
)
from p4d.pipeline.table import BY_NAME, STAGES, stage_named

__all__ = [
    "BY_NAME",
    "STAGES",
    "DvcPlot",
    "Needs",
    "Reopened",
    "SharedFolder",
    "Stage",
    "StageInputs",
    "StageReport",
    "stage_named",
]
