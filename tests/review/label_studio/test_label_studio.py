"""`export.json` is a JSON export of Label Studio 1.23.2, less the predictions in it:

a batch of `p4d review export` imported there, judged by two people (the last two tasks by hand in
the browser), with one skipped annotation and one that contradicts itself.
"""

import json
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import polars as pl
import pytest

from p4d.artifacts import read_json, read_table, write_json
from p4d.errors import ContractError
from p4d.origins import Origin, write_origins
from p4d.project import Project
from p4d.review.gallery import write_gallery
from p4d.review.label_studio import (
    export_tasks,
    import_into,
    import_verdicts,
)
from p4d.review.label_studio.tasks import INTERFACE
from p4d.review.verdicts import read_verdicts

EXPORT = Path(__file__).with_name("export.json")
TASKS = json.loads(EXPORT.read_text())
IDS = [task["data"]["qa_id"] for task in TASKS]
KNOWN = {task["data"]["qa_id"]: len(task["data"]["options"]) for task in TASKS}


def _edited(path, change):
    tasks = json.loads(EXPORT.read_text())
    change(tasks)
    path.write_text(json.dumps(tasks))
    return path


def test_a_real_export_becomes_verdict_rows(tmp_path):
    done = import_verdicts(EXPORT, tmp_path, KNOWN)
    assert (len(done.new), done.skipped, len(done.invalid), done.superseded) == (22, 1, 1, ())
    assert "accepts the question, but answers" in done.invalid[0].reason
    (file,) = tmp_path.iterdir()
    assert file.name == f"{TASKS[0]['data']['batch']}.jsonl"
    rows = read_verdicts(tmp_path)
    said = {(v.qa_id, v.annotator): v for v in rows}
    assert len(said) == len(rows) == 22
    dropped = said[(IDS[2], "user-1")]
    assert (dropped.decision, dropped.reason) == ("drop", "object 2 is hidden")
    assert dropped.at == "2026-11-22T12:02:52.480802+00:00"
    answered = said[(IDS[3], "user-1")]
    assert answered.decision == "fix"
    assert answered.question is None
    assert answered.answer not in (None, TASKS[3]["data"]["answer"])
    reworded = said[(IDS[4], "user-1")]
    assert (reworded.question, reworded.answer) == ("A clearer text?", None)
    by_hand = said[(IDS[14], "user-1")]
    assert (by_hand.decision, by_hand.reason) == ("drop", "typed by hand")


def test_importing_again_changes_nothing(tmp_path):
    import_verdicts(EXPORT, tmp_path, KNOWN)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    again = import_verdicts(EXPORT, tmp_path, KNOWN)
    assert (len(again.new), again.known) == (0, 22)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_a_later_export_adds_to_the_same_batch(tmp_path):
    half = _edited(tmp_path / "half.json", lambda tasks: tasks.__delitem__(slice(5, None)))
    first = import_verdicts(half, tmp_path / "reviews", KNOWN)
    rest = import_verdicts(EXPORT, tmp_path / "reviews", KNOWN)
    assert len(first.new) + len(rest.new) == 22
    assert len(list((tmp_path / "reviews").iterdir())) == 1


def test_a_question_that_was_superseded_keeps_its_verdict(tmp_path):
    done = import_verdicts(EXPORT, tmp_path, dict(list(KNOWN.items())[1:]))
    assert done.superseded == (IDS[0],)
    assert "not applicable" in done.summary()
    assert any(v.qa_id == IDS[0] for v in read_verdicts(tmp_path))


def test_an_unknown_question_is_refused_with_near_ones_and_nothing_is_written(tmp_path):
    wrong = IDS[0][:-1] + ("0" if IDS[0][-1] != "0" else "1")

    def mistype(tasks):
        tasks[0]["data"]["qa_id"] = wrong

    export = _edited(tmp_path / "export.json", mistype)
    with pytest.raises(ContractError, match=f"{wrong} is no question .* similar: {IDS[0]}"):
        import_verdicts(export, tmp_path / "reviews", KNOWN)
    assert not (tmp_path / "reviews").exists()


def test_a_task_that_was_altered_is_no_superseded_question(tmp_path):
    def reword(tasks):
        tasks[0]["data"]["question"] += " Really?"

    export = _edited(tmp_path / "export.json", reword)
    with pytest.raises(ContractError, match="no question of this project"):
        import_verdicts(export, tmp_path / "reviews", dict(list(KNOWN.items())[1:]))


@pytest.mark.parametrize("text", ["", "{}", '[{"id": 1}]', '[{"data": {}, "annotations": []}]'])
def test_other_files_are_refused(tmp_path, text):
    path = tmp_path / "export.json"
    path.write_text(text)
    with pytest.raises(ContractError, match="JSON"):
        import_verdicts(path, tmp_path, KNOWN)


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [
        ([], "no verdict chosen"),
        (["drop"], "drop needs a reason"),
        (["fix"], "fix needs a reason"),
        (["maybe"], "'maybe' is none of accept, fix, drop"),
    ],
)
def test_an_annotation_that_says_nothing_usable_is_refused_by_itself(tmp_path, verdict, reason):
    def change(tasks):
        del tasks[1:], tasks[0]["annotations"][1:]
        for result in tasks[0]["annotations"][0]["result"]:
            if result["from_name"] == "verdict":
                result["value"]["choices"] = verdict

    done = import_verdicts(_edited(tmp_path / "export.json", change), tmp_path / "reviews", KNOWN)
    assert done.new == ()
    assert reason in done.invalid[0].reason


@pytest.mark.attack("H1")
@pytest.mark.parametrize(
    "batch", ["..", "/tmp/x", "a/b", "", "review_0123", "review_0123456789abcdef\n", None, 7, ["x"],
              "review_\x00123456789abcdef", "\ud800", "../ledger/ledger"]
)  # fmt: skip
@pytest.mark.parametrize("place", [0, -1])
def test_a_batch_that_is_no_batch_id_names_no_file(tmp_path, batch, place):
    """A batch becomes a file name: `../ledger/ledger` once overwrote the ledger."""
    reviews = tmp_path / "reviews"
    reviews.mkdir()
    (tmp_path / "ledger").mkdir()
    (tmp_path / "ledger" / "ledger.jsonl").write_text("kept")

    def change(tasks):
        tasks[place]["data"]["batch"] = batch

    export = _edited(tmp_path / "export.json", change)
    with pytest.raises(ContractError, match=r"does not have the form|is no Unicode text"):
        import_verdicts(export, reviews, KNOWN)
    assert list(reviews.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["export.json", "ledger", "reviews"]
    assert (tmp_path / "ledger" / "ledger.jsonl").read_text() == "kept"


@pytest.mark.attack("H1")
@pytest.mark.parametrize(
    ("key", "value"),
    [("qa_id", ["x"]), ("qa_id", "../x"), ("qa_id", None), ("question", 5), ("answer", None),
     ("options", "AB")],
)  # fmt: skip
def test_fields_of_a_task_have_their_form_or_nothing_is_written(tmp_path, key, value):
    export = _edited(
        tmp_path / "e.json", lambda tasks: tasks[-1]["data"].update({key: value})
    )  # fmt: skip
    with pytest.raises(ContractError):
        import_verdicts(export, tmp_path / "reviews", KNOWN)
    assert not (tmp_path / "reviews").exists()


@pytest.mark.attack("H1")
@pytest.mark.parametrize("text", ["[" * 100_000, "\xff", "[1e999999]"])
def test_a_file_that_breaks_the_json_reader_is_refused(tmp_path, text):
    (tmp_path / "e.json").write_text(text, encoding="latin-1")
    with pytest.raises(ContractError, match=r"is no JSON|nested deeper|not Label Studio"):
        import_verdicts(tmp_path / "e.json", tmp_path / "reviews", KNOWN)


def _fix(tasks, answer):
    """Leave one annotation, a fix with this answer."""
    del tasks[1:], tasks[0]["annotations"][1:]
    for result in tasks[0]["annotations"][0]["result"]:
        if result["from_name"] == "verdict":
            result["value"]["choices"] = ["fix"]
        if result["from_name"] == "answer":
            result["value"]["choices"] = answer
    tasks[0]["annotations"][0]["result"].append(
        {"from_name": "reason", "value": {"text": ["because"]}}
    )


@pytest.mark.attack("M4")
@pytest.mark.parametrize("answer", ["Z", "Z. object 9", "E. more", "AB", "\x00", "J"])
def test_a_fix_that_no_option_answers_is_refused_by_itself(tmp_path, answer):
    """Imported, it would stop every later release."""

    def change(tasks):
        _fix(tasks, [answer])
        tasks[0]["data"]["options"] += [{"value": f"{letter}. more"} for letter in "EFGHIJ"]

    done = import_verdicts(_edited(tmp_path / "e.json", change), tmp_path / "reviews", KNOWN)
    assert done.new == ()
    assert "a fix answers" in done.invalid[0].reason
    assert not (tmp_path / "reviews").exists()


@pytest.mark.attack("M4")
@pytest.mark.parametrize("value", [[5], {"choices": 3}, {"choices": [["A"]]}, "A", 7, None])
def test_a_value_of_another_form_is_refused_by_itself(tmp_path, value):
    def change(tasks):
        _fix(tasks, ["A"])
        for result in tasks[0]["annotations"][0]["result"]:
            if result["from_name"] == "reason":
                result["value"] = value

    done = import_verdicts(_edited(tmp_path / "e.json", change), tmp_path / "reviews", KNOWN)
    assert (len(done.new), len(done.invalid)) in ((0, 1), (1, 0))


@pytest.mark.attack("M4")
@pytest.mark.parametrize("results", [{"a": 1}, ["x"], [None], "text"])
def test_results_of_another_form_are_refused_by_themselves(tmp_path, results):
    def change(tasks):
        tasks[0]["annotations"][0]["result"] = results

    done = import_verdicts(_edited(tmp_path / "e.json", change), tmp_path / "reviews", KNOWN)
    assert any("no list of objects" in invalid.reason for invalid in done.invalid)
    assert len(done.new) >= 20


def test_annotators_are_named_as_the_export_names_them(tmp_path):
    def address(tasks):
        tasks[0]["annotations"][0]["completed_by"] = {"id": 9, "email": "ann@example.org"}

    import_verdicts(_edited(tmp_path / "e.json", address), tmp_path / "reviews", KNOWN)
    named = {v.annotator for v in read_verdicts(tmp_path / "reviews")}
    assert named == {"ann@example.org", "user-1", "user-3"}


def test_every_result_of_the_export_comes_from_a_control_of_the_interface():
    interface = list(ET.fromstring(INTERFACE.read_text()).iter())
    controls = {tag.get("name") for tag in interface} - {None}
    used = {r["from_name"] for t in TASKS for a in t["annotations"] for r in a["result"]}
    assert {"answer", "verdict", "reason", "new_question"} == used <= controls
    shown = {tag.get("value", "")[1:] for tag in interface if tag.get("value", "").startswith("$")}
    assert shown <= set(TASKS[0]["data"])


def test_export_writes_tasks_media_and_steps(demo_release, tmp_path):
    done = export_tasks(demo_release, tmp_path / "batch", sample=6)
    tasks = json.loads((tmp_path / "batch" / "tasks.json").read_text())
    assert len(tasks) == done.questions == 6
    for task in tasks:
        data, (prediction,) = task["data"], task["predictions"]
        assert set(data) == set(TASKS[0]["data"]) | {"marks_shown"}
        options = [option["value"] for option in data["options"]]
        (chosen,) = prediction["result"][0]["value"]["choices"]
        assert chosen in options
        assert chosen.startswith(f"{data['answer']}. ")
        assert data["batch"] == done.batch
        for key, head in (("marks", b"\x89PNG"), ("clip", b"ftyp")):
            name = data[key].rpartition("/")[2]
            assert data[key] == f"/data/local-files/?d=batch/media/{name}"
            assert head in (tmp_path / "batch" / "media" / name).read_bytes()[:12]
    assert done.batch in (tmp_path / "batch" / "README.md").read_text()
    with pytest.raises(ContractError, match="not empty"):
        export_tasks(demo_release, tmp_path / "batch")


def test_pictures_whose_terms_bind_them_are_not_exported(demo_release, tmp_path):
    for folder in demo_release.parent.iterdir():
        if folder != demo_release:
            (tmp_path / folder.name).symlink_to(folder)
    release = tmp_path / "release"
    shutil.copytree(demo_release, release)
    asked = read_table(release / "questions.parquet")
    videos = asked["video_id"].unique().sort().to_list()
    bound = Origin(dataset="scannet", terms_id="ScanNet-ToS", redistributable=False)
    write_origins(release, dict.fromkeys(videos[1:], bound))
    free = set(asked.filter(video_id=videos[0])["clip_id"])
    done = export_tasks(release, tmp_path / "batch")
    assert done.questions + done.left_out == len(asked)
    assert done.left_out == asked.filter(pl.col("video_id") != videos[0]).height > 0
    assert {path.stem for path in (tmp_path / "batch" / "media").iterdir()} == free
    assert export_tasks(release, tmp_path / "inside", sample=2, bound=True).left_out == 0
    write_origins(release, dict.fromkeys(videos, bound))
    with pytest.raises(ContractError, match="scannet terms forbid redistribution"):
        export_tasks(release, tmp_path / "none")
    with pytest.raises(ContractError, match="--bound"):
        write_gallery(release, tmp_path / "page.html")


def test_an_exported_batch_comes_back_into_a_project(demo_release, tmp_path):
    """The whole way, with annotations as the server writes them."""
    export_tasks(demo_release, tmp_path / "batch", sample=3)
    tasks = json.loads((tmp_path / "batch" / "tasks.json").read_text())
    annotation = TASKS[15]["annotations"][0]  # an acceptance, made in the browser
    for task in tasks:
        answer = {**task["predictions"][0]["result"][0], "origin": "prediction"}
        results = [r for r in annotation["result"] if r["from_name"] != "answer"]
        task["annotations"] = [{**annotation, "result": [answer, *results]}]
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    root = tmp_path / "project"
    (root / "data").mkdir(parents=True)
    (root / "data" / "release").symlink_to(demo_release)
    done = import_into(Project(root), tmp_path / "export.json")
    assert [v.decision for v in done.new] == ["accept"] * 3
    assert done.superseded == ()


def test_a_folder_without_a_release_says_so(tmp_path):
    with pytest.raises(ContractError, match="holds no release"):
        export_tasks(tmp_path, tmp_path / "batch")


def test_a_folder_of_any_name_is_linked(demo_release, tmp_path):
    folder = tmp_path / "batch #1 & more+"
    export_tasks(demo_release, folder, sample=2)
    for task in read_json(folder / "tasks.json"):
        query = urlsplit(task["data"]["marks"]).query
        (place,) = parse_qs(query)["d"]
        assert (tmp_path / place).is_file()


def test_a_fix_that_names_an_absent_mark_is_refused_by_itself(demo_release, tmp_path):
    export_tasks(demo_release, tmp_path / "batch", sample=2)
    tasks = read_json(tmp_path / "batch" / "tasks.json")
    shown = tasks[0]["data"]["marks_shown"]
    for task, mark in zip(tasks, (shown + 1, 1), strict=True):
        results = [
            {"from_name": "verdict", "value": {"choices": ["fix"]}},
            {"from_name": "reason", "value": {"text": ["unclear"]}},
            {"from_name": "new_question", "value": {"text": [f"Where is <obj_{mark}> now?"]}},
        ]
        task["annotations"] = [
            {"result": results, "completed_by": 1, "updated_at": "2026-01-01T00:00:00Z"}
        ]
    write_json(tmp_path / "export.json", tasks)
    known = {task["data"]["qa_id"]: 4 for task in tasks}
    found = import_verdicts(tmp_path / "export.json", tmp_path / "reviews", known)
    assert [verdict.qa_id for verdict in found.new] == [tasks[1]["data"]["qa_id"]]
    (refused,) = found.invalid
    assert f"<obj_{shown + 1}>, which the clip does not show" in refused.reason
