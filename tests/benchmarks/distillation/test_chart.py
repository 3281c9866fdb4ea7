from xml.etree import ElementTree

import pytest

from benchmarks.distillation.chart import COLOURS, accuracy_chart, write_svg

GAIN = {"mean": 0.25, "ci95": [0.15, 0.30]}
REPORT = {
    "controls": [],
    "ablations": [],
    "arms": [
        {"name": "sft", "accuracy": {"Counting": 0.25, "mean": 0.25}},
        {"name": "p4d", "accuracy": {"Counting": 0.5, "mean": 0.5}},
    ],
    "gain": {"equal_steps": {**GAIN, "per_category": {"Counting": GAIN}}, "exact_teacher": None},
}


def test_bars_are_accuracies_and_error_bars_the_interval_of_the_gain():
    (axes,) = accuracy_chart(REPORT, ["Counting"]).axes
    heights = {
        container.get_label(): [bar.get_height() for bar in container]
        for container in axes.containers
        if hasattr(container, "patches")
    }
    assert heights == {"SFT": [0.25, 0.25], "P4D": [0.5, 0.5]}
    (error_bars,) = axes.collections
    ends = [segment[:, 1].tolist() for segment in error_bars.get_segments()]
    assert ends == [pytest.approx([0.4, 0.55])] * 2
    bars = [bar for bar in axes.patches if bar.get_height() == 0.5]
    middles = [bar.get_x() + bar.get_width() / 2 for bar in bars]
    assert [segment[0, 0] for segment in error_bars.get_segments()] == pytest.approx(middles)


def test_the_same_report_gives_the_same_svg(tmp_path):
    for name in ("a.svg", "b.svg"):
        write_svg(accuracy_chart(REPORT, ["Counting"]), tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert COLOURS["p4d"] in (tmp_path / "a.svg").read_text()
    ElementTree.parse(tmp_path / "a.svg")
