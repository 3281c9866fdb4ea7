import pytest

from benchmarks.distillation.report import COST, INFERENCE, record, restore, runs_of
from p4d.artifacts import write_json
from p4d.errors import ContractError


def test_runs_of_another_corpus_are_named_and_not_compared(tmp_path):
    for name, corpus in (("sft-0", "corpus_now"), ("p4d-0", "corpus_then")):
        write_json(tmp_path / "runs" / f"{name}.json", {"corpus": corpus})
    with pytest.raises(ContractError, match="p4d-0 did not learn from corpus_now"):
        runs_of(tmp_path, "corpus_now")
    (tmp_path / "runs" / "p4d-0.json").unlink()
    assert list(runs_of(tmp_path, "corpus_now")) == ["sft-0"]


def test_recorded_runs_are_restored_for_the_same_corpus_only(tmp_path):
    work, elsewhere = tmp_path / "work", tmp_path / "elsewhere"
    for name in (COST, INFERENCE):
        write_json(work / name, {})
    write_json(work / "runs" / "sft-0.json", {"corpus": "corpus_now", "answers": "103"})
    record(work, tmp_path, runs_of(work, "corpus_now"))
    with pytest.raises(ContractError, match="sft-0 did not learn from corpus_then"):
        restore(elsewhere, tmp_path, "corpus_then")
    assert not elsewhere.exists()
    restore(elsewhere, tmp_path, "corpus_now")
    assert runs_of(elsewhere, "corpus_now") == runs_of(work, "corpus_now")
