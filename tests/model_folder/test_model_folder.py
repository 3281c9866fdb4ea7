"""The folder of a stranger's network is weights and settings: no code, nothing elsewhere."""

import ast
import json
import os
import pickle
import shutil
import struct
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from transformers import AutoModelForDepthEstimation

from p4d.config import TeacherParams, replace_params
from p4d.errors import ConfigError, ContractError
from p4d.evaluation.evaluate import _model_id
from p4d.ids import sha256_file
from p4d.model_folder import ModelFolder, located
from p4d.project import Project
from p4d.questions.regions.checkpoint import Detector, Segmenter
from p4d.students.model.adapters import FAMILIES, initial_model
from p4d.students.model.pretrained import from_checkpoint, open_student
from p4d.students.model.tokenizer import train_tokenizer
from p4d.teachers.depth_network import DepthNetworkTeacher
from tests.questions.regions.checkpoints import save_grounding_dino, save_sam2_video

ROOT = Path(__file__).parents[2]
FAMILY = "qwen3_vl"
CODE = "import pathlib\npathlib.Path({mark!r}).write_text('ran')\n"


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """One flat folder, as on the Hub."""
    folder = tmp_path_factory.mktemp("published")
    tokens = FAMILIES[FAMILY].special_tokens
    tokenizer = train_tokenizer(["a question"], 300, tokens, min_frequency=2)
    params = replace_params(Project.find().params, student={"architecture": FAMILY})
    initial_model(params.student, params.clips, tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def folder(published, tmp_path):
    return Path(shutil.copytree(published, tmp_path / "model"))


def change(file, **values):
    content = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    file.write_text(json.dumps(content | values), encoding="utf-8")


def shard_into(folder, name):
    """Give the weights of a folder another place, named by an index."""
    weights = folder / "model.safetensors"
    names = list(load_file(weights))
    weights.rename(folder / name)
    index = {"metadata": {"total_size": 1}, "weight_map": dict.fromkeys(names, name)}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")


def refused(folder, match):
    """Both ways to use a folder refuse it, with an error of ours."""
    with pytest.raises(ContractError, match=match):
        open_student(folder)
    with pytest.raises(ContractError, match=match):
        from_checkpoint(str(folder), size_px=64, seed=0)


def test_a_sound_folder_is_loaded_and_every_file_of_it_is_in_the_record(folder):
    open_student(folder)
    *_, origin = from_checkpoint(str(folder), size_px=64, seed=0)
    assert origin["weights_sha256"] == {
        "model.safetensors": sha256_file(folder / "model.safetensors")
    }
    assert origin["settings_sha256"]["config.json"] == sha256_file(folder / "config.json")
    assert "tokenizer.json" in origin["settings_sha256"]


@pytest.mark.attack("M2")
@pytest.mark.parametrize(
    ("file", "value"),
    [
        ("config.json", {"AutoConfig": "evil.Evil", "AutoModel": "evil.Evil"}),
        ("tokenizer_config.json", {"AutoTokenizer": ["evil.Evil", None]}),
        ("processor_config.json", {"AutoProcessor": "evil.Evil"}),
        ("preprocessor_config.json", {"AutoImageProcessor": "evil.Evil"}),
        ("config.json", {"AutoConfig": "attacker/code--evil.Evil"}),
    ],
)
def test_code_of_a_folder_is_never_run_nor_asked_about(folder, tmp_path, monkeypatch, file, value):
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("a question was asked"))
    mark = tmp_path / "ran"
    (folder / "evil.py").write_text(CODE.format(mark=str(mark)), encoding="utf-8")
    change(folder / file, auto_map=value, model_type="evil", tokenizer_class="Evil")
    refused(folder, f"{file}: auto_map asks to run")
    assert not mark.exists()


@pytest.mark.attack("M2")
def test_code_that_a_part_of_a_config_names_is_refused(folder):
    change(folder / "config.json", text_config={"auto_map": {"AutoConfig": "evil.Evil"}})
    refused(folder, r"config.json: auto_map")


@pytest.mark.attack("M2")
@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation"])
@pytest.mark.parametrize(
    "value", ["attacker/evil-kernel", "attacker/evil@main:f", {"text_config": "attacker/evil"}]
)
def test_kernels_of_the_hub_are_refused(folder, key, value):
    change(folder / "config.json", **{key: value})
    refused(folder, f"config.json: {key} names .*attacker/evil.* from elsewhere")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    change(folder / "config.json", **{key: None}, text_config=config["text_config"] | {key: value})
    refused(folder, f"config.json: {key} names")


@pytest.mark.attack("M2")
def test_the_attention_that_a_config_chooses_is_not_used(folder):
    change(folder / "config.json", attn_implementation="eager")
    assert open_student(folder).adapter.model.config._attn_implementation == "sdpa"


@pytest.mark.attack("M2")
@pytest.mark.parametrize(
    "name",
    ["../outside.safetensors", "/etc/outside.safetensors", "..\\outside.safetensors", "a\0b", "",
     "sub/model.safetensors", "pytorch_model.bin", "gone.safetensors",
     "é\ud800.safetensors", 7, None],
)  # fmt: skip
def test_an_index_names_weights_of_its_own_folder_only(folder, tmp_path, name):
    shutil.copy(folder / "model.safetensors", tmp_path / "outside.safetensors")
    (folder / "sub").mkdir()
    shutil.copy(folder / "model.safetensors", folder / "sub")
    shard_into(folder, "innocent.safetensors")
    index = folder / "model.safetensors.index.json"
    content = json.loads(index.read_text(encoding="utf-8"))
    content["weight_map"] = dict.fromkeys(content["weight_map"], name)
    index.write_text(json.dumps(content), encoding="utf-8")
    refused(folder, "index.json")


@pytest.mark.attack("M2")
@pytest.mark.parametrize("content", [[], {}, {"weight_map": []}, {"weight_map": "x"}, None])
def test_an_index_of_another_form_is_refused(folder, content):
    shard_into(folder, "part.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps(content), encoding="utf-8")
    refused(folder, "weight_map must give")


@pytest.mark.attack("M2")
def test_the_recorded_weights_are_those_that_are_loaded(folder):
    shard_into(folder, "real.safetensors")
    shutil.copy(folder / "real.safetensors", folder / "decoy.safetensors")
    *_, origin = from_checkpoint(str(folder), size_px=64, seed=0)
    assert list(origin["weights_sha256"]) == ["real.safetensors"]
    before = _model_id(folder)
    with (folder / "real.safetensors").open("r+b") as weights:
        weights.seek(-1, os.SEEK_END)
        weights.write(b"\x01")
    assert _model_id(folder) != before


@pytest.mark.attack("M2")
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("transformers_weights", "decoy.safetensors"),
        ("quantization_config", {"quant_method": "mxfp4"}),
    ],
)
def test_settings_that_choose_other_weights_are_refused(folder, key, value):
    change(folder / "config.json", **{key: value})
    refused(folder, f"config.json: {key}")


@pytest.mark.attack("M2")
@pytest.mark.parametrize("name", ["adapter_config.json", "quantize_config.json", ".metadata"])
def test_folders_that_point_elsewhere_are_refused(folder, name):
    (folder / name).write_text('{"base_model_name_or_path": "attacker/base"}', encoding="utf-8")
    refused(folder, name)


class Payload:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (self.mark,)


@pytest.mark.attack("M2")
def test_pickled_weights_are_never_read(folder, tmp_path):
    mark = tmp_path / "ran"
    (folder / "model.safetensors").unlink()
    with (folder / "pytorch_model.bin").open("wb") as stream:
        pickle.dump(Payload(str(mark)), stream)
    refused(folder, r"no \*\.safetensors")
    assert not mark.exists()


DAMAGE = {
    "nested": b'{"a":' * 50_000,
    "nested a little less": b'{"model_type": "qwen3_vl", "a": ' + b"[" * 900 + b"]" * 900 + b"}",
    "binary": bytes(range(256)) * 4,
    "empty": b"",
    "a list": b"[1]",
    "a number": b"1",
    "half a pair": b'{"model_type": "\\ud800"}',
    "large": b'{"a": "' + b"x" * (17 << 20) + b'"}',
    "types": b'{"model_type": "qwen3_vl", "text_config": 7, "vision_config": "x"}',
    "sizes": b'{"model_type": "qwen3_vl", "text_config": {"hidden_size": -1, "vocab_size": 1e9}}',
    "another kind": b'{"model_type": "bert"}',
    "no kind": b'{"architectures": ["Qwen3VLForConditionalGeneration"]}',
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_config_is_an_error_of_ours(folder, damage):
    (folder / "config.json").write_bytes(DAMAGE[damage])
    refused(folder, "model")


@pytest.mark.parametrize("damage", ["nested", "binary", "empty", "a list"])
@pytest.mark.parametrize("file", ["tokenizer.json", "tokenizer_config.json"])
def test_a_damaged_tokenizer_is_an_error_of_ours(folder, file, damage):
    (folder / file).write_bytes(DAMAGE[damage])
    refused(folder, "model")


def bomb(length, header=b"{}", payload=b""):
    return struct.pack("<Q", length) + header + payload


NESTED = b'{"a":' * 100_000
HEADERS = {
    "longer than the file": bomb(1 << 60),
    "longer than memory": bomb((1 << 64) - 1),
    "nested": bomb(len(NESTED), NESTED),
    "of a tensor beyond the file": bomb(
        64, b'{"a":{"dtype":"F32","shape":[99999999],"data_offsets":[0,4]}}'.ljust(64)
    ),
    "empty": b"",
    "cut": b"\x10",
    "html": b"<!DOCTYPE html><html></html>",
}


@pytest.mark.parametrize("header", HEADERS)
def test_damaged_weights_are_an_error_of_ours(folder, header):
    (folder / "model.safetensors").write_bytes(HEADERS[header])
    refused(folder, "cannot be loaded")


@pytest.mark.attack("M2")
def test_weights_that_are_not_there_are_never_drawn_at_random(folder):
    weights = load_file(folder / "model.safetensors")
    lost = next(name for name in weights if "visual" in name)
    del weights[lost]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    refused(folder, r"lacks 1 weights of its own config")


@pytest.mark.parametrize("mean", [[0.1], "x", [1, 2, "3"], [0.1, 0.2, float("inf")], {"a": 1}])
def test_a_damaged_processor_is_an_error_of_ours(folder, mean):
    change(folder / "preprocessor_config.json", image_mean=mean, image_std=[1, 1, 1])
    with pytest.raises(ContractError, match=r"preprocessor_config.json: expected three numbers"):
        from_checkpoint(str(folder), size_px=64, seed=0)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("reading", 7),
        ("reading", {"regions": 7}),
        ("reading", {"evil": 1}),
        ("reading", {"content_scale": "x"}),
        ("pictures", "x"),
        ("pictures", {}),
        ("pictures", {"size_px": 10**9, "mean": [0, 0, 0], "std": [1, 1, 1]}),
        ("pictures", {"size_px": 64, "mean": [0, 0, 0], "std": [0, 0, 0]}),
        ("pictures", {"size_px": 64, "mean": ["a", 0, 0], "std": [1, 1, 1]}),
    ],
)
def test_settings_of_ours_in_a_strangers_config_are_checked(folder, key, value):
    change(folder / "config.json", **{key: value})
    with pytest.raises(ContractError, match=f"config.json: {key} is"):
        open_student(folder)


@pytest.mark.parametrize(
    "card",
    ["[" * 90_000, "[]", "{}", '{"sees_video": "yes"}', '{"sees_video": true, "frames": "x"}'],
)
def test_a_damaged_card_is_an_error_of_ours(published, tmp_path, card):
    for part in ("model", "tokenizer"):
        shutil.copytree(published, tmp_path / part)
    (tmp_path / "card.json").write_text(card, encoding="utf-8")
    with pytest.raises(ContractError, match=r"card\.json"):
        open_student(tmp_path)


@pytest.mark.parametrize("attack", ["code", "kernel", "weights", "pickle"])
def test_detectors_trackers_and_depth_are_held_to_the_same(tmp_path, attack):
    cases = [
        (save_grounding_dino(tmp_path / "dino"), lambda where: Detector(where, 0.1), ConfigError),
        (save_sam2_video(tmp_path / "sam"), Segmenter, ConfigError),
        (
            save_sam2_video(tmp_path / "depth"),
            lambda where: DepthNetworkTeacher(
                "d", TeacherParams(kind="depth", where=str(where)), 16
            ),
            ConfigError,
        ),
    ]
    for where, load, kind in cases:
        folder = Path(where)
        if attack == "code":
            change(folder / "config.json", auto_map={"AutoConfig": "evil.Evil"})
        elif attack == "kernel":
            change(folder / "config.json", attn_implementation="attacker/kernel")
        elif attack == "weights":
            shard_into(folder, "part.safetensors")
            (folder / "part.safetensors").rename(tmp_path / "part.safetensors")
        else:
            (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
        with pytest.raises(kind, match=folder.name):
            load(where)


@pytest.mark.attack("M2")
def test_the_digest_of_a_detector_follows_its_weights(tmp_path):
    where = save_grounding_dino(tmp_path / "dino")
    before = Detector(where, 0.1).file_digests
    assert before["model.safetensors"] == sha256_file(Path(where, "model.safetensors"))
    with Path(where, "model.safetensors").open("r+b") as weights:
        weights.seek(-1, os.SEEK_END)
        weights.write(b"\x01")
    assert Detector(where, 0.1).file_digests != before


def test_a_network_of_another_task_is_named(folder):
    with pytest.raises(ContractError, match="qwen3_vl, which is no AutoModelForDepthEstimation"):
        ModelFolder.checked(folder).network(AutoModelForDepthEstimation)


def test_a_hub_id_is_fetched_at_its_revision(monkeypatch, tmp_path):
    asked = {}

    def fetch(repository, **settings):
        asked.update(settings, repository=repository)
        return str(tmp_path)

    monkeypatch.setattr("p4d.model_folder.hub.snapshot_download", fetch)
    assert located("org/model@0123abc", "regions.detector") == tmp_path
    assert (asked["repository"], asked["revision"]) == ("org/model", "0123abc")
    assert not any(pattern.endswith((".bin", ".py", "*")) for pattern in asked["allow_patterns"])


ELSEWHERE = ("from_pretrained", "from_config", "load_adapter", "get_kernel", "hf_hub_download",
             "snapshot_download", "pipeline")  # fmt: skip
GUARDS = {"trust_remote_code": False, "local_files_only": True}
NETWORK_GUARDS = {"use_safetensors": True, "attn_implementation": "sdpa"}


LOADERS = {
    *(ROOT / "p4d" / "model_folder").glob("*.py"),
    ROOT / "p4d" / "students" / "use" / "standalone_inference.py",
}


def test_nothing_else_loads_a_network():
    found = []
    for package in ("p4d", "assets", "dagster_project", "benchmarks"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                name = getattr(call, "attr", getattr(call, "id", None))
                if name in ELSEWHERE and path not in LOADERS:
                    found.append(f"{path.relative_to(ROOT)}:{call.lineno}")
    assert not found


def test_the_file_that_an_export_holds_gives_every_guard():
    # It may import nothing of p4d, so it loads by itself.
    path = ROOT / "p4d" / "students" / "use" / "standalone_inference.py"
    calls = [
        call
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "from_pretrained"
    ]
    assert len(calls) == 2
    for call in calls:
        given = {k.arg: getattr(k.value, "value", None) for k in call.keywords}
        network = "Model" in ast.unparse(call.func)
        assert (GUARDS | (NETWORK_GUARDS if network else {})).items() <= given.items()
