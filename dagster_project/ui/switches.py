"""Which sensors and schedules to switch on, and what each starts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from dagster_project.dagster_internals import CodeLocation, load_switches
from dagster_project.home import definitions_module, open_instance
from p4d.errors import OrchestrationError
from p4d.project import Project


@dataclass(frozen=True, kw_only=True)
class Switch:
    """A sensor or schedule, for the list.

    Attributes:
        starts: what it starts by itself.
        at_start: it is on from the start, as it computes no artifact.
        recommended: it belongs to the recommended set.
    """

    starts: str
    at_start: bool = False
    recommended: bool = False


SWITCHES: Mapping[str, Switch] = {
    "reconcile_sensor": Switch(
        starts="nothing; reports what happened outside of Dagster", at_start=True, recommended=True
    ),
    "attention_sensor": Switch(
        starts="nothing; reports blocked and failed artifacts", at_start=True, recommended=True
    ),
    "landing_sensor": Switch(starts="label_backfill for each new shard", recommended=True),
    "automation": Switch(starts="per-shard stages whose code or inputs changed", recommended=True),
    "retrain_weekly": Switch(starts="retrain, Mondays at 03:00", recommended=True),
    "audit_nightly": Switch(starts="audit, every night at 02:30", recommended=True),
    "prune_nightly": Switch(
        starts="prune_history, every night at 04:30; removes runs older than 90 days",
        at_start=True,
        recommended=True,
    ),
    "drift_sensor": Switch(starts="retrain, when new clips differ from the released ones"),
}


def switch(project: Project, *, on: Collection[str] = (), off: Collection[str] = ()) -> list[str]:
    """Switch sensors and schedules, and list all of them, one line each.

    Raises:
        OrchestrationError: there is no sensor or schedule of such a name.
    """
    location = CodeLocation(definitions_module(project), project.root)
    with open_instance(project) as instance, load_switches(instance, location) as switches:
        known = switches.states()
        if unknown := sorted({*on, *off} - set(known)):
            raise OrchestrationError(
                f"no sensor or schedule {', '.join(unknown)}; known are {', '.join(sorted(known))}"
            )
        changed = {name for name in on if switches.switch(name, on=True)}
        changed |= {name for name in off if switches.switch(name, on=False)}
        states = switches.states()
    names = [*SWITCHES, *sorted(set(states) - set(SWITCHES))]
    width = max(map(len, names))
    return [
        f"{name:<{width}}  {'on ' if states[name] else 'off'}  "
        f"{SWITCHES[name].starts if name in SWITCHES else ''}"
        f"{' (switched now)' if name in changed else ''}"
        for name in names
        if name in states
    ]


def recommended() -> list[str]:
    """Names of the recommended set."""
    return [name for name, each in SWITCHES.items() if each.recommended]
