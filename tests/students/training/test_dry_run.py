"""A dry run counts what the real network takes and takes real steps of its cut."""

import json

import pytest

from p4d.config import replace_params
from p4d.errors import ContractError
from p4d.students.model.adapters import FAMILIES
from p4d.students.training.dry_run import dry_run
from p4d.students.training.dry_run_report import lines
from tests.students import tiny
from tests.students.model.published.checkpoints import network_of, tokenizer_of

PUBLISHED = ("qwen3_vl", "qwen2_5_vl", "llava_onevision")


def params(**training):
    return replace_params(
        tiny.params(),
        clips={"size_px": 32},
        training={"questions_per_clip": 1, "learning_rate": 0.01, **training},
        distillation={"student_layer": -1, "hidden_width": 8},
    )


@pytest.fixture(params=PUBLISHED)
def config(request, tmp_path):
    """A small config of each family with more blocks than the cut."""
    model = network_of(request.param, tokenizer_of(request.param))
    settings = json.loads(model.config.to_json_string(use_diff=False))
    settings["text_config"]["num_hidden_layers"] = 5
    if "layer_types" in settings["text_config"]:
        settings["text_config"]["layer_types"] *= 3
        settings["text_config"]["layer_types"].pop()
    vision = settings["vision_config"]
    vision["depth" if "depth" in vision else "num_hidden_layers"] = 3
    file = tmp_path / "sized.json"
    file.write_text(json.dumps(settings))
    return file


def test_bytes_are_those_of_the_whole_network_and_steps_those_of_a_cut(config):
    found = dry_run(config, params())
    family = FAMILIES[json.loads(config.read_text())["model_type"]]
    real = family.model(family.model.config_class(**json.loads(config.read_text())))
    assert found.parameters == sum(weight.numel() for weight in real.parameters())
    full = found.memory["full", 1]
    decoder = full.weights - 4 * found.parameters
    assert decoder > 0
    assert full.gradients == full.weights
    assert full.optimizer == 2 * full.weights
    assert found.memory["full", 8].weights == full.weights // 8
    frozen, lora = found.memory["frozen_encoder", 1], found.memory["lora", 1]
    assert lora.gradients < frozen.gradients < full.gradients
    assert frozen.activations < full.activations
    cut = found.cut
    assert cut.parameters < found.parameters
    assert 0 < cut.visual_tokens < cut.tokens
    assert len(cut.losses) == 3
    assert len(set(cut.losses)) == 3  # the optimizer changed the weights
    assert cut.losses[-1] < cut.losses[0]
    assert any("estimated" in line for line in lines(found))


def test_weights_in_bfloat16_keep_a_float32_copy(config):
    half = dry_run(config, params(weights="bfloat16", precision="bfloat16")).memory["full", 1]
    whole = dry_run(config, params()).memory["full", 1]
    assert half.weights < 0.6 * whole.weights
    assert half.optimizer > 1.4 * whole.optimizer * 0.95


def test_what_is_no_config_of_a_known_family_is_refused(tmp_path):
    file = tmp_path / "odd.json"
    for content, why in [("[]", "no config"), ('{"model_type": "gpt2"}', "no student adapter")]:
        file.write_text(content)
        with pytest.raises(ContractError, match=why):
            dry_run(file, params())
    file.write_text('{"model_type": "qwen3_vl", "auto_map": {"AutoConfig": "x.Y"}}')
    with pytest.raises(ContractError, match="auto_map"):
        dry_run(file, params())
