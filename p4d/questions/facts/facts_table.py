"""The table of facts that were measured as columns (`blocks.py`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from hashlib import sha256

import numpy as np
import polars as pl

from p4d.questions.columns import gather
from p4d.questions.facts.blocks import Bools, FactBlock, Floats, Ints
from p4d.questions.facts.table import SCHEMA, SIGMA_MAX, SIGMA_MIN, Source, encoded

DECIMALS = 6


@dataclass(frozen=True)
class MeasuredClip:
    """What all facts of a clip share, and its regions in mark order."""

    source: Source
    region_ids: tuple[str, ...]


@dataclass(frozen=True)
class MeasuredFacts:
    """The table of the finite facts, and what was left out.

    Attributes:
        table: by the schema of facts.parquet, in its order if clips are numbered in the order of
            their ids.
        not_finite: number of facts with a NaN or an infinity, which are left out.
        about_regions_c: whether a clip has a fact about regions.
    """

    table: pl.DataFrame
    not_finite: int
    about_regions_c: Bools


def facts_table(blocks: Sequence[FactBlock], clips: Sequence[MeasuredClip]) -> MeasuredFacts:
    """Return the facts of all blocks; `clips` in the order of their numbers."""
    about_regions_c = np.zeros(len(clips), bool)
    if not blocks:
        return MeasuredFacts(pl.DataFrame(schema=SCHEMA), 0, about_regions_c)
    regions = _Regions(blocks, clips)
    measured = _Columns.of(blocks, regions)
    finite_n = np.isfinite(measured.value_n) & np.isfinite(measured.sigma_n)
    columns = measured.of_rows(np.flatnonzero(finite_n))
    digests = _digests(columns, blocks, clips, regions)
    order = np.lexsort((np.frombuffer(b"".join(digests), ">u8"), columns.clip_n))
    columns = columns.of_rows(order)
    about_regions_c[columns.clip_n[regions.any[columns.region_n]]] = True
    fact_ids = "fact_" + pl.Series(digests, dtype=pl.Binary).gather(order).bin.encode("hex")
    table = _table(fact_ids, columns, blocks, clips, regions)
    return MeasuredFacts(table, int((~finite_n).sum()), about_regions_c)


def rounded(values: Floats) -> Floats:
    """Return values rounded to six decimals, to the bit those of Python's `round`."""
    scaled = values * 10**DECIMALS
    found = np.rint(scaled) / 10**DECIMALS
    # Near a tie the product may lie on its other side, and a large one has no decimals to round.
    unsure = (np.abs(scaled - np.floor(scaled) - 0.5) < 1e-3) | (np.abs(scaled) > 1e14)
    at = np.flatnonzero(unsure & np.isfinite(values))
    found[at] = [round(value, DECIMALS) for value in values[at].tolist()]
    return np.asarray(found)


@dataclass(frozen=True, kw_only=True)
class _Columns:
    """What the facts of all blocks differ in; texts as numbers.

    Attributes:
        block_n, clip_n, region_n: number of the block, the clip, and the list of regions.
        word_n: place in the words of all blocks, one after the other; -1 for quantities.
        start_ns_n, end_ns_n, value_n, sigma_n: as stored.
    """

    block_n: Ints
    clip_n: Ints
    region_n: Ints
    word_n: Ints
    start_ns_n: Ints
    end_ns_n: Ints
    value_n: Floats
    sigma_n: Floats

    @classmethod
    def of(cls, blocks: Sequence[FactBlock], regions: _Regions) -> _Columns:
        """The facts of blocks one after the other."""
        joined = {
            name: np.concatenate([getattr(block, name) for block in blocks])
            for name in ("clip_n", "start_ns_n", "end_ns_n", "value_n", "sigma_n")
        }
        first = np.cumsum([0, *(len(block.words) for block in blocks)])
        return cls(
            **{
                **joined,
                "value_n": rounded(joined["value_n"]),
                "sigma_n": rounded(np.clip(joined["sigma_n"], SIGMA_MIN, SIGMA_MAX)),
            },
            block_n=np.repeat(np.arange(len(blocks)), [len(block.clip_n) for block in blocks]),
            region_n=regions.number_n(blocks, joined["clip_n"]),
            word_n=np.concatenate(
                [
                    np.full(len(block.clip_n), -1)
                    if block.word_n is None
                    else first[at] + block.word_n
                    for at, block in enumerate(blocks)
                ]
            ),
        )

    def of_rows(self, rows: Ints) -> _Columns:
        """Select some facts, in this order."""
        return _Columns(**{each.name: getattr(self, each.name)[rows] for each in fields(self)})


class _Regions:
    """The lists of regions that facts are about; few differ, so each is made once."""

    def __init__(self, blocks: Sequence[FactBlock], clips: Sequence[MeasuredClip]) -> None:
        found = {tuple(row): None for block in blocks for row in block.about_pr.tolist()}
        self._place = {row: place for place, row in enumerate(found)}
        lists = [
            [clip.region_ids[k] for k in row] if max(row, default=0) < len(clip.region_ids) else []
            for clip in clips
            for row in found
        ] if found else []  # fmt: skip
        # Polars makes a list of a Python list twenty times as slowly as it splits a text.
        joined = pl.Series([",".join(row) for row in lists], dtype=pl.String)
        self.lists = joined.str.extract_all("[^,]+")
        self.any = np.array([bool(row) for row in lists], bool)
        self.json_texts = [",".join(map(encoded, row)) for row in lists]

    def number_n(self, blocks: Sequence[FactBlock], clip_n: Ints) -> Ints:
        """The list of each fact, as its index in `lists`."""
        parts = []
        for block in blocks:
            places = [self._place[tuple(row)] for row in block.about_pr.tolist()]
            parts.append(np.array(places, np.int64)[block.about_n])
        return np.asarray(clip_n * len(self._place) + np.concatenate(parts))


def _digests(
    columns: _Columns,
    blocks: Sequence[FactBlock],
    clips: Sequence[MeasuredClip],
    regions: _Regions,
) -> list[bytes]:
    """Return what ids are made of: the hash of a fact's canonical JSON (`p4d.ids.content_id`)."""
    sources = [clip.source for clip in clips]
    json_texts = pl.select(
        pl.concat_str(
            gather([f"[{encoded(source.clip_id)}," for source in sources], columns.clip_n),
            gather([f"{encoded(block.kind)},[" for block in blocks], columns.block_n),
            gather(regions.json_texts, columns.region_n),
            pl.lit("],"),
            pl.Series(columns.start_ns_n),
            pl.lit(","),
            pl.Series(columns.end_ns_n),
            gather([f",{encoded(block.frame)}," for block in blocks], columns.block_n),
            gather([f"{encoded(source.teacher)}]" for source in sources], columns.clip_n),
        )
    ).to_series()
    return [sha256(text).digest()[:8] for text in json_texts.cast(pl.Binary).to_list()]


def _table(
    fact_ids: pl.Series,
    columns: _Columns,
    blocks: Sequence[FactBlock],
    clips: Sequence[MeasuredClip],
    regions: _Regions,
) -> pl.DataFrame:
    """Return the rows of facts.parquet."""
    words = pl.Series([word for block in blocks for word in block.words], dtype=pl.String)

    def of_block(name: str) -> pl.Series:
        return gather([getattr(block, name) for block in blocks], columns.block_n)

    def of_clip(name: str) -> pl.Series:
        return gather([getattr(clip.source, name) for clip in clips], columns.clip_n)

    return pl.DataFrame(
        {
            "fact_id": fact_ids,
            "clip_id": of_clip("clip_id"),
            "kind": of_block("kind"),
            "region_ids": regions.lists.gather(columns.region_n),
            "start_ns": columns.start_ns_n,
            "end_ns": columns.end_ns_n,
            "value": columns.value_n,
            # The place after the last word is that of no word.
            "value_text": words.extend_constant(None, 1).gather(columns.word_n % (len(words) + 1)),
            "unit": of_block("unit"),
            "sigma": columns.sigma_n,
            "frame": of_block("frame"),
            "method": of_block("method"),
            "scale_kind": of_clip("scale_kind"),
            "teacher": of_clip("teacher"),
            "teacher_digest": of_clip("teacher_digest"),
        },
        schema=SCHEMA,
    )
