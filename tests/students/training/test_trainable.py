import dataclasses

import pytest
import torch

from p4d.artifacts import read_json
from p4d.config import replace_params
from p4d.errors import ConfigError
from p4d.students import load
from p4d.students.model.new_rows import rows_of
from p4d.students.model.student import save_student
from p4d.students.training.arm import Arm
from p4d.students.training.stages import build_sft
from p4d.students.training.trainable import merged, prepare
from p4d.students.use.export import training_only_weights
from tests.students import tiny

IDS = torch.arange(20, 40)[None]


def params(**changed):
    return replace_params(tiny.params(), training=changed).training


@pytest.fixture
def adapter(student_folder):
    return load(student_folder).adapter


def hidden(adapter):
    """Last hidden states of plain text and of what two frames become."""
    ids = torch.cat(
        [IDS, torch.tensor([adapter.visual_ids([0.0, 0.5], lambda text: [8])]), IDS], dim=1
    )
    length = ids.shape[1]
    frames = torch.arange(2 * 32 * 32 * 3).view(1, 2, 32, 32, 3).remainder(251).to(torch.uint8)
    return adapter.last_state(
        input_ids=ids,
        position_ids=torch.arange(length)[None],
        attention_mask=torch.ones(length, length, dtype=torch.bool).tril()[None, None],
        **adapter.encode(frames, torch.tensor([[0.0, 0.5]])),
    )


def trained(adapter, steps=2):
    """A few steps of the weights that learn; returns the names of those that changed."""
    model = adapter.model
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    optimizer = torch.optim.SGD([w for w in model.parameters() if w.requires_grad], 0.05)
    for _ in range(steps):
        optimizer.zero_grad()
        (hidden(adapter) * torch.linspace(-1, 1, adapter.hidden_width)).mean().backward()
        optimizer.step()
    return {n for n, w in model.named_parameters() if not torch.equal(w, before[n])}


def parts(adapter, modules):
    inside = {id(weight) for module in modules for weight in module.parameters()}
    return {name for name, weight in adapter.model.named_parameters() if id(weight) in inside}


def test_a_frozen_encoder_stays_and_projector_and_language_model_learn(adapter):
    done = prepare(adapter, params(trainable="frozen_encoder"))
    projector = parts(adapter, adapter.projector())
    encoder = parts(adapter, [adapter.encoder()]) - projector
    changed = trained(adapter)
    assert not changed & encoder
    assert changed & projector
    assert any("language_model" in name for name in changed)
    assert 0 < done.trainable < done.total


def test_all_weights_learn_when_training_is_full(adapter):
    prepare(adapter, params(trainable="frozen_encoder"))
    done = prepare(adapter, params(trainable="full"))
    assert done.trainable == done.total
    assert trained(adapter) & parts(adapter, [adapter.encoder()])


def test_lora_updates_start_at_zero_are_trained_and_merge_into_a_plain_checkpoint(
    adapter, student_folder, tmp_path
):
    names = {name for name, _ in adapter.model.named_parameters()}
    with torch.no_grad():
        before = hidden(adapter)
    done = prepare(adapter, params(trainable="lora", seed=3))
    with torch.no_grad():
        assert torch.equal(hidden(adapter), before)
    assert 0 < done.trainable < done.total
    changed = trained(adapter)
    assert changed <= parts(adapter, adapter.projector()) | {n for n in changed if "lora_" in n}
    assert any("lora_" in name for name in changed)
    with torch.no_grad():
        learnt = hidden(adapter)
    assert not torch.allclose(learnt, before, atol=1e-4)
    model = merged(adapter.model)
    assert model is adapter.model
    assert {name for name, _ in model.named_parameters()} == names
    with torch.no_grad():
        torch.testing.assert_close(hidden(adapter), learnt, atol=1e-5, rtol=1e-4)
    student = load(student_folder)
    save_student(tmp_path, model, student.tokenizer)
    (tmp_path / "card.json").write_text('{"sees_video": true}')
    with torch.no_grad():
        torch.testing.assert_close(hidden(load(tmp_path).adapter), learnt, atol=1e-5, rtol=1e-4)


def test_equal_seeds_give_equal_lora_updates(student_folder):
    def drawn(seed):
        adapter = load(student_folder).adapter
        prepare(adapter, params(trainable="lora", seed=seed))
        return next(w for n, w in adapter.model.named_parameters() if "lora_A" in n).detach()

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))


def test_merging_a_student_without_lora_updates_changes_nothing(adapter):
    with torch.no_grad():
        before = hidden(adapter)
        assert torch.equal(hidden(type(adapter)(merged(adapter.model))), before)


def test_an_unknown_choice_is_named():
    with pytest.raises(ConfigError, match=r"trainable must be among .*frozen_encoder.*lora"):
        params(trainable="half")


def test_rank_scale_and_layers_of_lora_are_parameters(student_folder):
    adapter = load(student_folder).adapter
    prepare(adapter, params(trainable="lora", lora_rank=3, lora_alpha=12, lora_targets=("q_proj",)))
    layers = {n: part for n, part in adapter.model.named_modules() if hasattr(part, "lora_A")}
    assert layers
    assert all(name.endswith("q_proj") for name in layers)
    for layer in layers.values():
        assert layer.lora_A["default"].out_features == 3
        assert layer.scaling["default"] == 12 / 3


def test_an_arm_trained_with_lora_is_a_plain_checkpoint(project, tmp_path):
    inputs = project.inputs("student_sft")
    changed = replace_params(project.params, training={"trainable": "lora", "steps": 2})
    build_sft(dataclasses.replace(inputs, all_params=changed), tmp_path / "sft")
    card = read_json(tmp_path / "sft" / "card.json")
    assert card["trainable"] == "lora"
    assert 0 < card["trainable_parameters"] < card["parameters"]
    assert training_only_weights(tmp_path / "sft" / "model") == []
    base = load(project.root / "base_student").adapter.model.state_dict()
    learnt = load(tmp_path / "sft").adapter.model.state_dict()
    assert base.keys() == learnt.keys()
    changed = {name for name, weight in learnt.items() if not torch.equal(weight, base[name])}
    assert changed
    assert not any("vision_tower" in name for name in changed)


def test_every_family_names_the_layers_that_are_sharded_one_by_one(adapter):
    arm = Arm(adapter, None)
    names = [n for n, part in arm.named_modules() if type(part).__name__ in arm._no_split_modules]
    config = adapter.model.config
    seeing = getattr(config.vision_config, "num_hidden_layers", None) or config.vision_config.depth
    assert sum("language_model" in n for n in names) == config.text_config.num_hidden_layers
    assert sum("vis" in n for n in names) >= seeing  # SigLIP also names its pooling head


def test_lora_trains_the_rows_of_new_tokens_and_no_other_row(student_folder):
    """The additions reach the tied head, too, once they are merged."""
    adapter = load(student_folder).adapter
    table, new = adapter.model.get_input_embeddings(), [7, 9]
    before = table.weight.detach().clone()
    prepare(adapter, params(trainable="lora"), new)
    ids = torch.tensor([[4, 7, 9, 5]])
    plain = torch.nn.functional.embedding(ids, before)
    assert torch.equal(table(ids), plain)
    rows = dict(adapter.model.named_parameters())
    (name,) = [name for name in rows if name.endswith("new_rows.added")]
    assert not rows[name.replace("new_rows.added", "weight")].requires_grad
    (rows_of(table, torch.tensor([9])).sum() + table(ids).sum()).backward()
    assert torch.equal(rows[name].grad[:, 0], torch.tensor([1.0, 2.0]))
    with torch.no_grad():
        rows[name] += 0.5
    model = merged(adapter.model)
    expected = before.clone()
    expected[new] += 0.5
    assert torch.equal(model.get_input_embeddings().weight, expected)
    assert torch.equal(model.lm_head.weight, expected)
    assert not any("new_rows" in name for name in model.state_dict())


def test_the_release_trains_the_language_model_alone(adapter):
    prepare(adapter, params(trainable="language_model"))
    trained = {name for name, weight in adapter.model.named_parameters() if weight.requires_grad}
    assert trained
    assert not trained & parts(adapter, [adapter.encoder(), *adapter.projector()])
    assert any("language_model" in name for name in trained)
