"""Helpers of the tests of checks."""

from p4d.quality.results import CheckResult


def blocks(result: CheckResult) -> bool:
    """Whether a result blocks descendants."""
    return result.blocking and not result.passed
