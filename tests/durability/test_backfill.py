"""A backfill of the UI: few runs, and in them each shard on its own."""

import hashlib
import json

import dagster as dg
import pytest

from tests import browser as chromium
from tests.browser import Browser
from tests.durability.toy import Toy, build
from tests.durability.ui import Ui, until

CRASH, BAD, ODD = "0002-cccccccc", "0004-bbbbbbbb", "0005-dddddddd"
GOOD = ("0001-aaaaaaaa", "0003-aaaaaaaa", ODD, "0006-aaaaaaaa")
SHARDS = tuple(sorted((*GOOD, CRASH, BAD)))

needs_browser = pytest.mark.skipif(
    chromium.PROGRAM is None, reason="no chromium or google-chrome on the path"
)

WORDS = """\
    Stage(name="words", group="questions", entry="p4d.toy.words:make", description="Reads labels.",
          inputs=("labels",), params=("labels",), per_shard=True),
    Stage(name="release\""""

CLICK = """(text => {
    const found = [...document.querySelectorAll('*')].filter(
        each => each.children.length === 0 && each.textContent.trim() === text);
    found.at(-1)?.click();
    return found.length > 0;
})"""
TEXT_BESIDE = "(icon => document.querySelector(icon)?.parentElement.parentElement.innerText)"


def say(toy, shard, text):
    path = toy.root / "shards" / f"{shard}.json"
    path.write_text(json.dumps({"shard": shard, "files": [], "text": text}) + "\n")


@pytest.fixture(scope="module")
def toy(tmp_path_factory) -> Toy:
    """Three stages per shard; one shard cannot be decoded, one is blocked, one is warned of."""
    made = build(tmp_path_factory.mktemp("backfill") / "toy", SHARDS)
    made.edit("p4d/pipeline/table.py", '    Stage(name="release"', WORDS)
    step = (made.root / "p4d" / "toy" / "videos.py").read_text()
    (made.root / "p4d" / "toy" / "words.py").write_text(step)
    asset = (
        '@shard_stage("words")\ndef words(run: ShardRun) -> Materialization:\n    """Words."""\n'
    )
    with (made.root / "assets" / "toy.py").open("a") as file:
        file.write(f"\n\n{asset}    return run.make()\n")
    made.run("python", "-m", "p4d.cli", "dvc-yaml")
    say(made, CRASH, "crash")
    say(made, BAD, "bad")
    say(made, ODD, "odd")
    made.run("python", "-m", "dagster_project", "up", "--only", "expert")
    return made


@pytest.fixture(scope="module")
def ui(toy, tmp_path_factory):
    started = Ui(toy, tmp_path_factory.mktemp("ui") / "log.txt")
    yield started
    if started.process.poll() is None:
        started.stop()


def instance_of(toy):
    return dg.DagsterInstance.from_config(str(toy.root / ".dagster"))


def latest(instance, asset, shard):
    wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[shard])
    found = instance.fetch_materializations(wanted, limit=10).records
    # Without the sensor's corrections of shards that the tests edit.
    return [record.asset_materialization for record in found if record.run_id]


def launch(ui, shards=SHARDS):
    backfill = ui.backfill(["videos", "labels", "words"], shards)
    until(lambda: ui.backfill_state(backfill) not in ("REQUESTED", "FAILING", "CANCELING"))
    return ui.runs(dagster__backfill=backfill)


def events(instance, run, of_type):
    return [entry.dagster_event for entry in instance.all_logs(run["runId"], of_type=of_type)]


def test_one_run_makes_all_shards_and_a_failed_one_stops_itself_alone(toy, ui):
    (run,) = launch(ui)
    assert run["status"] == "FAILURE"
    assert ui.partitions("videos")["materialized"] == sorted(set(SHARDS) - {CRASH})
    assert ui.partitions("videos")["failed"] == [CRASH]
    assert ui.partitions("labels")["materialized"] == sorted(set(SHARDS) - {CRASH})
    assert ui.partitions("words")["materialized"] == sorted(GOOD)
    assert ui.partitions("words")["failed"] == sorted([CRASH, BAD])
    with instance_of(toy) as instance:
        (failed,) = events(instance, run, dg.DagsterEventType.STEP_FAILURE)
        reason = failed.step_failure_data.user_failure_data.description
        assert reason.splitlines()[0] == "2 of 6 shards failed; the others are published"
        assert f"videos@{CRASH}: ValueError: cannot decode CRASH" in reason
        assert f"labels@{BAD}: labels_are_good: Nothing says BAD." in reason
        # Each shard has one event of its own, with its own version and place.
        versions = set()
        for shard in GOOD:
            (made,) = latest(instance, "words", shard)
            assert made.metadata["path"].value.endswith(f"data/words/{shard}")
            read = latest(instance, "labels", shard)[0].tags["dagster/data_version"]
            digest = hashlib.sha256(read.encode()).hexdigest()  # as Dagster has it for partitions
            assert made.tags["dagster/input_data_version/labels"] == digest
            versions.add(made.tags["dagster/data_version"])
        assert len(versions) == len(GOOD)
        checks = [
            each.asset_check_evaluation_data
            for each in events(instance, run, dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        ]
        passed = {(each.check_name, each.partition): each.passed for each in checks}
        assert passed == {
            (name, shard): (name, shard) not in {("gates", BAD), ("warnings", ODD)}
            for name in ("gates", "warnings")
            for shard in (*GOOD, BAD)
        }
        for check in checks:
            assert check.target_materialization_data.run_id == run["runId"]
        lines = [entry.user_message for entry in instance.all_logs(run["runId"])]
        assert f"words@{BAD} waits for labels" in lines
        assert f"labels@{CRASH} waits for videos" in lines
        observed = instance.fetch_observations(dg.AssetKey("videos"), limit=5).records
        (told,) = [record for record in observed if record.run_id == run["runId"]]
        assert told.partition_key == CRASH
        assert "cannot decode CRASH" in told.asset_observation.description


def test_the_retry_makes_what_is_missing_and_nothing_else(toy, ui):
    say(toy, CRASH, "decodes")
    say(toy, BAD, "good")
    (run,) = launch(ui)
    assert run["status"] == "SUCCESS"
    assert ui.partitions("words")["materialized"] == sorted(SHARDS)
    with instance_of(toy) as instance:
        skipped = {
            (each.asset_key.to_user_string(), each.partition): each.step_materialization_data
            .materialization.metadata["skipped"].value
            for each in events(instance, run, dg.DagsterEventType.ASSET_MATERIALIZATION)
        }  # fmt: skip
    assert len(skipped) == 3 * len(SHARDS)
    assert {key[1] for key, value in skipped.items() if not value} == {CRASH, BAD}
    assert ui.graphql("{ version }")[0] == 200
    with instance_of(toy) as instance:
        for shard in SHARDS:  # one event each, and not one more of the output
            assert len(latest(instance, "videos", shard)) == (1 if shard == CRASH else 2)


def test_checks_run_alone_and_on_a_range(toy, ui):
    """What the UI sends for "Execute all" of an asset's checks, on a range of shards."""
    with instance_of(toy) as instance:
        before = [len(latest(instance, "labels", shard)) for shard in SHARDS]
    data = ui.ask(
        "mutation { launchPipelineExecution(executionParams: {selector: {"
        'pipelineName: "__ASSET_JOB", repositoryName: "__repository__", '
        'repositoryLocationName: "dagster_project.definitions", assetSelection: [], '
        'assetCheckSelection: [{assetKey: {path: ["labels"]}, name: "gates"}, '
        '{assetKey: {path: ["labels"]}, name: "warnings"}]}, '
        'mode: "default", executionMetadata: {tags: ['
        f'{{key: "dagster/asset_partition_range_start", value: "{SHARDS[0]}"}}, '
        f'{{key: "dagster/asset_partition_range_end", value: "{SHARDS[-1]}"}}]}}}}) '
        "{ __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"
    )["launchPipelineExecution"]
    assert data["__typename"] == "LaunchRunSuccess", data
    run = data["run"]
    ui.reaches(run["runId"], "SUCCESS")
    with instance_of(toy) as instance:
        checks = events(instance, run, dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        found = [each.asset_check_evaluation_data for each in checks]
        assert len(found) == 2 * len(SHARDS)
        assert {each.partition for each in found} == set(SHARDS)
        odd = [(each.check_name, each.partition) for each in found if not each.passed]
        assert odd == [("warnings", ODD)]
        assert [len(latest(instance, "labels", shard)) for shard in SHARDS] == before


def test_runs_of_the_terminal_are_on_the_first_page(toy, ui):
    """Overview > Timeline leaves out runs without a code location, and unites the others by job."""
    data = ui.ask(
        "{ runsOrError { ... on Runs { results { pipelineName tags { key } "
        "repositoryOrigin { repositoryName repositoryLocationName } } } } }"
    )["runsOrError"]["results"]
    assert len(data) == 4  # of `make up` for the expert, two backfills, and the checks
    for run in data:
        origin = run["repositoryOrigin"]
        assert origin["repositoryLocationName"] == "dagster_project.definitions"
        assert origin["repositoryName"] == "__repository__"
        shown = {tag["key"] for tag in run["tags"] if not tag["key"].startswith(".dagster/")}
        assert all(key.startswith("dagster/") for key in shown), shown


@needs_browser
def test_the_list_of_checks_shows_a_warning_as_one_and_a_blocked_shard_as_failed(toy, ui, tmp_path):
    """The latest evaluation is that of a good shard: it hides neither, and colours neither."""
    say(toy, BAD, "bad again")
    assert [run["status"] for run in launch(ui, [BAD])] == ["FAILURE"]
    assert [run["status"] for run in launch(ui, [GOOD[0]])] == ["SUCCESS"]
    browser = Browser(tmp_path / "chromium")
    try:
        for check, icon, shard, found in (
            ("gates", "cancel", BAD, "1 of 1 blocks: labels_are_good."),
            ("warnings", "warning_outline", ODD, "1 of 1 warns: labels_are_usual."),
        ):
            browser.open(f"http://{ui.host}/assets/labels?view=checks&checkDetail={check}")
            browser.until(f"document.body.innerText.includes('labels@{GOOD[0]}: all 1 passed.')")
            row = f"[aria-label={icon}]"
            wanted = f"{check}\n{check}\nFailed"
            browser.until(f"{TEXT_BESIDE}('{row}') === {json.dumps(wanted)}")
            browser.until(f"{CLICK}('Partitions')")
            browser.until(f"{CLICK}('{shard}')")
            browser.until(f"document.body.innerText.includes('labels@{shard}: {found}')")
            assert browser.run(f"{TEXT_BESIDE}('{row}') === {json.dumps(wanted)}")
    finally:
        browser.close()
