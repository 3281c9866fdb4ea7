"""The `p4d` command. Needs no Dagster.

One module per group of commands; each only parses arguments and calls the library:

- `run.py`: init, status, stage, land, dvc-yaml;
- `data.py`: world, sql, summary, push, gc;
- `audit.py`: why, champion, restore, takedown, and the group `audit`;
- `export.py`: the group `export`;
- `explore.py`: explore;
- `review.py`: the group `review`;
- `evaluate.py`: evaluate, compare, and the group `benchmark`;
- `students.py`: train, ask, preset;
- `view.py`: view.

`app.py` puts them together. Commands import what they need when they run, so that `p4d --help`
stays fast; nothing heavier than Click and `p4d.config` is imported at the top of a module here. Old
names of options go to `renamed.py`.
"""

from p4d.cli.app import cli, main
from p4d.compute.freed_memory import keep_freed_memory
from p4d.compute.threads import wait_without_spinning

wait_without_spinning()
keep_freed_memory()

__all__ = ["cli", "main"]
