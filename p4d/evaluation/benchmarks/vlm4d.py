"""VLM4D: motion in real and generated videos, four options.

`real_mc.json` and `synthetic_mc.json` (in the folder, `QA/` or `data/`): lists of records with
`id`, `video` (a URL or path; what follows `resolve/main/` is the local path), `question_type`
(always multiple-choice), `question`, `choices` (letter to text, numbers among them) and `answer`
(the text of the correct choice). There are no category labels: the source of the video is used
instead, and every question counts as dynamic.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from p4d.errors import ContractError
from p4d.evaluation.benchmarks import fields
from p4d.evaluation.benchmarks.item import Benchmark, BenchmarkItem, Record, read_items
from p4d.evaluation.benchmarks.published_rules import LMMS_EVAL

FILES = {"real": "real_mc.json", "synthetic": "synthetic_mc.json"}
_FOLDERS = ("", "QA", "data")


def found_in(folder: Path) -> bool:
    """Return whether the folder holds this benchmark."""
    return bool(_paths(folder))


def _paths(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for part, name in FILES.items():
        for parent in _FOLDERS:
            if (folder / parent / name).is_file():
                found.setdefault(part, folder / parent / name)
    return found


def read(folder: Path) -> Benchmark:
    """Read whichever of the two parts are present, and find the videos.

    Raises:
        ContractError: the folder holds neither part.
    """
    paths = _paths(folder)
    if not paths:
        raise ContractError(f"{folder} holds no VLM4D: expected {' or '.join(FILES.values())}")
    records = [
        {**record, "part": part} if isinstance(record, dict) else record
        for part, path in paths.items()
        for record in fields.records_of(path)
    ]

    def identify(record: Record) -> str:
        return f"{record['part']}/{fields.text(fields.first(record, 'id'))}"

    def item(item_id: str, record: Record) -> BenchmarkItem:
        name = fields.text(fields.first(record, "video")).rpartition("resolve/main/")[2]
        options = fields.options(fields.by_letter(fields.first(record, "choices")))
        return BenchmarkItem(
            item_id=item_id,
            category=PurePosixPath(name).parent.name or str(record["part"]),
            dynamic=True,
            kind="mcq",
            question=fields.text(fields.first(record, "question")),
            options=options,
            answer_index=fields.answer_index(options, fields.first(record, "answer")),
            video=fields.media(folder, name, f"videos_{record['part']}/{name}"),
            group=name,
        )

    items, rejected = read_items(records, identify, item)
    return Benchmark(name="vlm4d", folder=folder, items=items, rejected=rejected, rules=LMMS_EVAL)
