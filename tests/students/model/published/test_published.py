"""Published checkpoints are read and asked as transformers' own processors and networks do."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from p4d.errors import ContractError
from p4d.model_folder import ModelFolder
from p4d.students.data.packer import Packer
from p4d.students.model.adapters import family_named
from p4d.students.model.pretrained import open_checkpoint, open_student
from p4d.students.model.published.processor_files import read_processor
from p4d.students.use.ask import VideoQuestion, ask_video, sampling_of
from p4d.students.use.video_clip import sample_as_published
from tests.evaluation.benchmarks.files import video
from tests.students.model.published.cases import CASES, cases_of
from tests.students.model.published.checkpoints import FAMILIES, write_checkpoint
from tests.students.model.published.compare import compare, reference, sample_of

PAIRS = [(family, case.name) for family in FAMILIES for case in cases_of(family)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return {
        family: write_checkpoint(tmp_path_factory.mktemp("published") / family, family)
        for family in FAMILIES
    }


@pytest.fixture(scope="module")
def students(folders):
    return {family: open_checkpoint(folder) for family, folder in folders.items()}


@pytest.mark.parametrize(("family", "name"), PAIRS, ids=lambda value: str(value))
def test_it_is_asked_as_transformers_asks_it(students, family, name):
    (case,) = (case for case in CASES if case.name == name)
    found = compare(students[family], family, case)
    assert found.ids
    assert found.pixels
    assert found.grids
    assert found.generated
    assert found.spread > 0.1
    assert found.logits < 1e-4 * found.spread


def test_frames_are_picked_as_the_processors_pick_them(folders):
    for family, expected in reference()["sampling"].items():
        folder = ModelFolder.checked(folders[family])
        sampling = read_processor(folder, family_named(family).processor, "template").sampling
        for case in expected:
            sampling = sampling.changed_by({k: case[k] for k in ("num_frames",) if k in case})
            assert sampling.indices(case["total"], case["fps"]).tolist() == case["indices"]


@pytest.mark.parametrize("family", FAMILIES)
def test_names_of_regions_are_plain_text_unless_the_tokenizer_has_them(students, family):
    student = students[family]
    batch = Packer(student.tokenizer, student.adapter).prompts([sample_of(CASES[0])])
    assert "<obj_1>" in student.tokenizer.decode(batch.input_ids[0])
    assert len(student.tokenizer.encode("<obj_1>", add_special_tokens=False)) > 1


@torch.no_grad()
@pytest.mark.parametrize("family", FAMILIES)
def test_clips_of_several_sizes_share_a_batch(students, family):
    student, cases = students[family], cases_of(family)[:3]
    packer = Packer(student.tokenizer, student.adapter)
    together = student.answer_scores(packer.pack([sample_of(case) for case in cases]))
    for row, case in zip(together, cases, strict=True):
        (alone,) = student.answer_scores(packer.pack([sample_of(case)]))
        torch.testing.assert_close(row[:2], alone[:2], atol=1e-4, rtol=1e-4)


def test_the_bounds_on_pixels_of_a_checkpoint_are_kept(tmp_path):
    folder = write_checkpoint(tmp_path / "bounded", "qwen2_5_vl")
    file = folder / "preprocessor_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "max_pixels": 56 * 84}))
    pictures = read_processor(
        ModelFolder.checked(folder), family_named("qwen2_5_vl").processor, "template"
    ).pictures
    assert pictures.video.size_of(4, 448, 448) == (56, 56)
    assert pictures.image.size_of(1, 300, 200) == (84, 56)


def test_what_a_processor_does_that_p4d_does_not_is_an_error(tmp_path):
    folder = write_checkpoint(tmp_path / "odd", "llava_onevision")
    file = folder / "video_preprocessor_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "do_rescale": False}))
    with pytest.raises(ContractError, match="do_rescale: false"):
        open_checkpoint(folder)


def test_a_template_that_drops_the_video_is_an_error(tmp_path):
    folder = write_checkpoint(tmp_path / "mute", "qwen3_vl")
    (folder / "chat_template.jinja").write_text(
        "{% for m in messages %}{% for c in m.content %}{{ c.text }}{% endfor %}{% endfor %}"
    )
    student = open_checkpoint(folder)
    with pytest.raises(ContractError, match="shows 0 of 1 pictures"):
        Packer(student.tokenizer, student.adapter).prompts([sample_of(CASES[0])])


@pytest.mark.parametrize("family", FAMILIES)
def test_weights_that_are_missing_or_unexpected_or_of_another_shape_are_named(tmp_path, family):
    folder = write_checkpoint(tmp_path / "good", family)
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in sorted(weights) if "layers.1." in name and "mlp" in name)
    broken = {
        "lacks": {key: value for key, value in weights.items() if key != name},
        "another shape": {**weights, name: weights[name][:1].clone()},
        "does not have": {**weights, "model.perception.weight": torch.zeros(2)},
    }
    for reason, changed in broken.items():
        save_file(changed, folder / "model.safetensors", metadata={"format": "pt"})
        expected = "perception" if reason == "does not have" else name.split(".")[-2]
        with pytest.raises(ContractError, match=f"{reason}.*{expected}"):
            open_checkpoint(folder)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("where", ["both", "text", "top"])
def test_a_tied_head_is_the_table_of_embeddings(tmp_path, family, where):
    """Published configs name it at the top, in the text's config, or in both."""
    folder = write_checkpoint(tmp_path / "tied", family)
    assert not any("lm_head" in name for name in load_file(folder / "model.safetensors"))
    config = json.loads((folder / "config.json").read_text())
    for part, key in ((config, "top"), (config["text_config"], "text")):
        if where not in ("both", key):
            del part["tie_word_embeddings"]
    (folder / "config.json").write_text(json.dumps(config))
    model = open_checkpoint(folder).adapter.model
    assert model.lm_head.weight is model.get_input_embeddings().weight


def test_an_untied_head_is_loaded(tmp_path):
    folder = write_checkpoint(tmp_path / "untied", "qwen2_5_vl", tied=False)
    stored = load_file(folder / "model.safetensors")["lm_head.weight"]
    model = open_checkpoint(folder).adapter.model
    assert torch.equal(model.lm_head.weight, stored)
    assert not torch.equal(model.lm_head.weight, model.get_input_embeddings().weight)


def test_shards_of_weights_are_read_from_the_folder_only(tmp_path):
    folder = write_checkpoint(tmp_path / "sharded", "qwen3_vl")
    whole = open_checkpoint(folder).adapter.model.state_dict()
    model = open_checkpoint(folder).adapter.model
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="100KB")
    assert (folder / "model.safetensors.index.json").is_file()
    again = open_checkpoint(folder).adapter.model.state_dict()
    assert all(np.array_equal(whole[name].numpy(), again[name].numpy()) for name in whole)
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    index["weight_map"]["lm_head.weight"] = "../elsewhere.safetensors"
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ContractError, match="of this folder"):
        open_checkpoint(folder)


def test_any_video_is_asked_at_its_own_size_and_frames(folders, tmp_path):
    clip = video(tmp_path / "a.mp4")  # 24 frames at 12 Hz
    for family, folder in folders.items():
        student = open_student(folder)
        sampling = sampling_of(folder, None)
        asked = VideoQuestion(text="What is left of <obj_1>?", regions=("4,4,20,20",))
        seen = sample_as_published(clip, sampling, 0.0)
        expected = sampling.indices(24, 12.0)
        assert seen.times_s == pytest.approx(expected / 12)
        assert seen.frames_thw3.shape[1:3] == seen.first_hw3.shape[:2]
        assert student.as_published
        answer = ask_video(student, clip, asked, sampling, max_new_tokens=3)
        assert isinstance(answer.text, str), family
