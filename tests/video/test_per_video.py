"""Work per video: order is kept, and a file that kills its process costs one row."""

import os

from p4d.video.per_video import per_video


def work(job):
    if job == "deadly":
        os.abort()
    return f"{job} done"


def test_order_is_kept_and_a_dying_process_costs_only_its_own_row():
    jobs = ["a", "b", "deadly", "c", "d"]
    assert list(per_video(work, jobs)) == ["a done", "b done", None, "c done", "d done"]
    assert list(per_video(work, [])) == []
