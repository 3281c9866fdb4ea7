"""The code location that Dagster loads: the project of `$P4D_ROOT`, else of the working folder."""

from dagster_project.build import build_defs
from p4d.project import Project

defs = build_defs(Project.find())
