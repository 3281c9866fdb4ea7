"""Settings of torch hold inside the block and are restored after it."""

import torch

from p4d.determinism import deterministic


def test_compute_settings_are_restored():
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    state = torch.get_rng_state()
    with deterministic(1, seed=4):
        torch.rand(3)
        assert torch.are_deterministic_algorithms_enabled()
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == before
    assert torch.equal(torch.get_rng_state(), state)
