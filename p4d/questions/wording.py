"""How facts and questions write times: STI-Bench's "At t sec" and "From t1 sec to t2 sec"."""

from __future__ import annotations


def seconds(time_ns: int) -> str:
    """Return a clip time rounded to 0.05 s, without trailing zeros.

    The rounding makes sampled frames of nearly equal grids read alike.
    """
    return f"{max(0, round(time_ns / 5e7)) * 0.05:.2f}".rstrip("0").rstrip(".")


def interval(start_ns: int, end_ns: int) -> str:
    """Return `From 0 sec to 1.75 sec`, or `At 0 sec` for an instant."""
    if start_ns == end_ns:
        return f"At {seconds(start_ns)} sec"
    return f"From {seconds(start_ns)} sec to {seconds(end_ns)} sec"
