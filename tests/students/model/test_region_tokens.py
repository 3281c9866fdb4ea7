"""The vectors that regions add to embeddings and visual tokens."""

import pytest
import torch

from p4d.errors import ContractError
from p4d.students.model.prompt_settings import PromptSettings
from p4d.students.model.region_tokens import contrast, coverage, described, place, tagged

UPPER_HALF_AND_NOTHING = torch.zeros(1, 2, 4, 4)
UPPER_HALF_AND_NOTHING[0, 0, :2] = 1


def test_visual_tokens_under_a_region_carry_its_name():
    cover = coverage(UPPER_HALF_AND_NOTHING, (2, 2))[0]
    features = torch.arange(10.0).view(5, 2)
    tags = tagged(features, cover, torch.tensor([[10.0, 0.0], [0.0, 10.0]]))
    assert torch.equal(tags - features, torch.tensor([[10.0, 0]] * 2 + [[0.0, 0]] * 3))


def test_a_region_is_described_by_its_contrast_to_the_frame():
    cover = coverage(UPPER_HALF_AND_NOTHING, (2, 2))[0]
    features = torch.tensor([[5.0, 1.0], [5.0, 1.0], [5.0, 3.0], [5.0, 3.0], [0.0, 9.0]])
    assert torch.equal(contrast(features, cover)[0], torch.tensor([0.0, -1.0]))
    with pytest.raises(ContractError, match="3 visual tokens are fewer than a slot of 4"):
        contrast(features[:3], cover)


def test_what_is_added_to_a_name_has_its_size_and_is_nothing_for_an_empty_region():
    cover = coverage(UPPER_HALF_AND_NOTHING, (2, 2))[0]
    features = torch.randn(8, 12, generator=torch.Generator().manual_seed(1))
    names = torch.full((2, 12), 2.0)
    added = described(features, cover, (2, 2), names, PromptSettings())
    larger = described(1000 * features, cover, (2, 2), names, PromptSettings())
    assert torch.allclose(added, larger, atol=1e-4)
    assert 0.3 * 48**0.5 <= float(added[0].norm()) <= 2.7 * 48**0.5
    assert not added[1].any()


def test_places_separate_regions_and_near_ones_are_similar():
    masks = torch.zeros(1, 3, 8, 8)
    for region, left in enumerate((0, 1, 5)):
        masks[0, region, 2:5, left : left + 3] = 1
    first, near, far = place(coverage(masks, (8, 8))[0], (8, 8), 96)
    assert torch.cosine_similarity(first, near, 0) > torch.cosine_similarity(first, far, 0)
    assert torch.cosine_similarity(first, near, 0) < 0.99
