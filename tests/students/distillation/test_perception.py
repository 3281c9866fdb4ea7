import pytest
import torch

from p4d.errors import ContractError
from p4d.students.distillation.perception import DecoderSizes, LatentStats, PerceptionDecoder


def decoder(**changed):
    sizes = {
        "student_width": 6,
        "student_grid": (2, 2),
        "slots": 4,
        "hooks": 3,
        "latent_grid": (2, 4, 4),
        "latent_width": 5,
        "hidden_width": 7,
    }
    return PerceptionDecoder(DecoderSizes(**(sizes | changed)))


@pytest.mark.parametrize("grid", [(2, 2), (4, 4), (3, 3), (7, 7)])
def test_any_student_grid_reaches_the_experts_grid(grid):
    tokens = torch.randn(2, 4, *grid, 6)
    assert decoder(student_grid=grid)(tokens).shape == (2, 3, 2, 4, 4, 5)


def test_a_coarse_token_predicts_the_teacher_tokens_it_covers_and_no_others():
    made = decoder()
    tokens = torch.randn(1, 4, 2, 2, 6)
    before = made(tokens)
    tokens[0, 3, 0, 1] += 1  # second tubelet, upper right
    changed = (made(tokens) != before).any(dim=-1)[0, 0]
    expected = torch.zeros(2, 4, 4, dtype=torch.bool)
    expected[1, 0:2, 2:4] = True
    assert torch.equal(changed, expected)


def test_a_slot_of_several_tubelets_predicts_each_of_them():
    made = decoder(slots=1, student_grid=(4, 4))
    tokens = torch.randn(1, 1, 4, 4, 6)
    predicted = made(tokens)
    assert predicted.shape == (1, 3, 2, 4, 4, 5)
    assert not torch.equal(predicted[:, :, 0], predicted[:, :, 1])
    tokens[0, 0, 2, 3] += 1
    changed = (made(tokens) != predicted).any(dim=-1)[0, 0]
    assert changed.nonzero().tolist() == [[0, 2, 3], [1, 2, 3]]


def test_a_linear_decoder_is_linear():
    made = decoder(hidden_width=0)
    one, other = torch.randn(1, 4, 2, 2, 6), torch.randn(1, 4, 2, 2, 6)
    torch.testing.assert_close(made(one + 2 * other), made(one) + 2 * made(other))


def test_initialisation_follows_the_paper():
    """Paper A1.1: per hook three layers of one hidden width, GELU, Xavier weights, zero biases."""
    torch.manual_seed(1)
    made = decoder(student_width=60, latent_width=50, hidden_width=200, student_grid=(4, 4))
    assert len(made.mlps) == 3
    for mlp in made.mlps:
        kinds = [type(layer) for layer in mlp]
        linear, gelu = torch.nn.Linear, torch.nn.GELU
        assert kinds == [linear, gelu, linear, gelu, linear]
        layers = [layer for layer in mlp if isinstance(layer, linear)]
        widths = [(layer.in_features, layer.out_features) for layer in layers]
        assert widths == [(120, 200), (200, 200), (200, 50)]  # two slots to a tubelet
        assert not any(layer.bias.any() for layer in layers)
        for layer in layers:
            # Glorot and Bengio 2010: uniform up to sqrt(6 / (in + out)).
            bound = (6 / (layer.in_features + layer.out_features)) ** 0.5
            assert 0.99 * bound < layer.weight.detach().abs().max().item() <= bound
            assert layer.weight.detach().std().item() == pytest.approx(bound / 3**0.5, rel=0.03)


def test_slots_and_tubelets_must_divide_into_each_other():
    with pytest.raises(ContractError, match=r"5 slots .* 2 tubelets"):
        decoder(slots=5)


def test_restoring_undoes_standardising():
    stats = LatentStats(mean_hd=torch.randn(3, 5), std_hd=torch.rand(3, 5) + 0.5)
    latents = torch.randn(2, 3, 2, 4, 4, 5)
    torch.testing.assert_close(stats.restore(stats.standardise(latents)), latents)
    expected = (latents[:, 1, ..., 2] - stats.mean_hd[1, 2]) / stats.std_hd[1, 2]
    torch.testing.assert_close(stats.standardise(latents)[:, 1, ..., 2], expected)
