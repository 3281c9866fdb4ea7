"""Runs inside a toy checkout: imports Dagster once, then forks a process per command.

Reads one JSON command per line from standard input and answers with one JSON line. A command runs
in a child that leads a session of its own, as a shell would start it, so that it can be killed with
all its workers. Only third-party libraries are imported here: every child imports the checkout's
own code as it is then, as a new process would.
"""

import contextlib
import datetime
import importlib
import io
import json
import os
import signal
import sys
import traceback
from pathlib import Path

import dagster as dg
import dvc.cli
import dvc.repo

# What the children would import next, each anew: most of the time that they took.
for name in (
    "PIL.Image", "alembic.command", "av", "dagster._core.storage.local_compute_log_manager",
    "dagster._core.storage.sqlite_storage", "dvc.commands.repro", "dvc.data_cloud", "dvc.dvcfile",
    "dvc.output", "dvc.repo.index", "dvc.repo.reproduce", "dvc.repo.status", "dvc.scm",
    "dvc.stage.cache", "dvc.stage.loader", "dvc.stage.run", "filelock", "networkx", "numpy",
    "rich.progress", "ruamel.yaml", "safetensors.numpy", "scmrepo.git", "sqlalchemy", "structlog",
    "upath", "zc.lockfile",
):  # fmt: skip
    importlib.import_module(name)
# No polars: it starts threads, and those do not survive a fork.
assert len([*Path("/proc/self/task").iterdir()]) == 1


BEFORE_ANCHOR = "before_anchor"
"""The crash point between the last version of a run and its anchor in git."""


def die_at(name, nth):
    """An observer of crash points that kills this process when it reaches `name` the nth time."""
    seen = []

    def observer(reached):
        seen.append(reached)
        if reached == name and seen.count(name) == nth:
            os.kill(os.getpid(), signal.SIGKILL)

    return observer


def up(checkpoint=None, nth=1):
    """`python -m dagster_project up`, in this process; dies at a crash point of the publisher."""
    from p4d.versioning.ledger import anchor

    die, original = die_at(checkpoint, nth), anchor.anchor

    def anchor_or_die(*arguments):
        die(BEFORE_ANCHOR)
        return original(*arguments)

    anchor.anchor = anchor_or_die  # before anybody imports it

    from dagster_project import __main__ as command_line
    from p4d.versioning.files.crash_points import observed_by

    with observed_by(die):
        command_line.main(["up"], standalone_mode=False)


def run(stage, shard=None):
    """`python -m p4d stage`, in this process."""
    from p4d.cli import cli
    from p4d.errors import P4DError

    try:
        cli(["stage", stage, *(["--shard", shard] if shard else [])], standalone_mode=False)
    except P4DError as error:  # as `p4d.cli.main` does
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(1)


def repro():
    """`dvc repro`, in this process."""
    sys.exit(dvc.cli.main(["repro"]))


def facts():
    """What the harness compares and checks, as seen by the product."""
    from dagster_project.reconcile import fresh_versions, unreported
    from p4d import audit
    from p4d.pipeline import STAGES
    from p4d.project import Project
    from p4d.versioning.files.artifact_key import ArtifactKey
    from p4d.versioning.ledger.ledger import Ledger
    from p4d.versioning.state.workspace import status

    project = Project.find()
    verified = audit.verify(project)
    ledger = list(Ledger(project).records("materialization"))
    with dg.DagsterInstance.get() as instance:
        heard = {}
        for stage in STAGES:
            found = instance.fetch_materializations(dg.AssetKey(stage.name), limit=10_000)
            for record in found.records:
                event = record.event_log_entry.dagster_event.step_materialization_data
                tags = event.materialization.tags or {}
                key = str(ArtifactKey(stage.name, record.partition_key))
                heard.setdefault(key, []).append(tags.get("dagster/data_version"))
        missing = sorted(map(str, unreported(instance, fresh_versions(project))))
        started = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING]
        hanging = len(instance.get_runs(dg.RunsFilter(statuses=started)))
        occupied = [
            info.active_slot_count
            for key in instance.event_log_storage.get_concurrency_keys()
            if (info := instance.event_log_storage.get_concurrency_info(key)).active_slot_count
        ]
    return {
        "verified": verified.ok,
        "verify_text": verified.render_text(),
        "not_fresh": [f"{s.key}: {s.state}" for s in status(project) if s.state != "fresh"],
        "made": [[str(ArtifactKey.of_record(record)), record["md5"]] for record in ledger],
        "heard": heard,
        "unreported": missing,
        "hanging_runs": hanging,
        "occupied_slots": occupied,
    }  # fmt: skip


def not_fresh():
    """Instances that are not fresh: by `p4d status`, `dvc status`, and Dagster after its sensor."""
    from p4d.cli import cli
    from p4d.project import Project

    tick("reconcile_sensor")
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        cli(["status"], standalone_mode=False)
    lines = [
        line
        for line in said.getvalue().splitlines()
        if line != "Everything is fresh." and not line.startswith("held back: ")
    ]
    with dvc.repo.Repo() as repo:
        by_dvc = list(repo.status())
    return {
        "p4d": [line.split(": ")[0] for line in lines],
        "dvc": by_dvc,
        "dagster": stale_by_dagster(Project.find()),
    }


def stale_by_dagster(project):
    """Instances that Dagster's own staleness resolver does not call fresh."""
    from dagster_project.dagster_internals import Staleness
    from dagster_project.definitions import defs
    from dagster_project.partitions import sync_shards
    from p4d.pipeline import STAGES
    from p4d.versioning.files.artifact_key import ArtifactKey

    with dg.DagsterInstance.get() as instance:
        sync_shards(instance, project)
        staleness = Staleness(instance, defs.resolve_asset_graph())
        return [
            str(ArtifactKey(s.name, shard))
            for s in STAGES
            for shard in (project.shards() if s.per_shard else [None])
            if not staleness.is_fresh(s.name, shard)
        ]


def tick(name):
    """A tick of a sensor or schedule, and what it asked for."""
    from dagster._core.definitions.partitions.context import partition_loading_context

    from dagster_project.definitions import defs

    with (
        dg.DagsterInstance.get() as instance,
        partition_loading_context(dynamic_partitions_store=instance),
    ):
        if name in {schedule.name for schedule in defs.schedules}:
            context = dg.build_schedule_context(
                instance=instance, scheduled_execution_time=datetime.datetime.now(datetime.UTC)
            )
            asked = defs.resolve_schedule_def(name).evaluate_tick(context)
        else:
            # As the daemon does: resources that end with their context need one.
            with dg.build_sensor_context(
                instance=instance, definitions=defs, resources=defs.resources
            ) as context:
                asked = defs.resolve_sensor_def(name).evaluate_tick(context)
        return {
            "asked": [[[k.to_user_string() for k in r.asset_selection or ()], r.partition_key]
                      for r in asked.run_requests],
            "skipped": asked.skip_message,
        }  # fmt: skip


def tick_around_edit(path, old, new):
    """What `reconcile_sensor` says before an edit, twice after it, and after a reload."""
    from dagster_project.build import build_defs
    from p4d.project import Project

    project = Project.find()

    def reconcile(defs, cursor):
        with dg.build_sensor_context(
            instance=instance, definitions=defs, resources=defs.resources, cursor=cursor
        ) as context:
            ticked = defs.resolve_sensor_def("reconcile_sensor").evaluate_tick(context)
        return ticked.skip_message, ticked.cursor

    with dg.DagsterInstance.get() as instance:
        loaded = build_defs(project)
        before, cursor = reconcile(loaded, None)
        text = (project.root / path).read_text()
        assert old in text
        (project.root / path).write_text(text.replace(old, new))
        after, cursor = reconcile(loaded, cursor)
        again, cursor = reconcile(loaded, cursor)
        return [before, after, again, reconcile(build_defs(project), cursor)[0]]


def job(name):
    """A run of a named job; what each of its materializations says of being skipped."""
    from dagster_project.definitions import defs

    with dg.DagsterInstance.get() as instance:
        result = defs.resolve_job_def(name).execute_in_process(instance=instance)
        made = result.get_asset_materialization_events()
        return {
            event.asset_key.to_user_string(): event.materialization.metadata["skipped"].value
            for event in made
        }


def events(asset):
    """Number of runs so far, and the materializations of an asset, newest first."""
    with dg.DagsterInstance.get() as instance:
        found = []
        for record in instance.fetch_materializations(dg.AssetKey(asset), limit=20).records:
            made = record.event_log_entry.dagster_event.step_materialization_data.materialization
            shown = {name: value.value for name, value in made.metadata.items()}
            found.append(
                {
                    "kind": shown.get("p4d/kind"),
                    "reasons": shown.get("reasons"),
                    "path": shown.get("path"),
                    "checks": shown.get("checks"),
                    "inputs": shown.get("dvc/deps"),
                    "data_version": made.tags["dagster/data_version"],
                    "code_version": made.tags["dagster/code_version"],
                }
            )
        return {"runs": instance.get_runs_count(), "materializations": found}


def observations(asset):
    """What was told on an asset, newest first."""
    with dg.DagsterInstance.get() as instance:
        found = instance.fetch_observations(dg.AssetKey(asset), limit=20).records
        return [[r.partition_key, r.asset_observation.description] for r in found]


COMMANDS = {
    "up": up, "run": run, "repro": repro, "facts": facts, "not_fresh": not_fresh, "tick": tick,
    "tick_around_edit": tick_around_edit,
    "job": job, "observations": observations, "events": events,
}  # fmt: skip


def child(command, answer):
    """Run one command; its result goes to the file `answer`, what it prints to `answer`.log."""
    os.setsid()
    log = os.open(f"{answer}.log", os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(log, stream)
    status_code = 0
    try:
        result = COMMANDS[command.pop("do")](**command)
        Path(answer).write_text(json.dumps(result))
    except SystemExit as error:
        status_code = int(error.code or 0)
    except BaseException:  # noqa: BLE001 - whatever it is, the parent is told
        traceback.print_exc()
        status_code = 70
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status_code)


def main():
    answers = Path(sys.argv[1])
    print("ready", flush=True)
    for number, line in enumerate(sys.stdin):
        command = json.loads(line)
        if "wait" in command:
            ended = os.waitpid(command["wait"], 0)[1]
            print(json.dumps({"status": os.waitstatus_to_exitcode(ended)}), flush=True)
            continue
        answer = answers / str(number)
        environment = command.pop("environment", {})
        pid = os.fork()
        if pid == 0:
            os.environ.update(environment)
            child(command, str(answer))
        print(json.dumps({"pid": pid, "answer": str(answer)}), flush=True)


if __name__ == "__main__":
    main()
