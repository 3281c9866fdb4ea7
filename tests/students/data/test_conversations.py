import json

import av
import numpy as np
import pytest
import torch
from PIL import Image

from p4d.external.conversation import ForeignTurn
from p4d.external.forms import read_record
from p4d.external.rows import ExternalConversation
from p4d.students.data.conversations import ConversationPacker, decoded, unseen
from p4d.students.model.batch import IGNORED, PADDING
from p4d.students.model.student import hidden_states
from p4d.students.training.arm import Arm
from tests.students import tiny

SAMPLES = [
    {
        "id": "two_videos",
        "video": ["a.mp4", "b.mp4"],
        "conversations": [
            {"from": "human", "value": "<video>\nWhat moves?"},
            {"from": "gpt", "value": "a red box"},
            {"from": "human", "value": "And here? <video>"},
            {"from": "gpt", "value": "a ball"},
        ],
    },
    {
        "id": "picture",
        "image": "still.png",
        "conversations": [
            {"from": "human", "value": "Which colour?"},
            {"from": "gpt", "value": "red"},
        ],
    },
    {
        "id": "text",
        "conversations": [{"from": "human", "value": "1 + 1?"}, {"from": "gpt", "value": "2"}],
    },
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("media")
    rng = np.random.default_rng(0)
    for name, count in (("a.mp4", 12), ("b.mp4", 3)):
        with av.open(str(folder / name), "w") as container:
            stream = container.add_stream("libx264", rate=8)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for _ in range(count):
                picture = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode(None))
    Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(folder / "still.png")
    (folder / "data.json").write_text(json.dumps(SAMPLES))
    return folder


def conversations(folder):
    """The samples, read from their published form."""
    found = []
    for record in json.loads((folder / "data.json").read_text()):
        row = read_record(record)
        found.append(
            ExternalConversation(
                row_id=row.source_id,
                set_name="samples",
                group=row.source_id,
                turns=row.turns,
                media=tuple((medium.marker, folder / medium.name) for medium in row.media),
            )
        )
    return found


@pytest.fixture
def shown(folder, project):
    return [decoded(each, project.params.clips) for each in conversations(folder)]


@pytest.fixture
def packer(family_student):
    return ConversationPacker(family_student.tokenizer, family_student.adapter)


def logits_at_targets(student, batch, row, segment):
    """Scores where the answers of one conversation are predicted, in order."""
    hidden = hidden_states(student.adapter, batch)[-1]
    at = (batch.targets[row] != IGNORED) & (batch.segment_ids[row] == segment)
    return student.adapter.logits(hidden[row, at])


def test_every_answer_of_every_turn_is_learned_and_nothing_else(family_student, packer, shown):
    batch = packer.pack(shown)
    learned = [family_student.tokenizer.decode(row[row != IGNORED]) for row in batch.targets]
    assert learned == ["a red box<|im_end|>a ball<|im_end|>", "red<|im_end|>", "2<|im_end|>"]
    kept = batch.targets != IGNORED
    following = batch.input_ids.roll(-1, dims=1)
    assert torch.equal(batch.targets[kept], following[kept])


def test_media_stand_where_their_markers_were(family_student, packer, shown):
    times = [[v.times_s.tolist() for v in sample.visuals] for sample in shown]
    assert [len(visual) for visual in times[0]] == [tiny.FRAMES, 3]
    assert np.isnan(times[1]).all()
    assert times[2] == []
    ids = packer.pack(shown[:1]).input_ids[0].tolist()
    text = family_student.tokenizer.decode
    first = family_student.adapter.visual_ids(times[0][0], packer._ids)
    second = family_student.adapter.visual_ids(times[0][1], packer._ids)
    start = len(packer._ids("<|im_start|>user\n"))
    assert ids[start : start + len(first)] == first
    assert text(ids[start + len(first) :]).startswith("\nWhat moves?<|im_end|>")
    end = len(ids) - ids[::-1].index(second[-1])
    assert ids[end - len(second) : end] == second
    assert text(ids[end:]).startswith("<|im_end|>\n<|im_start|>assistant\na ball")


@torch.no_grad()
def test_packed_conversations_are_learned_as_they_are_alone(family_student, packer, shown):
    packed = packer.pack(shown, row_tokens=4096)
    assert len(packed.input_ids) == 1
    padded = packer.pack(shown)
    assert len(padded.input_ids) == 3
    for number, sample in enumerate(shown):
        alone = packer.pack([sample])
        expected = logits_at_targets(family_student, alone, 0, 1)
        for batch, row, segment in ((packed, 0, number + 1), (padded, number, 1)):
            torch.testing.assert_close(
                logits_at_targets(family_student, batch, row, segment), expected,
                atol=1e-5, rtol=1e-4,
            )  # fmt: skip


def test_rows_are_filled_in_order_up_to_their_length(packer, shown):
    lengths = [int((packer.pack([s]).segment_ids != PADDING).sum()) for s in shown]
    batch = packer.pack(shown, row_tokens=lengths[1] + lengths[2])
    assert batch.clip_ids == ("two_videos", "picture+text")
    assert packer.pack(shown, row_tokens=1).clip_ids == ("two_videos", "picture", "text")


def test_an_image_only_batch_has_an_sft_loss_and_its_gradient(family_student, packer, shown):
    arm = Arm(family_student.adapter, None)
    terms = arm(packer.pack(shown[1:2]))
    assert list(terms) == ["sft"]
    terms["sft"].backward()
    encoder = family_student.adapter.encoder()
    assert any(w.grad is not None and bool(w.grad.any()) for w in encoder.parameters())
    arm.zero_grad()


def test_an_arm_without_video_reads_the_texts_alone(family_student, packer, folder):
    read = [unseen(each) for each in conversations(folder)]
    assert read[0].conversation.turns == (
        ForeignTurn("What moves?", "a red box"),
        ForeignTurn("And here?", "a ball"),
    )
    batch = packer.pack(read)
    assert batch.frames is None
    learned = [family_student.tokenizer.decode(row[row != IGNORED]) for row in batch.targets]
    assert learned == ["a red box<|im_end|>a ball<|im_end|>", "red<|im_end|>", "2<|im_end|>"]
