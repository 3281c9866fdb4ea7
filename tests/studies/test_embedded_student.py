"""The recipes build the networks whose weights ship with the package, and the lessons run."""

import pytest
from transformers import AutoTokenizer

from p4d.artifacts import read_json
from p4d.project import Project
from p4d.students import embedded, load
from p4d.studies.embedded_student.__main__ import network
from p4d.studies.embedded_student.recipe import EMBEDDED_RECIPE, TUNED_RECIPE

STUDENTS = pytest.mark.parametrize(
    ("folder", "recipe"),
    [(embedded.FOLDER, EMBEDDED_RECIPE), (embedded.TUNED_FOLDER, TUNED_RECIPE)],
    ids=["embedded", "tuned"],
)


@STUDENTS
def test_the_network_of_the_recipe_is_that_of_the_embedded_weights(folder, recipe):
    clips = Project.find().params.clips
    tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
    built = network(recipe, clips, tokenizer)
    shipped = load(folder).adapter.model
    shapes = [{n: w.shape for n, w in model.state_dict().items()} for model in (built, shipped)]
    assert shapes[0] == shapes[1]
    configs = [model.config.to_dict() for model in (built, shipped)]
    for config in configs:
        for key in ("dtype", "architectures", "transformers_version", "_name_or_path"):
            config.pop(key, None)
        for part in ("text_config", "vision_config"):
            config[part].pop("dtype", None)
    assert configs[0] == configs[1]


@STUDENTS
def test_the_card_records_the_recipe(folder, recipe):
    recorded = read_json(folder / "card.json")["recipe"]
    assert {name: plain(getattr(recipe, name)) for name in recorded} == recorded


def plain(value):
    return list(value) if isinstance(value, tuple) else value
