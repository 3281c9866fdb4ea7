"""The linear layer finds what is linear in the tokens, and errors are those of the maps."""

import numpy as np
import pytest
import torch

from p4d.display.perceived import fit_linear, map_errors
from p4d.students.distillation.perception import DecoderSizes, LatentStats, PerceptionDecoder

# Two tubelets of the expert per slot, four of its tokens per token of the student.
SIZES = DecoderSizes(
    student_width=24,
    student_grid=(4, 4),
    slots=2,
    hooks=2,
    latent_grid=(4, 8, 8),
    latent_width=3,
    hidden_width=0,
)
STATS = LatentStats(mean_hd=torch.full((2, 3), 5.0), std_hd=torch.full((2, 3), 2.0))


def decoder(seed):
    torch.manual_seed(seed)
    return PerceptionDecoder(SIZES)


@torch.no_grad()
def test_a_linear_layer_that_made_the_latents_is_found_again():
    made_by, tokens = decoder(0), torch.randn(12, 2, 4, 4, 24, generator=torch.manual_seed(1))
    latents = STATS.restore(made_by(tokens))
    pairs = [(tokens[:8], latents[:8]), (tokens[8:10], latents[8:10])]
    found = fit_linear(decoder(2), pairs, STATS)
    unseen = tokens[10:]
    assert torch.allclose(STATS.restore(found(unseen)), latents[10:], atol=0.05)
    assert not torch.allclose(STATS.restore(decoder(2)(unseen)), latents[10:], atol=1.0)


@torch.no_grad()
def test_tokens_that_hold_nothing_give_the_mean():
    tokens = torch.zeros(6, 2, 4, 4, 24)
    latents = 5.0 + torch.randn(6, 2, 4, 8, 8, 3, generator=torch.manual_seed(3))
    found = STATS.restore(fit_linear(decoder(0), [(tokens, latents)], STATS)(tokens[:1]))
    # One mean per place within a token: of the tokens of 6 clips, 2 slots and 16 cells.
    wanted = latents.unflatten(2, (2, 2)).unflatten(4, (4, 2)).unflatten(6, (4, 2))
    mean = wanted.mean(dim=(0, 2, 4, 6))
    assert torch.allclose(found[0, :, 0, 0, 0], mean[:, 0, 0, 0], atol=1e-4)
    assert torch.allclose(found[0, :, 3, 7, 6], mean[:, 1, 1, 0], atol=1e-4)


def maps(**changed):
    motion = np.zeros((2, 4, 4), np.float32)
    motion[:, :2] = 1.0
    flow = np.zeros((2, 4, 4, 2), np.float32)
    flow[:, :2] = (3.0, 4.0)
    return {
        "depth_thw": np.full((2, 4, 4), 2.0, np.float32),
        "valid_thw": np.ones((2, 4, 4), np.uint8),
        "flow_px_thw2": flow,
        "flow_valid_thw": np.ones((2, 4, 4), np.uint8),
        "motion_thw": motion,
        **changed,
    }


def test_errors_are_those_of_the_maps():
    true = maps()
    assert map_errors([true], [true]) == {
        "depth_absrel": 0.0,
        "flow_of_zero": 0.0,
        "motion_iou": 1.0,
    }
    half = np.zeros((2, 4, 4), np.float32)
    half[:, :1] = 1.0
    seen = maps(
        depth_thw=np.full((2, 4, 4), 2.5, np.float32),
        flow_px_thw2=np.zeros((2, 4, 4, 2), np.float32),
        motion_thw=half,
    )
    assert map_errors([seen], [true]) == {
        "depth_absrel": 0.25,
        "flow_of_zero": 1.0,
        "motion_iou": 0.5,
    }


def test_only_what_is_valid_and_moves_counts():
    known = np.ones((2, 4, 4), np.uint8)
    known[:, 0] = 0
    true = maps(valid_thw=known, flow_valid_thw=known)
    wrong = maps()
    wrong["depth_thw"][:, 0] = 9.0
    wrong["flow_px_thw2"][:, 0] = 9.0
    wrong["motion_thw"][:, 0] = 0.0
    wrong["flow_px_thw2"][:, 3] = 9.0  # nothing moves there
    assert map_errors([wrong], [true]) == {
        "depth_absrel": 0.0,
        "flow_of_zero": 0.0,
        "motion_iou": pytest.approx(1.0),
    }
