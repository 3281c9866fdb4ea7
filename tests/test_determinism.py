"""Settings of torch hold inside the block and are restored after it."""

import os
import subprocess
import sys

import pytest
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


def test_on_cuda_what_has_no_deterministic_kernel_warns_instead_of_raising(monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    with deterministic(1, seed=4, device="cuda"):
        assert torch.is_deterministic_algorithms_warn_only_enabled()
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
        with pytest.warns(UserWarning, match="does not have a deterministic implementation"):
            _without_a_kernel()
    assert not torch.is_deterministic_algorithms_warn_only_enabled()
    with deterministic(1, seed=4), pytest.raises(RuntimeError, match="deterministic"):
        _without_a_kernel()


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU may compile networks")
def test_without_a_gpu_the_compiler_is_not_imported():
    code = """
import sys
import torch
from p4d.determinism import deterministic

with deterministic(1, seed=4):
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.is_deterministic_algorithms_warn_only_enabled()
assert not torch.are_deterministic_algorithms_enabled()
print("torch._inductor.config" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.stdout == "False\n"


def test_on_cuda_what_is_compiled_is_deterministic_too():
    from torch._inductor import config

    with deterministic(1, seed=4, device="cuda"):
        assert config.deterministic
    assert not config.deterministic


def _without_a_kernel():
    """An operation that torch calls not deterministic on every device."""
    torch.zeros(4).put_(torch.tensor([0, 0]), torch.tensor([1.0, 2.0]))
