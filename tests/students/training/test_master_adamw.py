import torch

from p4d.students.training.master_adamw import MasterAdamW


def problem(dtype, optimizer, steps=40, **settings):
    """Weights after steps of a constant small gradient."""
    weight = torch.nn.Parameter(torch.full((8,), 0.25, dtype=dtype))
    made = optimizer([weight], lr=1e-4, betas=(0.9, 0.98), **settings)
    for _ in range(steps):
        weight.grad = torch.full_like(weight, 1e-3)
        made.step()
    return weight, made


def test_steps_below_the_digits_of_bfloat16_are_not_lost():
    exact, _ = problem(torch.float32, torch.optim.AdamW, weight_decay=0.1)
    kept, made = problem(torch.bfloat16, MasterAdamW, weight_decay=0.1)
    lost, _ = problem(torch.bfloat16, torch.optim.AdamW, weight_decay=0.1)
    assert torch.equal(lost, torch.full_like(lost, 0.25))
    (state,) = made.state.values()
    torch.testing.assert_close(state["master"], exact.detach(), atol=1e-6, rtol=0)
    assert torch.equal(kept, exact.to(torch.bfloat16))


def test_in_float32_it_is_adamw_bit_by_bit():
    theirs, _ = problem(torch.float32, torch.optim.AdamW, weight_decay=0.1, foreach=True)
    ours, _ = problem(torch.float32, MasterAdamW, weight_decay=0.1)
    assert torch.equal(ours, theirs)


def test_its_state_survives_a_checkpoint_in_float32():
    weight, made = problem(torch.bfloat16, MasterAdamW)
    again = MasterAdamW([weight], lr=1e-4, betas=(0.9, 0.98))
    again.load_state_dict(made.state_dict())
    (before,), (after,) = made.state.values(), again.state.values()
    for name in ("step", "master", "exp_avg", "exp_avg_sq"):
        assert after[name].dtype == torch.float32
        assert torch.equal(after[name], before[name])
