"""Which of pytest's workers runs which file."""

from collections.abc import Mapping

from xdist.scheduler import LoadFileScheduling

PROCESSES = (
    "tests/end_to_end/test_demo.py",
    "tests/end_to_end/",
    "tests/durability/",
    "tests/students/training/test_processes.py",
    "tests/dagster_project/ui/",
    "tests/versioning/remote/",
)
"""Files whose tests start servers and commands and often wait for them, the longest first."""


class OneWorkerForProcesses(LoadFileScheduling):
    """Files of `PROCESSES` go to the first worker, all others to the rest, in their order.

    So a core computes while the other worker waits, what one session fixture made is seldom made
    by another worker again, and no long file is left for the end. A worker whose own files are
    done takes those of the others.
    """

    def _assign_work_unit(self, node):
        first = node is self.nodes[0]
        self.workqueue.move_to_end(next_file(self.workqueue, processes=first), last=False)
        super()._assign_work_unit(node)


def next_file(waiting: Mapping[str, object], *, processes: bool) -> str:
    """The file that a worker takes of those that wait."""
    ranks = {file: rank_of(file) for file in waiting}
    own = [file for file, rank in ranks.items() if (rank < len(PROCESSES)) == processes]
    return min(own or ranks, key=ranks.__getitem__)


def rank_of(file: str) -> int:
    """The place of a file in `PROCESSES`, or beyond its end."""
    found = (n for n, start in enumerate(PROCESSES) if file.startswith(start))
    return next(found, len(PROCESSES))
