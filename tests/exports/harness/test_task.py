"""The lmms-eval task: what its functions show, read and score. lmms-eval itself runs them in
`benchmarks/doors/exports.py`.
"""

import importlib.util
import json

import pytest
import yaml

from p4d.exports.training.export import TrainingOptions, export_training, write_answers


class _Loader(yaml.SafeLoader):
    """Reads `!function` as the name of the function, as lmms-eval's simple mode does."""


_Loader.add_constructor("!function", lambda loader, node: loader.construct_scalar(node))


def load_utils(folder):
    spec = importlib.util.spec_from_file_location("utils", folder / "utils.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def held_out(small, tmp_path_factory):
    options = TrainingOptions(size_px=64, held_out_answers=True)
    done = export_training(small.project, tmp_path_factory.mktemp("held_out") / "out", options)
    return done.path / "lmms_eval" / "p4d_heldout"


def documents(folder):
    return [json.loads(line) for line in (folder / "questions.jsonl").read_text().splitlines()]


def scores(utils, docs, reply):
    rows = [utils.process_results(doc, [reply(doc)]) for doc in docs]
    found = {}
    for metric, function in (
        ("p4d_accuracy", utils.accuracy),
        ("p4d_categories", utils.category_mean),
        ("p4d_exchange", utils.exchange_groups),
    ):
        found[metric] = function([row[metric] for row in rows])
    return found


def test_every_function_and_file_that_the_yaml_names_exists(held_out):
    config = yaml.load((held_out / "p4d_heldout.yaml").read_text(), _Loader)
    utils = load_utils(held_out)
    named = [value for value in config.values() if str(value).startswith("utils.")]
    named += [metric["aggregation"] for metric in config["metric_list"]]
    assert len(named) == 8
    assert all(callable(getattr(utils, name.removeprefix("utils."))) for name in named)
    assert (held_out / config["dataset_kwargs"]["data_files"]["test"]).is_file()


def test_a_question_shows_its_marks_its_video_and_no_tag(held_out):
    utils, doc = load_utils(held_out), documents(held_out)[0]
    picture, video = utils.doc_to_visual(doc)
    assert picture.size == (36, 64) and video.endswith(".mp4")
    text = utils.doc_to_text(doc)
    assert "how fast is <obj_1>?\nA. 1 m/s\nB. 2 m/s" in text and "<video>" not in text
    (message,) = utils.doc_to_messages(doc)
    assert [part["type"] for part in message["content"]] == ["image", "video", "text"]


def test_option_bias_answers_no_exchange_group(held_out):
    utils, docs = load_utils(held_out), documents(held_out)
    assert scores(utils, docs, utils.doc_to_target) == {
        "p4d_accuracy": 1.0, "p4d_categories": 1.0, "p4d_exchange": 1.0,
    }  # fmt: skip
    for letter in "ABCD":  # whoever prefers a letter is at chance, and right in no group
        found = scores(utils, docs, lambda doc, letter=letter: letter)
        assert found["p4d_accuracy"] == 0.25 and found["p4d_exchange"] == 0.0
    first = docs[0]["id"]
    found = scores(utils, docs, lambda d: "E" if d["id"] == first else utils.doc_to_target(d))
    assert found["p4d_accuracy"] == 0.75 and found["p4d_exchange"] == 0.0


@pytest.mark.parametrize(
    ("text", "letter"),
    [("B", "B"), ("(C) 3 m/s", "C"), ("The answer is D.", "D"), ("none", None), ("E", None)],
)
def test_a_letter_is_read_from_a_reply(held_out, text, letter):
    assert load_utils(held_out).letter_of(text, 4) == letter


def test_without_answers_the_task_says_where_they_come_from(small, exported, tmp_path, monkeypatch):
    folder = exported.path / "lmms_eval" / "p4d_heldout"
    utils, doc = load_utils(folder), documents(folder)[0]
    assert not (folder / "answers.json").exists()
    with pytest.raises(FileNotFoundError, match="p4d export answers FILE"):
        utils.process_results(doc, ["A"])
    write_answers(small.project, tmp_path / "answers.json")
    monkeypatch.setenv("P4D_HELD_OUT_ANSWERS", str(tmp_path / "answers.json"))
    found = scores(load_utils(folder), documents(folder), utils.doc_to_target)
    assert found["p4d_exchange"] == 1.0
