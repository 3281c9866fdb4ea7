"""VLM4D: motion in real and generated videos, four options.

`real_mc.json` and `synthetic_mc.json` (in the folder, `QA/` or `data/`): lists of records with
`id`, `video` (a URL or path; what follows `resolve/main/` is the local path), `question_type`
(always multiple-choice), `question`, `choices` (letter to text, numbers among them) and `answer`
(the text of the right choice). There are no labels of categories; the source of the video stands
in for them, and every question counts as dynamic.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from p4d.errors import ContractError
from p4d.evaluation.benchmarks.item import (
    Benchmark,
    BenchmarkItem,
    ItemError,
    Record,
    answer_among,
    field,
    media,
    options_of,
    plain,
    read_items,
    read_records,
)
from p4d.evaluation.benchmarks.wording import frames_prompt
from p4d.evaluation.scoring.answers import leading_letter
from p4d.students.model.chat import LETTERS

FILES = {"real": "real_mc.json", "synthetic": "synthetic_mc.json"}
_FOLDERS = ("", "QA", "data")


def found_in(folder: Path) -> bool:
    """Whether the folder holds this benchmark."""
    return bool(_paths(folder))


def _paths(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for part, name in FILES.items():
        for parent in _FOLDERS:
            if (folder / parent / name).is_file():
                found.setdefault(part, folder / parent / name)
    return found


def read(folder: Path) -> Benchmark:
    """Read both parts, as far as they are there, and find the videos.

    Raises:
        ContractError: there is neither file.
    """
    paths = _paths(folder)
    if not paths:
        raise ContractError(f"{folder} holds no VLM4D: expected {' or '.join(FILES.values())}")
    records = [
        {**record, "part": part} if isinstance(record, dict) else record
        for part, path in paths.items()
        for record in read_records(path)
    ]

    def identify(record: Record) -> str:
        return f"{record['part']}/{plain(field(record, 'id'))}"

    def item(item_id: str, record: Record) -> BenchmarkItem:
        name = plain(field(record, "video")).rpartition("resolve/main/")[2]
        options = _options(field(record, "choices"))
        source = PurePosixPath(name).parent.name or str(record["part"])
        return BenchmarkItem(
            item_id=item_id,
            category=source,
            dynamic=True,
            kind="mcq",
            question=plain(field(record, "question")),
            options=options,
            answer_index=answer_among(options, field(record, "answer")),
            video=media(folder, name, f"videos_{record['part']}/{name}"),
            group=name,
        )

    items, bad = read_items(records, identify, item)
    return Benchmark(
        name="vlm4d",
        folder=folder,
        items=items,
        bad=bad,
        body=frames_prompt,
        letter_of=leading_letter,
        unparsed="wrong",
    )


def _options(choices: object) -> tuple[str, ...]:
    if isinstance(choices, dict):
        if sorted(choices) != list(LETTERS[: len(choices)]):
            raise ItemError(f"choices must have the letters A, B, ..., got {sorted(choices)}")
        choices = [choices[letter] for letter in sorted(choices)]
    return options_of(choices)
