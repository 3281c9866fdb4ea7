"""Quality gates as asset checks, one definition per stage that has gates."""

from dagster_project.stage_assets import all_stage_checks

CHECKS = all_stage_checks()
