"""The code location that Dagster loads: the project of `$P4D_ROOT`, else of the working folder."""

import dagster as dg

from dagster_project.build import build_defs
from dagster_project.home import foreign_home
from p4d.project import Project

_project = Project.find()

defs = build_defs(_project)

if advice := foreign_home(_project):
    dg.get_dagster_logger("p4d").warning(advice)
