import copy

import pytest

from p4d.categories import CATEGORIES
from p4d.config import Params, replace_params
from p4d.errors import ConfigError
from p4d.project import Project

RAW = Project.find().raw_params


def changed(section, **values):
    raw = copy.deepcopy(RAW)
    raw[section].update(values)
    return raw


def test_the_shipped_parameters_are_valid():
    params = Params.from_mapping(RAW)
    assert params.clips.length_ns == round(params.clips.frames / params.clips.grid_hz * 1e9)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (changed("clips", frames=7), "section clips: frames: even"),
        (changed("clips", frames="8"), r"clips\.frames: expected int, got '8'"),
        (changed("clips", size_px=True), r"clips\.size_px: expected int, got True"),
        (changed("clips", colour="red"), r"unknown key \['colour'\]"),
        (changed("release", test_fraction=0.0), "test_fraction must be positive"),
        (changed("release", test_fraction=0.6, val_fraction=0.4), "must leave a train part"),
        (changed("labels", teachers=["oracle"]), "teachers must be among"),
        (changed("expert", hooks=[9]), "hooks must name blocks"),
        (changed("landing", max_clips_per_shard=300), r"\[1, 256\]"),
        (changed("distillation", preset="magic"), "preset must be among"),
        (
            changed("promotion", protected_categories=["Countin"]),
            r"unknown \['Countin'\].*Counting",
        ),
        (changed("promotion", min_gain=1.5), r"min_gain must be in \[-1, 1\]"),
        (changed("training", learning_rate=float("inf")), "expected a finite number"),
        (changed("training", adam_betas=[0.9]), r"adam_betas must be two numbers in \[0, 1\)"),
        (changed("training", max_gradient_norm=0.0), "max_gradient_norm must be positive"),
        (changed("training", lora_targets=[]), "lora_targets must name some layers"),
        (changed("distillation", auto_latent_share=1.5), r"auto_latent_share must be in \[0, 1\]"),
        (changed("training", seed=-1), r"section training: seed must be in"),
        (changed("expert", hooks=[4, 2]), r"hooks must increase, got \[4, 2\]"),
        (changed("expert", hooks=[2, 2]), "hooks must increase"),
        (changed("expert", patch_px=7), r"clips\.size_px 64 .* expert\.patch_px 7"),
        (
            changed("student", checkpoint="", patch_px=7),
            r"clips\.size_px 64 .* student\.patch_px 7",
        ),
        (changed("expert", tubelet=3), r"clips\.frames 8 .* expert\.tubelet 3"),
        (changed("student", text_width=100, text_heads=20), "multiple of 2 x text_heads"),
        (changed("student", vision_width=33, vision_heads=3), "must be even"),
        ({k: v for k, v in RAW.items() if k != "clips"}, r"missing section \['clips'\]"),
        ({**RAW, "extra": {}}, r"unknown section \['extra'\]"),
        ({**RAW, "clips": None}, "section clips: expected keys and values"),
    ],
)
def test_a_bad_parameter_is_named_with_what_is_allowed(raw, message):
    with pytest.raises(ConfigError, match=message):
        Params.from_mapping(raw)


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("worlds", "videos"),
        ("clips", "max_clips_per_video"),
        *[("expert", key) for key in ("worlds", "holdout_worlds", "width", "blocks", "heads")],
        *[("expert", key) for key in ("patch_px", "tubelet", "map_px", "steps", "batch")],
        *[(s, "threads") for s in ("expert", "labels", "training", "evaluation")],
        *[(s, "batch") for s in ("labels", "training", "evaluation")],
        *[("regions", key) for key in ("min_area_px", "min_visible_frames")],
        ("questions", "max_per_clip"),
        *[("student", key) for key in ("vision_width", "vision_blocks", "vision_heads")],
        *[("student", key) for key in ("text_width", "text_blocks", "text_heads", "patch_px")],
        *[("training", key) for key in ("steps", "questions_per_clip")],
    ],
)
@pytest.mark.parametrize("value", [0, -1])
def test_counts_and_sizes_are_at_least_one(section, key, value):
    message = rf"section {section}: {key} must be at least 1, got {value}"
    with pytest.raises(ConfigError, match=message):
        Params.from_mapping(changed(section, **{key: value}))


DIS = {"kind": "flow_dis"}
DEPTH = {"kind": "depth", "where": "models/depth"}
CAMERA = {"kind": "camera_flow", "uses": ["dis", "deep"]}


def labelled_by(settings, teachers=None, **sources):
    every = {name: ["expert4d"] for name in ("depth", "flow", "motion", "camera")}
    names = ["expert4d", "exact", *(settings if teachers is None else teachers)]
    return changed("labels", settings=settings, teachers=names, sources={**every, **sources})


def test_teachers_are_described_by_name_and_counted_by_modality():
    raw = labelled_by(
        {"dis": DIS, "deep": DEPTH, "cam": {**CAMERA, "motion_sigma": 0.2}},
        flow=["exact", "dis"], depth=["deep"], motion=["cam", "expert4d"], camera=["cam"],
    )  # fmt: skip
    labels = Params.from_mapping(raw).labels
    assert labels.settings["cam"].uses == ("dis", "deep")
    assert labels.sources["motion"] == ("cam", "expert4d")
    assert labels.gives("cam") == {"camera", "motion"}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (labelled_by({"dis": {"kind": "dis"}}), r"settings\.dis: kind must be among .*flow_dis"),
        (labelled_by({"dis": {}}), r"labels\.settings\.dis: missing key \['kind'\]"),
        (labelled_by({"dis": {**DIS, "size": 3}}), r"settings\.dis: unknown key \['size'\]"),
        (labelled_by({"dis": {**DIS, "batch": "8"}}), r"dis\.batch: expected int, got '8'"),
        (labelled_by({"Dis": DIS}), "'Dis' is no name"),
        (labelled_by({"exact": DIS}, []), "settings: exact needs none"),
        (labelled_by({"dis": {**DIS, "where": "x"}}), "has no weights: no where"),
        (labelled_by({"deep": {"kind": "depth"}}), "where must name a folder or Hub id"),
        (labelled_by({"deep": {**DEPTH, "device": "gpu"}}), "device must be cpu, cuda"),
        (labelled_by({"deep": {**DEPTH, "hooks": [3, 1]}}), "hooks must increase"),
        (labelled_by({"dis": {**DIS, "uses": ["exact"]}}), "uses names teachers"),
        (
            labelled_by({"cam": CAMERA, "dis": DIS, "deep": DEPTH}),
            r"cam: uses \['deep', 'dis'\], not before it",
        ),
        (
            labelled_by({"dis": DIS, "deep": DEPTH, "cam": {**CAMERA, "uses": ["dis"]}}),
            r"nothing that it uses gives \['depth'\]",
        ),
        (labelled_by({"dis": DIS}, [], flow=["dis"]), "sources.flow: dis is not among teachers"),
        (labelled_by({"dis": DIS}, depth=["dis"]), "sources.depth: dis gives no depth"),
        (labelled_by({}, flow=[]), "sources must name teachers for each of"),
        (
            labelled_by({"dis": DIS, "deep": DEPTH, "cam": CAMERA}, motion=["cam"]),
            r"no sigma of cam is known; measure it .* settings\.cam",
        ),
        (changed("labels", sources={"flow": ["expert4d"]}), "sources must name teachers for each"),
        (changed("labels", sources=["expert4d"]), "expected names and values"),
        (changed("labels", teachers=["expert4d", "expert4d"]), "teachers must differ"),
        (changed("distillation", teacher="sources"), "sources has no latents"),
        (changed("distillation", teacher="dis"), r"dis is not among labels\.teachers"),
    ],
)
def test_bad_settings_of_teachers_are_named_with_what_is_allowed(raw, message):
    with pytest.raises(ConfigError, match=message):
        Params.from_mapping(raw)


def test_what_a_teacher_does_not_give_cannot_be_distilled():
    raw = labelled_by({"dis": DIS})
    raw["distillation"] |= {"teacher": "dis", "latents": False}
    with pytest.raises(ConfigError, match=r"gives no camera, depth, motion; remove it from"):
        Params.from_mapping(raw)
    raw["distillation"]["modalities"] = ["flow"]
    assert Params.from_mapping(raw).distillation.teacher == "dis"


def test_a_renamed_key_is_named_with_its_new_name():
    raw = changed("distillation", look_steps=[10])
    del raw["distillation"]["probe_steps"]
    with pytest.raises(ConfigError, match=r"look_steps is now called probe_steps; rename it"):
        Params.from_mapping(raw)


@pytest.mark.parametrize(
    ("section", "keys"),
    [
        ("training", ("adam_betas", "lora_rank", "max_gradient_norm", "weight_decay")),
        ("distillation", ("auto_max_weight", "probe_clips")),
        ("student", ("text_mlp_ratio", "tokenizer_min_frequency")),
    ],
)
def test_keys_that_an_older_file_lacks_are_named_and_not_assumed(section, keys):
    raw = copy.deepcopy(RAW)
    for key in keys:
        del raw[section][key]
    with pytest.raises(ConfigError, match=rf"section {section}: missing key .*{'.*'.join(keys)}"):
        Params.from_mapping(raw)


def test_a_file_from_before_the_region_term_stays_valid_and_has_none():
    raw = copy.deepcopy(RAW)
    del raw["distillation"]["region_share"]
    assert Params.from_mapping(raw).distillation.region_share == 0.0
    raw["distillation"]["region_shares"] = 0.5
    with pytest.raises(ConfigError, match=r"section distillation: unknown key .*region_shares"):
        Params.from_mapping(raw)


@pytest.mark.parametrize(("key", "value"), [("hidden_width", -1), ("student_layer", -2)])
def test_where_distillation_reads_may_be_linear_or_last_but_no_less(key, value):
    assert Params.from_mapping(changed("distillation", **{key: value + 1}))
    with pytest.raises(ConfigError, match=f"section distillation: {key} must"):
        Params.from_mapping(changed("distillation", **{key: value}))


def test_the_patches_of_a_checkpoint_are_its_own():
    assert Params.from_mapping(changed("student", checkpoint="weights", patch_px=7))


def test_every_category_can_be_protected():
    every = list(CATEGORIES)
    assert Params.from_mapping(changed("promotion", protected_categories=every))


def test_replaced_parameters_are_checked_again():
    params = Params.from_mapping(RAW)
    assert replace_params(params, training={"steps": 2}).training.steps == 2
    with pytest.raises(ConfigError, match="steps"):
        replace_params(params, training={"steps": 0})


def test_a_folder_outside_any_project_is_refused_with_the_way_out(tmp_path, monkeypatch):
    monkeypatch.delenv("P4D_ROOT", raising=False)
    with pytest.raises(ConfigError, match="set P4D_ROOT"):
        Project.find(tmp_path)


def test_broken_yaml_is_a_config_error(tmp_path):
    (tmp_path / "dvc.yaml").write_text("")
    (tmp_path / "params.yaml").write_text("clips: {frames: [")
    with pytest.raises(ConfigError, match="not valid YAML"):
        _ = Project.find(tmp_path).raw_params


def test_shards_are_read_in_landing_order(tmp_path):
    (tmp_path / "dvc.yaml").write_text("")
    (tmp_path / "params.yaml").write_text("{}")
    project = Project.find(tmp_path)
    assert project.shards() == []
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "index.yaml").write_text("shards:\n- b\n- a\n")
    assert project.shards() == ["b", "a"]
