"""Behaviour that all families share, and agreement with transformers' own code."""

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, Qwen2VLImageProcessorPil

from p4d.config import replace_params
from p4d.errors import ContractError
from p4d.students import load
from p4d.students.model.adapters import FAMILIES, adapter_for, initial_model
from p4d.students.model.adapters.picture_format import PictureFormat, tubelet_patches
from p4d.students.model.adapters.protocol import ABSENT, Medium, media_of
from p4d.students.model.adapters.qwen_vl_network import CLIP
from p4d.students.model.student import save_student
from p4d.students.model.time_encoding import time_encoding
from p4d.students.model.tokenizer import train_tokenizer
from tests.students import tiny

NAN = float("nan")
SIZE = tiny.SIZE


@pytest.fixture
def adapter(family_student):
    return family_student.adapter


def spelt(text):
    """Any text around pictures, as one token."""
    return [8]


def pictures(*shape, seed=0):
    values = np.random.default_rng(seed).integers(0, 256, (*shape, SIZE, SIZE, 3), dtype=np.uint8)
    return torch.from_numpy(values)


def features(adapter, frames, times_s):
    """Projected features that take the place of visual tokens, in order of the text."""
    encoded = adapter.encode(frames, torch.tensor(times_s))["mm_encoder_outputs"]
    parts = [encoded[kind].pooler_output for kind in ("image", "video") if kind in encoded]
    return torch.cat([vectors for part in parts for vectors in part])


def hidden_of(adapter, frames, times_s, tail=(5, 6, 7)):
    """Last hidden states of one plain causal row: pictures, then some text."""
    ids = torch.tensor([[4, *adapter.visual_ids(times_s, spelt), *tail]])
    length = ids.shape[1]
    return adapter.last_state(
        input_ids=ids,
        position_ids=torch.arange(length)[None],
        attention_mask=torch.ones(length, length, dtype=torch.bool).tril()[None, None],
        **adapter.encode(frames, torch.tensor([times_s])),
    )


def test_frames_divide_into_stills_and_videos_by_their_times():
    times_s = [NAN, 0.0, 0.5, 0.25, 0.75, NAN, NAN, 1.0, ABSENT]
    assert media_of(times_s) == [
        Medium(0, 1, True),
        Medium(1, 3, False),
        Medium(3, 5, False),
        Medium(5, 6, True),
        Medium(6, 7, True),
        Medium(7, 8, False),
    ]


@torch.no_grad()
def test_time_changes_the_features_of_timed_frames_only(adapter):
    frames = pictures(1, 5)
    plain = features(adapter, frames, [[NAN, 0.0, 0.5, 1.0, 1.5]])
    later = features(adapter, frames, [[NAN, 0.0, 0.5, 1.0, 2.5]])
    changed = (plain != later).any(dim=1).nonzero().flatten().tolist()
    per_slot = adapter.frame_grid()[0] ** 2
    ends = adapter.visual_tokens(adapter.frames_per_slot) - per_slot  # of LLaVA: a newline
    last = len(plain) - per_slot - ends
    assert changed == list(range(last, last + per_slot))


@torch.no_grad()
def test_a_slot_has_the_mean_time_of_its_frames(adapter):
    frames = pictures(1, 4)
    spread = features(adapter, frames, [[0.0, 1.0, 4.0, 6.0]])
    tight = features(adapter, frames, [[0.25, 0.75, 4.5, 5.5]])
    same = torch.allclose(spread, tight, atol=1e-6)
    assert same == (adapter.frames_per_slot == 2)


@torch.no_grad()
def test_the_time_encoding_of_each_slot_is_added_to_what_enters_the_projector(adapter):
    """Two clocks over the same frames: the inputs differ by the difference of the encodings."""
    (module, *_) = adapter.projector()
    entered = []
    handle = module.register_forward_hook(lambda _, given, out: entered.append(given[0]))
    frames, clocks = pictures(1, 4), ([0.0, 0.5, 1.0, 1.5], [3.0, 4.5, 20.0, 30.0])
    for times_s in clocks:
        features(adapter, frames, [times_s])
    handle.remove()
    width, slots = entered[0].shape[-1], 4 // adapter.frames_per_slot
    first, second = (values.reshape(slots, -1, width) for values in entered)
    slot_times = (torch.tensor(times_s).view(slots, -1).mean(dim=1) for times_s in clocks)
    before, after = (time_encoding(times, width)[:, None] for times in slot_times)
    expected = (after - before).expand_as(first)
    assert float(expected.abs().max()) > 0.5
    torch.testing.assert_close(second - first, expected, atol=1e-5, rtol=0)


@torch.no_grad()
def test_nothing_is_added_to_a_still(adapter):
    (module, *_) = adapter.projector()
    entered = []
    handle = module.register_forward_hook(lambda _, given, out: entered.append(given[0]))
    for time_s in (NAN, 0.0):
        features(adapter, pictures(1, 1), [[time_s]])
    handle.remove()
    still, timed = entered
    sines_and_cosines_of_0 = torch.tensor([0.0, 1.0]).repeat(still.shape[-1] // 2)
    difference = (timed - still).reshape(-1, still.shape[-1])
    torch.testing.assert_close(
        difference, sines_and_cosines_of_0.expand_as(difference), atol=1e-5, rtol=0
    )


@torch.no_grad()
def test_several_videos_and_stills_are_encoded_as_each_is_alone(adapter):
    frames = pictures(1, 8)
    times_s = [0.0, 0.5, NAN, 0.0, 0.25, 0.5, 0.75, ABSENT]
    together = hidden_of(adapter, frames, times_s)
    ids = adapter.visual_ids(times_s, spelt)
    assert ids == [
        token
        for part in ([0.0, 0.5], [NAN], [0.0, 0.25, 0.5, 0.75])
        for token in adapter.visual_ids(part, spelt)
    ]
    alone = hidden_of(adapter, frames[:, :2], times_s[:2])
    first = 1 + len(adapter.visual_ids(times_s[:2], spelt))
    torch.testing.assert_close(together[:, :first], alone[:, :first], atol=1e-5, rtol=1e-5)
    rest = adapter.frame_tokens(
        together, torch.tensor([[4, *ids, 5, 6, 7]]), torch.tensor([times_s])
    )
    assert rest.shape[1] == 6 // adapter.frames_per_slot


@torch.no_grad()
def test_rows_with_fewer_pictures_are_padded_without_effect(adapter):
    frames = pictures(2, 4)
    times_s = [[0.0, 0.5, 1.0, 1.5], [NAN, ABSENT, ABSENT, ABSENT]]
    both = features(adapter, frames, times_s)
    assert len(both) == adapter.visual_tokens(4) + adapter.visual_tokens(0, stills=1)
    one = features(adapter, frames[:1], times_s[:1])
    at = len(both) - len(one) if adapter.frames_per_slot == 2 else 0  # images come first there
    torch.testing.assert_close(both[at : at + len(one)], one, atol=1e-5, rtol=1e-5)


@torch.no_grad()
@torch.no_grad()
def test_rows_that_show_the_same_pictures_are_encoded_once(adapter):
    frames, times_s = pictures(3, 5), torch.tensor(
        [[NAN, 0.0, 0.5, 1.0, 1.5], [0.0, 1.0, 2.0, 3.0, ABSENT], [NAN, NAN, 0.0, 0.5, ABSENT]]
    )  # fmt: skip
    rows = [2, 0, 0, 1, 2]
    once = adapter.repeated(adapter.encode(frames, times_s), times_s, rows)
    each = adapter.encode(frames[rows], times_s[rows])
    assert once.keys() == each.keys()
    for name in once.keys() - {"mm_encoder_outputs"}:
        assert torch.equal(once[name], each[name])
    for kind, output in each["mm_encoder_outputs"].items():
        found = once["mm_encoder_outputs"][kind]
        for field in ("pooler_output", "deepstack_features"):
            expected, got = flat(output.get(field)), flat(found.get(field))
            assert [part.shape for part in got] == [part.shape for part in expected]
            for part, wanted in zip(got, expected, strict=True):
                assert torch.allclose(part, wanted, atol=1e-5)


def flat(parts):
    """The tensors of nested sequences, in order."""
    if parts is None or isinstance(parts, torch.Tensor):
        return [] if parts is None else [parts]
    return [tensor for part in parts for tensor in flat(part)]


def test_plain_positions_reach_the_language_model_of_a_family_without_m_rope(adapter):
    if hasattr(adapter, "positions"):
        pytest.skip("M-RoPE is compared with transformers' own positions below")
    received = []
    handle = adapter.model.model.language_model.register_forward_pre_hook(
        lambda _, given, named: received.append(named["position_ids"]), with_kwargs=True
    )
    hidden_of(adapter, pictures(1, 2), [0.0, 0.5])
    handle.remove()
    (positions,) = received
    assert positions.flatten().tolist() == list(range(positions.shape[-1]))


@torch.no_grad()
def test_positions_are_those_of_transformers(adapter):
    if not hasattr(adapter, "positions"):
        pytest.skip("plain positions are tested above")
    times_s = [NAN, 0.0, 0.5, 1.0, 1.5, 0.0, 0.5]
    ids = torch.tensor(
        [
            [
                4,
                5,
                *adapter.visual_ids(times_s[:5], spelt),
                6,
                *adapter.visual_ids(times_s[5:], spelt),
                7,
            ]
        ]
    )
    seen = adapter.encode(pictures(1, 7), torch.tensor([times_s]))
    kinds = (ids == adapter.model.config.image_token_id).int()
    kinds += 2 * (ids == adapter.model.config.video_token_id).int()
    theirs, _ = adapter.model.model.get_rope_index(
        ids,
        kinds,
        image_grid_thw=seen["image_grid_thw"],
        video_grid_thw=seen["video_grid_thw"],
        second_per_grid_ts=seen.get("second_per_grid_ts"),
    )
    length = ids.shape[1]
    ours = adapter.positions(
        ids,
        torch.arange(length)[None],
        torch.ones(length, length, dtype=torch.bool).tril()[None, None],
        seen.get("second_per_grid_ts"),
    )
    assert torch.equal(ours, theirs)


def test_a_saved_student_answers_as_before(family_student, tmp_path, project):
    adapter = family_student.adapter
    save_student(tmp_path, adapter.model, family_student.tokenizer)
    (tmp_path / "card.json").write_text('{"sees_video": true}')
    again = load(tmp_path).adapter
    frames, times_s = pictures(1, 5), [NAN, 0.0, 0.5, 1.0, 1.5]
    with torch.no_grad():
        assert torch.equal(hidden_of(adapter, frames, times_s), hidden_of(again, frames, times_s))


def test_gradients_reach_the_encoder_through_the_visual_tokens(adapter):
    frames, times_s = pictures(1, 4), [0.0, 0.5, 1.0, 1.5]
    ids = torch.tensor([[4, *adapter.visual_ids(times_s, spelt), 5, 6, 7]])
    hidden = hidden_of(adapter, frames, times_s)
    tokens = adapter.frame_tokens(hidden, ids, torch.tensor([times_s]))
    adapter.model.zero_grad()
    tokens.square().sum().backward()
    grads = [p.grad for n, p in adapter.model.named_parameters() if "vision" in n or "visual" in n]
    assert any(grad is not None and bool(grad.any()) for grad in grads)
    adapter.model.zero_grad()


def test_tubelets_are_packed_in_the_documented_layout():
    """Rows by tubelet, then 2 x 2 blocks of patches; values by channel, frame, y, x."""
    px, size = 4, 16
    frames = torch.from_numpy(
        np.random.default_rng(1).integers(0, 256, (4, size, size, 3), dtype=np.uint8)
    )
    made = PictureFormat(size, *CLIP).normalised(frames)
    rows, grid = tubelet_patches(made, patch_px=px, frames=2, merge=2)
    assert grid == (2, 4, 4)
    expected = [
        made[t : t + 2, :, y : y + px, x : x + px].transpose(0, 1).flatten()
        for t in (0, 2)
        for block_y in (0, 2 * px)
        for block_x in (0, 2 * px)
        for y in (block_y, block_y + px)
        for x in (block_x, block_x + px)
    ]
    assert torch.equal(rows, torch.stack(expected))


def test_a_still_is_packed_as_the_official_image_processor_does():
    frame = np.random.default_rng(2).integers(0, 256, (56, 56, 3), dtype=np.uint8)
    theirs = Qwen2VLImageProcessorPil(patch_size=14)(images=[frame], return_tensors="pt")
    made = PictureFormat(56, *CLIP).normalised(torch.from_numpy(frame)[None])
    rows, grid = tubelet_patches(made, patch_px=14, frames=2, merge=2)
    assert [list(grid)] == theirs["image_grid_thw"].tolist()
    torch.testing.assert_close(rows, theirs["pixel_values"].float(), atol=1e-5, rtol=1e-5)


def test_pictures_are_squashed_and_scaled():
    white = torch.full((2, 96, 80, 3), 255, dtype=torch.uint8)
    made = PictureFormat(32, (0.5,) * 3, (0.5,) * 3).normalised(white)
    torch.testing.assert_close(made, torch.ones(2, 3, 32, 32))


def test_pictures_that_the_merger_cannot_divide_are_refused(project):
    clips = replace_params(project.params, clips={"size_px": 40}).clips
    params = replace_params(project.params, student={"architecture": "qwen3_vl"}).student
    tokenizer = train_tokenizer(["a"], 300, FAMILIES["qwen3_vl"].special_tokens, min_frequency=2)
    with pytest.raises(ContractError, match="40 px do not divide into cells of 16 px"):
        adapter_for(initial_model(params, clips, tokenizer))


def test_an_unknown_architecture_is_named():
    model = GPT2LMHeadModel(GPT2Config(n_layer=1, n_embd=8, n_head=1, vocab_size=9))
    with pytest.raises(ContractError, match="no student adapter for gpt2; known are llava_one"):
        adapter_for(model)
