"""Every form of id is explained by the exact version that holds it, current or superseded."""

import json

import pytest

from benchmarks.synthetic.questions_project import QUESTIONS_PER_CLIP, QuestionsProject
from p4d import audit
from p4d.audit.lookup.why import why
from p4d.errors import LedgerError
from p4d.quality.results import CheckResult
from p4d.versioning.state.check_records import record_checks
from tests.versioning.fake import SHARDS

SMALL = 4 * QUESTIONS_PER_CLIP
FIRST, SECOND = SHARDS


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return QuestionsProject(tmp_path_factory.mktemp("synthetic"), SMALL).write()


@pytest.fixture
def own(tmp_path):
    return QuestionsProject(tmp_path, SMALL).write()


def first_question(synthetic):
    return synthetic.questions.sort("qa_id").row(0, named=True)


def walk(node):
    yield node
    for child in node.children:
        yield from walk(child)


def test_a_question_is_explained_down_to_its_video(made):
    row = first_question(made)
    node = audit.why(made.project, row["qa_id"])
    assert node.detail["question"] == row["question"]
    kinds = [child.kind for child in node.children]
    assert kinds == ["fact", "clip", "artifact"]
    found = {each.id for each in walk(node)}
    assert {row["clip_id"], row["video_id"], *row["fact_ids"], *row["region_ids"]} <= found
    assert f"shards/{made.shards[0]}.json" in found


def test_every_version_has_hash_maker_time_checks_and_the_command_that_restores_it(made):
    versions = [n.version for n in walk(audit.why(made.project, "champion")) if n.version]
    assert len(versions) > 10
    for version in versions:
        assert made.md5[version["artifact"]] == version["md5"]
        assert version["code_version"]
        assert version["params_digest"]
        assert version["commit"]
        assert version["dirty"] is False
        assert version["at"]
        assert len(version["checks"]) == 8
        assert version["restore"].endswith(f"--at {version['md5'][:12]}")
    assert json.loads(json.dumps(audit.why(made.project, "champion").to_json()))["id"] == "champion"


@pytest.mark.parametrize(
    ("identifier", "kind", "shown"),
    [
        ("evaluation:student_p4d/Counting", "number", ("accuracy", 0.5)),
        ("evaluation:p4d/counting", "number", ("n", 9)),
        ("evaluation:metrics.json/gain/value", "number", ("value", 0.25)),
        ("evaluation:gain.value", "number", ("value", 0.25)),
        ("expert:depth/absrel", "number", ("value", 0.1)),
        ("rel_made_up", "release", ("release_id", "rel_made_up")),
        ("decision_1", "decision", ("decision", "promoted")),
    ],
)
def test_numbers_releases_and_decisions_have_names(made, identifier, kind, shown):
    node = audit.why(made.project, identifier)
    assert node.kind == kind
    assert node.detail[shown[0]] == shown[1]
    assert node.version["md5"] == made.md5[node.version["artifact"]]


def test_a_label_is_named_by_clip_and_teacher(made):
    clip = first_question(made)["clip_id"]
    node = audit.why(made.project, f"label:{clip}/exact")
    assert node.kind == "label"
    assert node.version["artifact"] == f"labels@{made.shards[0]}"
    assert clip in {each.id for each in node.children}
    with pytest.raises(LedgerError, match=f"similar: label:{clip}/exact"):
        audit.why(made.project, f"label:{clip}/expert")


def test_an_id_that_only_an_old_version_holds_is_found_and_marked(own):
    old = first_question(own)
    audit.why(own.project, old["qa_id"])  # the index is built before the next version comes
    own.shard(own.shards[0], edition=2)
    own.commit()
    node = audit.why(own.project, old["qa_id"])
    key = f"questions@{own.shards[0]}"
    assert node.version["superseded_by"] == own.md5[key]
    assert node.version["md5"] != own.md5[key]
    assert "SUPERSEDED" in node.render_text()
    assert audit.why(own.project, first_question(own)["qa_id"]).version["md5"] == own.md5[key]


def test_unknown_ids_get_near_ones(made):
    qa_id = first_question(made)["qa_id"]
    swapped = qa_id[:-2] + qa_id[-1] + qa_id[-2]
    for typo in (swapped, qa_id[:-1], qa_id[:9]):
        with pytest.raises(LedgerError, match=f"{typo} is not recorded; similar: .*{qa_id}"):
            audit.why(made.project, typo)
    for typo, meant in (
        ("evaluaton", "evaluation"),
        ("evaluation:p4d/Countin", "evaluation:p4d/counting"),
        ("rel_made_upp", "rel_made_up"),
    ):
        with pytest.raises(LedgerError, match=f"similar: .*{meant}"):
            audit.why(made.project, typo)


def test_a_damaged_index_is_built_anew(own):
    row = first_question(own)
    audit.why(own.project, row["qa_id"])
    folder = own.project.state / "ids" / "questions"
    next(folder.glob("*.parquet")).unlink()
    assert audit.why(own.project, row["qa_id"]).id == row["qa_id"]
    (folder / "covered.json").write_text("{")
    assert audit.why(own.project, row["qa_id"]).id == row["qa_id"]


def test_an_edited_working_file_does_not_change_the_answer(own):
    row = first_question(own)
    for path in own.project.data.glob("questions/*/questions.parquet"):
        path.write_bytes(b"edited")
    assert audit.why(own.project, row["qa_id"]).detail["question"] == row["question"]


def test_a_stage_is_explained_down_to_its_sources(fake):
    made = fake.make_all()
    check = CheckResult(name="good", passed=False, severity="critical", description="is good")
    record_checks(fake.project, made["gather"].version, [check], run_id="r")
    node = why(fake.project, "choose")
    gather = node.children[0]
    assert gather.version["checks"]["good"]["passed"] is False
    assert gather.version["restore"] == f"p4d restore gather DEST --at {made['gather'].md5[:12]}"
    assert [c.id for c in gather.children] == [f"label@{FIRST}", f"label@{SECOND}"]
    assert {c.id for c in gather.children[0].children} == {f"take@{FIRST}", "teach"}
    assert gather.version["commit"] == fake.git("rev-parse", "HEAD").strip()
    text = node.render_text()
    assert "FAILED good" in text
    assert made[f"take@{FIRST}"].md5[:12] in text
    assert node.to_json()["children"][0]["id"] == "gather"
    assert why(fake.project, made["teach"].md5[:10]).id == "teach"
    assert why(fake.project, f"data/take/{FIRST}/name.txt").id == f"take@{FIRST}"
    with pytest.raises(LedgerError, match="nonsense is not recorded"):
        why(fake.project, "nonsense")


def test_a_tree_names_the_version_that_was_read_although_it_is_superseded(fake):
    fake.make_all()
    old = why(fake.project, "gather").children[0].version["md5"]
    fake.edit(f"shards/{FIRST}.json", "text of", "other text of")
    fake.make(f"take@{FIRST}")
    fake.make(f"label@{FIRST}")
    label = why(fake.project, "gather").children[0]
    assert label.version["md5"] == old
    assert label.version["superseded_by"] != old
    assert "SUPERSEDED" in label.render_text()
