"""Muon and AdamW as one optimizer: each weight gets its own step, also after a checkpoint."""

import copy
import dataclasses
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

from p4d.config import Params
from p4d.students.training.muon_adamw import muon_adamw, schedule
from p4d.students.training.run import Phases
from p4d.students.training.stages import build_p4d
from tests.students.training.test_trainer import LONG, TAUGHT, Killed, equal_bytes, inputs_of

RAW = yaml.safe_load((Path(__file__).parents[3] / "params.yaml").read_text())


class Network(nn.Module):
    """An encoder and a language model with one block each."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.ModuleDict({"blocks": nn.ModuleList([nn.Linear(6, 6)])})
        self.language_model = nn.ModuleDict({"layers": nn.ModuleList([nn.Linear(6, 4)])})
        self.table = nn.Embedding(5, 6)

    def gradients(self, seed):
        generator = torch.Generator().manual_seed(seed)
        for weight in self.parameters():
            weight.grad = torch.randn(weight.shape, generator=generator)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Network()


def training(**changed):
    params = Params.from_mapping(RAW).training
    settings = {"optimizer": "muon", "muon_rate": 3.0, "encoder_rate": 2.0, "weight_decay": 0.1}
    return dataclasses.replace(params, **settings, **changed)


def copied(network):
    other = Network()
    other.load_state_dict(network.state_dict())
    return other


def test_each_weight_has_the_step_of_its_optimizer_at_its_rate(network):
    other, params = copied(network), training(learning_rate=0.01)
    ours = muon_adamw(network, network.encoder, params)
    encoder, layer = other.encoder["blocks"][0], other.language_model["layers"][0]
    matching = {"adjust_lr_fn": "match_rms_adamw", "weight_decay": 0.1}
    theirs = [
        torch.optim.Muon([encoder.weight], lr=0.06, **matching),
        torch.optim.Muon([layer.weight], lr=0.03, **matching),
        torch.optim.AdamW([encoder.bias], lr=0.02, betas=params.adam_betas, weight_decay=0.0),
        torch.optim.AdamW([layer.bias], lr=0.01, betas=params.adam_betas, weight_decay=0.0),
        torch.optim.AdamW([other.table.weight], lr=0.01, betas=params.adam_betas, weight_decay=0.1),
    ]
    for seed in range(3):
        network.gradients(seed)
        other.gradients(seed)
        for optimizer in (ours, *theirs):
            optimizer.step()
    for name, weight in network.state_dict().items():
        torch.testing.assert_close(weight, other.state_dict()[name], rtol=0, atol=1e-7)


def test_a_matrix_without_gradient_decays_and_begins_when_it_gets_one(network, monkeypatch):
    """As by torch's optimizer, which orthogonalises the zeros."""
    other, params = copied(network), training(learning_rate=0.01)
    ours = muon_adamw(network, network.encoder, params)
    weight = network.language_model["layers"][0].weight
    plain = other.language_model["layers"][0].weight
    theirs = torch.optim.Muon([plain], lr=0.03, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    orthogonalised = []
    whole = torch.optim._muon._zeropower_via_newtonschulz
    monkeypatch.setattr(
        torch.optim._muon,
        "_zeropower_via_newtonschulz",
        lambda matrix, *rest: orthogonalised.append(matrix.shape) or whole(matrix, *rest),
    )
    for step in range(6):
        network.gradients(step)
        if step in (0, 1, 2, 4):  # at 4 there is momentum, and it is no rest
            weight.grad.zero_()
        plain.grad = given = weight.grad.clone()
        orthogonalised.clear()
        ours.step()
        assert ((4, 6) in orthogonalised) == (step >= 3)
        assert torch.equal(weight.grad, given)
        theirs.step()
        assert torch.equal(weight, plain), step
        assert torch.equal(
            ours.state[weight]["momentum_buffer"], theirs.state[plain]["momentum_buffer"]
        )


def test_a_loaded_state_goes_on_as_if_it_had_not_been_saved(network):
    params = training(learning_rate=0.01)
    ours = muon_adamw(network, network.encoder, params)
    network.gradients(0)
    ours.step()
    other = copied(network)
    again = muon_adamw(other, other.encoder, params)
    again.load_state_dict(copy.deepcopy(ours.state_dict()))
    for each, optimizer in ((network, ours), (other, again)):
        each.gradients(1)
        for group in optimizer.param_groups:
            group["lr"] *= 0.5  # as a schedule does: it must reach both optimizers
        optimizer.step()
    for name, weight in network.state_dict().items():
        assert torch.equal(weight, other.state_dict()[name]), name


@pytest.mark.parametrize(
    "phases",
    [
        Phases(warmup_steps=10, warmup_sft_weight=0.0),
        Phases(perception_steps=10),
        Phases(perception_steps=4, warmup_steps=6, warmup_sft_weight=0.0),
    ],
)
def test_the_schedule_begins_again_when_questions_are_asked(network, phases):
    params = training(learning_rate=1.0, steps=30, warmup_fraction=0.2)
    optimizer = muon_adamw(network, network.encoder, params)
    rates = schedule(optimizer, params, phases)
    seen = []
    for _ in range(30):
        seen.append(rates.get_last_lr()[0] / rates.base_lrs[0])
        optimizer.step()
        rates.step()
    assert max(seen) <= 1.0
    first, second = seen[:10], seen[10:]
    assert first.index(max(first)) == 2
    assert second.index(max(second)) == 4
    assert 0.03 < first[-1] < 0.15
    assert second[-1] < 0.05
    whole = schedule(optimizer, params, Phases())
    assert [whole.lr_lambdas[0](step) for step in (6, 30)] == [1.0, 0.0]


def test_a_run_that_resumes_leaves_equal_bytes(project, tmp_path):
    muon = {**TAUGHT, "training": {**LONG, "optimizer": "muon", "encoder_rate": 2.0}}

    def die(done, total, note):
        if done == 5 and not (tmp_path / "whole").is_dir():
            raise Killed

    killed = inputs_of(project, "student_p4d", work=tmp_path / "work", progress=die, **muon)
    with pytest.raises(Killed):
        build_p4d(killed, tmp_path / "first")
    build_p4d(inputs_of(project, "student_p4d", **muon), tmp_path / "whole")
    build_p4d(killed, tmp_path / "out")
    assert equal_bytes(tmp_path / "out", tmp_path / "whole") == []
