"""The recipe builds the network whose weights ship with the package."""

from transformers import AutoTokenizer

from p4d.artifacts import read_json
from p4d.project import Project
from p4d.students import embedded, load
from p4d.studies.embedded_student.__main__ import network
from p4d.studies.embedded_student.recipe import Recipe


def test_the_network_of_the_recipe_is_that_of_the_embedded_weights():
    clips = Project.find().params.clips
    tokenizer = AutoTokenizer.from_pretrained(embedded.FOLDER / "tokenizer", local_files_only=True)
    built = network(Recipe(), clips, tokenizer)
    shipped = load(embedded.FOLDER).adapter.model
    shapes = [{n: w.shape for n, w in model.state_dict().items()} for model in (built, shipped)]
    assert shapes[0] == shapes[1]
    configs = [model.config.to_dict() for model in (built, shipped)]
    for config in configs:
        for key in ("dtype", "architectures", "transformers_version", "_name_or_path"):
            config.pop(key, None)
        for part in ("text_config", "vision_config"):
            config[part].pop("dtype", None)
    assert configs[0] == configs[1]


def test_the_card_records_the_recipe():
    recorded = read_json(embedded.FOLDER / "card.json")["recipe"]
    recipe = Recipe()
    assert {name: getattr(recipe, name) for name in recorded} == recorded
