"""The project of this code location."""

from functools import cache

from p4d.project import Project


@cache
def project() -> Project:
    """The project of this code location: `$P4D_ROOT`, else the one around the working folder."""
    return Project.find()
