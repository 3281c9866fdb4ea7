import json
import os

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from p4d.errors import ConfigError, ContractError
from p4d.evaluation.answering.visuals import sampled_frames
from p4d.evaluation.benchmarks import (
    dsr_bench,
    dyn_bench,
    fields,
    r4d_bench,
    sti_bench,
    vlm4d,
    vsi_bench,
    vsti_bench,
)
from p4d.evaluation.benchmarks.registry import VARIABLE, open_benchmark
from p4d.project import Project
from tests.evaluation.benchmarks import files
from tests.video.media import ROOT


@pytest.fixture(scope="module")
def r4d(tmp_path_factory):
    return r4d_bench.read(files.r4d_bench(tmp_path_factory.mktemp("r4d")))


def by_id(benchmark):
    return {item.item_id: item for item in benchmark.items}


def test_equal_ids_of_two_sources_are_two_items(r4d):
    items = by_id(r4d)
    assert set(items) == {"stibench/7", "vlm4d/7", "vlm4d/real_3", "stibench/8"}


def test_an_answer_of_zero_is_an_answer_and_options_of_any_type_are_texts(r4d):
    items = by_id(r4d)
    assert items["vlm4d/7"].options == ("2", "0", "1", "3")
    assert items["vlm4d/7"].answer_index == 1
    assert items["stibench/7"].options == ("3.74", "0.75", "0.00", "None", "7")
    assert items["stibench/7"].answer_index == 4


def test_an_answer_may_be_a_letter(r4d):
    assert by_id(r4d)["stibench/8"].answer_index == 1


def test_a_clipped_file_is_not_trimmed_again_and_a_source_is(r4d):
    items = by_id(r4d)
    clipped, trimmed, whole = items["stibench/7"], items["stibench/8"], items["vlm4d/7"]
    assert (clipped.start_ns, clipped.end_ns) == (None, None)
    assert clipped.video.parts[-3:] == ("clipped", "stibench", "a.mp4")
    assert (trimmed.start_ns, trimmed.end_ns) == (1_000_000_000, 1_500_000_000)
    assert trimmed.video.parts[-3:] == ("videos", "stibench", "a.mp4")
    assert (whole.start_ns, whole.end_ns) == (None, None)
    assert clipped.group == trimmed.group


def test_static_and_dynamic_go_by_category(r4d):
    items = by_id(r4d)
    assert items["stibench/8"].dynamic is False
    assert items["stibench/7"].dynamic is True


def test_rejected_records_are_reported_and_stop_nothing(r4d):
    reasons = {bad.item_id: bad.reason for bad in r4d.rejected}
    assert len(reasons) == 5
    assert "no options" in reasons["stibench/9"]
    assert "put it at videos/vlm4d/missing.mp4" in reasons["vlm4d/10"]
    assert "'sideways' is not among the options" in reasons["vlm4d/11"]
    assert "taken" in reasons["stibench/7 (record 7)"]
    assert "expected an object" in reasons["record 8"]


@pytest.mark.attack("L2")
def test_a_path_out_of_the_folder_is_no_file_of_it(tmp_path):
    files.video(tmp_path / "secret.mp4")
    record = {
        "id": 1, "benchmark": "x", "task": "Counting", "video": "../secret.mp4",
        "question": "?", "options": [0, 1], "answer": 1,
    }  # fmt: skip
    files.write_json(tmp_path / "in" / "test.json", [record])
    found = r4d_bench.read(tmp_path / "in")
    assert not found.items
    assert "missing file" in found.rejected[0].reason


def test_sti_bench_parquet(tmp_path):
    found = sti_bench.read(files.sti_bench(tmp_path))
    fast, turned = found.items
    assert fast.options == ("3.74", "0", "0.75", "14.97", "7.48")
    assert (fast.answer_index, fast.dynamic) == (1, True)
    assert (fast.start_ns, fast.end_ns) == (0, 1_000_000_000)
    assert (turned.start_ns, turned.end_ns) == (None, None)
    assert turned.category == "Ego-Centric Orientation"
    assert turned.dynamic is True
    (bad,) = found.rejected
    assert bad.item_id == "2"


def test_sti_bench_processed_json(tmp_path):
    (item,) = sti_bench.read(files.sti_bench_processed(tmp_path)).items
    assert item.category == "Dimensional Measurement"
    assert (item.options[item.answer_index], item.dynamic) == ("3", False)


def test_vlm4d(tmp_path):
    found = vlm4d.read(files.vlm4d(tmp_path))
    items = by_id(found)
    assert set(items) == {"real/validation_1", "real/2"}
    assert items["real/validation_1"].answer_index == 1
    assert items["real/2"].answer_index == 0
    assert items["real/2"].category == "davis"
    (bad,) = found.rejected
    assert bad.item_id == "synthetic/2"
    assert "9" in bad.reason


def test_vsti_bench(tmp_path):
    found = vsti_bench.read(files.vsti_bench(tmp_path))
    items = by_id(found)
    assert (items["0"].kind, items["0"].answer_value) == ("numeric", 2.0)
    assert items["1"].options == ("Left", "Right")
    assert items["1"].answer_index == 1
    assert items["2"].answer_index == 1
    (bad,) = found.rejected
    assert "positive" in bad.reason


@pytest.mark.parametrize(
    ("write", "name"),
    [
        (files.r4d_bench, "r4d-bench"),
        (files.sti_bench, "sti-bench"),
        (files.vlm4d, "vlm4d"),
        (files.vsti_bench, "vsti-bench"),
    ],
)
def test_a_folder_is_recognised_and_a_name_finds_it(write, name, tmp_path, monkeypatch):
    write(tmp_path / name)
    project = Project(ROOT)
    assert open_benchmark(str(tmp_path / name), project).name == name
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert open_benchmark(name, project).name == name


def test_vsti_bench_called_test_json_is_not_taken_for_r4d_bench(tmp_path):
    files.vsti_bench(tmp_path)
    import polars as pl

    records = pl.read_parquet(tmp_path / "test.parquet").to_dicts()
    (tmp_path / "test.parquet").unlink()
    (tmp_path / "test.json").write_text(json.dumps(records))
    assert open_benchmark(str(tmp_path), Project(ROOT)).name == "vsti-bench"


def test_a_missing_benchmark_is_an_error_with_the_remedy(tmp_path):
    with pytest.raises(ConfigError, match="P4D_BENCHMARKS"):
        open_benchmark(str(tmp_path / "nowhere"), Project(ROOT))
    with pytest.raises(ConfigError, match="holds none of"):
        open_benchmark(str(tmp_path), Project(ROOT))
    (tmp_path / "test.json").write_text("{broken")
    with pytest.raises(ContractError, match=r"test\.json"):
        open_benchmark(str(tmp_path), Project(ROOT))


def test_prompts_hold_question_options_and_request(tmp_path):
    found = sti_bench.read(files.sti_bench(tmp_path / "sti"))
    assert found.rules.prompt(found.items[0]).startswith(
        "From 0.0 s to 1.0 s. How fast is it?\n(A) 3.74"
    )
    assert not found.rules.prompt(found.items[1]).startswith("From")
    vsti = vsti_bench.read(files.vsti_bench(tmp_path / "vsti"))
    assert "Options" not in vsti.rules.prompt(vsti.items[0])
    assert "B. Right" in vsti.rules.prompt(vsti.items[1])


def test_all_files_of_a_folder_are_read(tmp_path):
    folder = files.vsti_bench(tmp_path)
    table = pl.read_parquet(folder / "test.parquet")
    (folder / "test.parquet").unlink()
    for number in range(len(table)):
        table[number : number + 1].write_parquet(folder / f"test-{number}-of-4.parquet")
    found = vsti_bench.read(folder)
    assert {item.item_id for item in found.items} == {"0", "1", "2"}
    assert [bad.item_id for bad in found.rejected] == ["3"]
    # Other splits beside the test split are left out.
    table.with_columns(pl.col("id") + 100).write_parquet(folder / "train-0-of-1.parquet")
    assert {item.item_id for item in vsti_bench.read(folder).items} == {"0", "1", "2"}


def test_one_benchmark_in_two_formats_is_refused(tmp_path):
    folder = files.vsti_bench(tmp_path)
    records = pl.read_parquet(folder / "test.parquet").to_dicts()
    files.write_json(folder / "test.json", records)
    with pytest.raises(ContractError, match=r"both hold id 0; keep one"):
        vsti_bench.read(folder)


def test_vlm4d_knows_the_parts_of_its_table(tmp_path):
    items = by_id(vlm4d.read(files.vlm4d(tmp_path)))
    assert items["real/validation_1"].subset == "real exocentric"
    assert vlm4d.subset_of("real", "real/validation_923", "left") == "real egocentric"
    assert vlm4d.subset_of("synthetic", "synthetic/1", "No") == "synthetic false positive"
    assert vlm4d.subset_of("synthetic", "synthetic/1", "no car") == "synthetic false positive"
    assert vlm4d.subset_of("synthetic", "synthetic/1", "not moving") == "synthetic directional"


def test_vsi_bench_knows_its_debiased_part(tmp_path):
    found = vsi_bench.read(files.vsi_bench(tmp_path / "a"))
    items = by_id(found)
    assert {name: item.subset for name, item in items.items()} == {"0": "debiased", "1": "pruned"}
    assert items["0"].answer_value == 4
    assert items["1"].options == ("left", "right")
    assert items["1"].answer_index == 1
    assert found.rules.prompt(items["1"]).splitlines()[2:5] == ["Options:", "A. left", "B. right"]
    assert "missing file" in found.rejected[0].reason
    plain = vsi_bench.read(files.vsi_bench(tmp_path / "b", pruned_ids=False))
    assert {item.subset for item in plain.items} == {None}


def test_vsi_and_vsti_bench_are_told_apart(tmp_path):
    assert vsi_bench.found_in(files.vsi_bench(tmp_path / "vsi"))
    assert not vsti_bench.found_in(tmp_path / "vsi")
    assert not vsi_bench.found_in(files.vsti_bench(tmp_path / "vsti"))


def test_dsr_bench_numbers_its_records(tmp_path):
    found = dsr_bench.read(files.dsr_bench(tmp_path))
    (item,) = found.items
    assert (item.item_id, item.answer_index) == ("0", 3)
    assert item.options[3] == "it grows, then shrinks"
    assert found.rules.prompt(item).endswith("D. it grows, then shrinks\nAnswer: ")
    assert "gone" in found.rejected[0].reason


def test_dyn_bench_shows_videos_and_folders_of_frames(tmp_path):
    found = dyn_bench.read(files.dyn_bench(tmp_path))
    items = by_id(found)
    assert set(items) == {"a", "b"}
    assert "Weather" in found.rejected[0].reason
    clip, times_s, span_s = sampled_frames(
        items["b"].video, 3, 16, start_ns=None, end_ns=None, sampling="ends"
    )
    assert clip[:, 0, 0, 0].tolist() == [0, 100, 200]
    assert times_s.tolist() == [0, 2, 4]
    assert span_s == 5


HOSTILE = [
    "a\0b", "x" * 5000, "\ud800", "../../../etc/passwd", "/etc/passwd", "a/" * 3000, "[" * 100_000,
    "\x1b[2J", 1e308, -1, 2**62, True, [], {}, [[]], {"a": None}, float("nan"), float("inf"),
]  # fmt: skip


def _nested(levels):
    value = "a"
    for _ in range(levels):
        value = [value]
    return value


def _vsti_as_json(folder):
    files.vsti_bench(folder)
    records = pl.read_parquet(folder / "test.parquet").to_dicts()
    (folder / "test.parquet").unlink()
    files.write_json(folder / "test.json", records)
    return folder


READERS = {
    "r4d": (files.r4d_bench, r4d_bench, "test.json"),
    "sti": (files.sti_bench_processed, sti_bench, "qa_processed.json"),
    "vlm4d": (files.vlm4d, vlm4d, "QA/real_mc.json"),
    "vsti": (_vsti_as_json, vsti_bench, "test.json"),
}


@pytest.mark.attack("L2")
@pytest.mark.parametrize("kind", READERS)
def test_a_hostile_field_rejects_its_own_record_alone(kind, tmp_path):
    make, reader, name = READERS[kind]
    folder = make(tmp_path)
    good = json.loads((folder / name).read_text(encoding="utf-8"))[:1]
    ours = {"shard": "0001-a", "clip_id": "clip_1", "family": "f"} if kind == "r4d" else {}
    (folder / name).write_text(json.dumps(good), encoding="utf-8")
    (expected, *_) = by_id(reader.read(folder))
    tried = 0
    for field in {**good[0], **ours}:
        for value in [*HOSTILE, _nested(100)]:
            bad = {**good[0], **ours, "id": "bad", field: value}
            (folder / name).write_text(json.dumps([*good, bad]), encoding="utf-8")
            found = reader.read(folder)
            assert expected in by_id(found)
            for item in found.items:
                assert item.video.is_relative_to(folder.resolve())
                json.dumps([item.item_id, item.question, item.options, item.group]).encode()
            for rejected in found.rejected:
                rejected.reason.encode()
            tried += 1
    assert tried > 100


@pytest.mark.attack("L2")
def test_a_file_that_is_nested_too_deep_is_named(tmp_path):
    (tmp_path / "test.json").write_text("[" * 200_000, encoding="utf-8")
    with pytest.raises(ContractError, match=r"test\.json: cannot be read"):
        r4d_bench.read(tmp_path)


@pytest.mark.attack("L2")
@pytest.mark.parametrize(
    ("rows", "text", "reason"),
    [(1_000_001, "", "more than 1000000 rows"), (30_000, "x" * 100_000, "bytes unpacked")],
)
def test_a_small_table_that_unpacks_to_gigabytes_is_refused(tmp_path, rows, text, reason):
    path = tmp_path / "test.parquet"
    same = pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), [text])
    pq.write_table(pa.table({"id": same}), path, use_dictionary=True)
    assert path.stat().st_size < 200_000
    with pytest.raises(ContractError, match=reason):
        fields.records_of(path)


@pytest.mark.attack("L2")
@pytest.mark.parametrize("separator", ["\u2028", "\x85", "\u2029", "\r"])
def test_a_separator_of_lines_in_a_text_ends_no_record(tmp_path, separator):
    path = tmp_path / "test.jsonl"
    written = {"question": f"Which{separator}way?"}
    path.write_text(json.dumps(written, ensure_ascii=False) + "\n", encoding="utf-8", newline="")
    assert fields.records_of(path) == [written]


@pytest.mark.attack("L2")
def test_a_pipe_in_the_folder_of_a_benchmark_is_not_waited_for(tmp_path):
    folder = files.sti_bench(tmp_path)
    os.mkfifo(folder / "0.parquet")
    assert sti_bench.read(folder).items


def test_a_clip_of_a_benchmark_is_named_not_pathed(tmp_path):
    folder = files.r4d_bench(tmp_path)
    good = json.loads((folder / "test.json").read_text(encoding="utf-8"))[0]
    bad = {**good, "id": "bad", "shard": "../../elsewhere", "clip_id": "clip_1"}
    files.write_json(folder / "test.json", [good, bad])
    found = r4d_bench.read(folder)
    assert [item.item_id for item in found.items] == ["stibench/7"]
    assert "expected a name" in found.rejected[0].reason
