"""Reads and writes dvc.lock entry by entry, as DVC 3.67 writes it (`schema: '2.0'`).

DVC itself is not imported: the format is plain and stable, importing DVC takes most of a second,
and `dvc commit` would record the inputs as they are afterwards, not as they were when the stage
read them. Tests compare all of it with the real DVC.
"""

from __future__ import annotations

import functools
import io
import json
import re
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from p4d.atomic import replacing, sync_folder, write_flushed
from p4d.errors import PublishError
from p4d.versioning.files.crash_points import reached
from p4d.versioning.files.hashes import Digest

LOCK_FILE = "dvc.lock"
PARAMS_FILE = "params.yaml"


@functools.lru_cache(maxsize=256)
def load_yaml(text: str) -> Any:  # noqa: ANN401 - YAML has no narrower type
    """Parse YAML 1.2, as DVC does (`1e-5` is a number, `yes` a text). Do not change the result."""
    from ruamel.yaml import YAML  # 50 ms, and only DVC's files need it

    return YAML(typ="safe").load(text)


def _dump_yaml(value: object) -> str:
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.default_flow_style = False
    stream = io.StringIO()
    yaml.dump(value, stream)
    return stream.getvalue()


@dataclass(frozen=True)
class LockEntry:
    """The entry of one artifact in dvc.lock.

    Attributes:
        cmd: the command line.
        deps: hashes of files and folders read, by path.
        params: recorded sections of params.yaml.
        outs: hashes of what was written, by path.
    """

    cmd: str
    deps: Mapping[str, Digest] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    outs: Mapping[str, Digest] = field(default_factory=dict)

    def to_text(self, name: str) -> str:
        """The block of dvc.lock for the artifact `name`, byte for byte as DVC writes it."""
        text = f"  {name}:\n    " + _dump_scalar("cmd", self.cmd)
        if self.deps:
            text += "    deps:\n" + "".join(_item(p, d) for p, d in sorted(self.deps.items()))
        if self.params:
            text += _dump_params(json.dumps(self.params))
        if self.outs:
            text += "    outs:\n" + "".join(_item(p, d) for p, d in sorted(self.outs.items()))
        return text


_PLAIN = re.compile(r"[A-Za-z_./][A-Za-z0-9_./@+-]*(?: [A-Za-z0-9_./@+-]+)*")
_RESERVED = re.compile(r"(?i)[-+]?\.(inf|nan)|null|true|false|~")
_HASH = re.compile(r"[0-9a-f]*[a-df][0-9a-f]*(\.dir)?")
_WIDTH = 70


def _dump_scalar(key: str, value: str) -> str:
    # Most values need no quotes and no line breaks; DVC's YAML library takes a millisecond each.
    plain = _PLAIN.fullmatch(value) and not _RESERVED.fullmatch(value)
    if plain and (" " not in value or len(value) < _WIDTH):
        return f"{key}: {value}\n"
    return _nested({key: value}).lstrip(" ")


@functools.lru_cache(maxsize=256)
def _dump_params(as_json: str) -> str:
    params = json.loads(as_json)
    return _nested({"params": {PARAMS_FILE: {key: params[key] for key in sorted(params)}}})


def _nested(value: object) -> str:
    """The text of `value` as it stands inside a stage's block: lines break by absolute column."""
    return _dump_yaml({"stages": {"s": value}}).partition("  s:\n")[2]


def _item(path: str, digest: Digest) -> str:
    return _item_text(path, digest.md5, digest.nbytes, digest.nfiles)


@functools.lru_cache(maxsize=4096)
def _item_text(path: str, md5: str, nbytes: int | None, nfiles: int | None) -> str:
    """The lines of one file; all shards name the same code."""
    text = "    - " + _dump_scalar("path", path)
    text += "      hash: md5\n"
    quoted = md5 if _HASH.fullmatch(md5) else f"'{md5}'"
    text += f"      md5: {quoted}\n"
    if nbytes is not None:
        text += f"      size: {nbytes}\n"
    if nfiles is not None:
        text += f"      nfiles: {nfiles}\n"
    return text


_FIRST_OUT = re.compile(
    r"\n    outs:\n    - path: ([^\n]+)\n      hash: md5\n      md5: '?([0-9a-f]{32}\.dir)"
)


class LockFile:
    """The text of dvc.lock, cut into one block per artifact; a block is parsed on request.

    Raises:
        PublishError: on use, if the text is not laid out as DVC writes it.
    """

    def __init__(self, text: str) -> None:
        """Cut `text` (empty if there is no file) into the blocks of artifacts."""
        self.text = text
        self._spans: dict[str, tuple[int, int]] = {}
        self._end = len(text)
        self._cut()

    @classmethod
    def read(cls, root: Path) -> LockFile:
        """Read dvc.lock below `root`, waiting while another process is writing it.

        Raises:
            PublishError: the file stays damaged.
        """
        for _ in range(20):
            found = cls.read_as_is(root)
            damage = found.damage()
            if damage is None:
                return found
            time.sleep(0.05)
        raise PublishError(
            f"{LOCK_FILE} is damaged ({damage}); running any stage restores its copy, or take the "
            f"last anchored one: `git show p4d-ledger:{LOCK_FILE} > {LOCK_FILE}`"
        )

    @classmethod
    def read_as_is(cls, root: Path) -> LockFile:
        """Read dvc.lock below `root` without checking it."""
        path = root / LOCK_FILE
        try:
            stat = path.stat()
        except FileNotFoundError:
            return cls("")
        identity = (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
        return _read_lock(path, identity)

    def names(self) -> list[str]:
        """Names of all recorded artifacts."""
        return list(self._spans)

    def block(self, name: str) -> str | None:
        """The text of one artifact, or None."""
        span = self._spans.get(name)
        return None if span is None else self.text[span[0] : span[1]]

    def entry(self, name: str) -> LockEntry | None:
        """The parsed entry of one artifact, or None."""
        block = self.block(name)
        return None if block is None else _parse_block(block)

    def output_md5(self, name: str, path: str) -> str | None:
        """Recorded hash of the output `path` of one artifact, or None.

        Reads it from the text: parsing the whole block costs a hundred times as much, and a lineage
        asks for every shard.
        """
        block = self.block(name)
        if block is None:
            return None
        found = _FIRST_OUT.search(block)
        if found and found[1] == path:
            return found[2]
        out = _parse_block(block).outs.get(path)
        return None if out is None else out.md5

    def without(self, names: Collection[str]) -> str:
        """The text without the blocks of `names`; all other bytes stay the same."""
        kept, last = [], 0
        for start, end in sorted(self._spans[name] for name in names):
            kept.append(self.text[last:start])
            last = end
        return "".join([*kept, self.text[last:]])

    def replaced(self, blocks: Mapping[str, str]) -> str:
        """The text with the blocks of these names replaced; all other bytes stay the same."""
        parts, last = [], 0
        for start, end, name in sorted((*self._spans[name], name) for name in blocks):
            parts += [self.text[last:start], blocks[name]]
            last = end
        return "".join([*parts, self.text[last:]])

    def spliced(self, name: str, block: str) -> str:
        """The text with the block of `name` replaced or appended; all other bytes stay the same."""
        if not self.text.strip():
            return f"schema: '2.0'\nstages:\n{block}"
        if name in self._spans:
            start, end = self._spans[name]
            return self.text[:start] + block + self.text[end:]
        if not self._has_stages:
            return self.text.rstrip("\n") + f"\nstages:\n{block}"
        return self.text[: self._end] + block + self.text[self._end :]

    def damage(self) -> str | None:
        """Why the text cannot be a complete lock file, or None.

        A file that was cut while DVC wrote it lacks its final newline or the file count of the last
        output; this finds both without parsing the whole.
        """
        if not self.text.strip():
            return None
        if not self.text.endswith("\n"):
            return "it does not end with a line"
        if not self.text.startswith("schema:") or not self._has_stages:
            return "it has no schema and stages"
        if "\0" in self.text or "\ufffd" in self.text:
            return "it holds bytes that are not text"
        if self._spans:
            last = list(self._spans)[-1]
            try:
                entry = _parse_block(self.block(last) or "")
            except PublishError as error:
                return str(error)
            if not entry.outs or any(
                out.nbytes is None or (out.md5.endswith(".dir") and out.nfiles is None)
                for out in entry.outs.values()
            ):
                return f"its last entry {last} is not complete"
        return None

    def _cut(self) -> None:
        # Patterns begin with the line break: a literal prefix makes the search ten times faster.
        top = re.search(r"(?:^|\n)stages:[ \t]*(?=\n)", self.text)
        self._has_stages = top is not None
        if top is None:
            return
        after = re.compile(r"\n(?=[^\s#])").search(self.text, top.end())
        self._end = after.end() if after else len(self.text)
        heads = list(
            re.compile(r"\n(  ([^ \n#][^\n]*):[ \t]*)(?=\n)").finditer(
                self.text, top.end(), self._end
            )
        )
        ends = [head.start(1) for head in heads[1:]] + [self._end]
        for head, end in zip(heads, ends, strict=True):
            self._spans[head.group(2).strip("'\"")] = (head.start(1), end)


@functools.lru_cache(maxsize=16384)
def _read_lock(path: Path, identity: tuple[int, int, int, int]) -> LockFile:
    del identity  # key of the cache: the content depends on it
    return LockFile(path.read_text(encoding="utf-8", errors="replace"))


@functools.lru_cache(maxsize=4096)
def _parse_block(block: str) -> LockEntry:
    sections: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in block.splitlines()[1:]:
        key = re.match(r"    ([a-z_]+):(.*)$", line)
        if key:
            lines = sections.setdefault(key.group(1), [line[4:]])
        elif line.strip():
            lines.append(line[4:])
    if "cmd" not in sections:
        raise PublishError(f"{LOCK_FILE}: entry without a command: {block[:80]!r}")
    cmd = _parse_yaml_text("\n".join(sections["cmd"]))["cmd"]
    params = {}
    if "params" in sections:
        params = _parse_yaml_text("\n".join(sections["params"]))["params"].get(PARAMS_FILE, {})
    return LockEntry(
        cmd=cmd,
        deps=_parse_items(sections.get("deps", [])),
        params=params,
        outs=_parse_items(sections.get("outs", [])),
    )


def _parse_yaml_text(text: str) -> Any:  # noqa: ANN401
    plain = re.fullmatch(r"cmd: ([A-Za-z][^#:'\"\n]*[^#:'\"\s])", text)
    if plain:
        return {"cmd": plain.group(1)}
    try:
        return load_yaml(text)
    except Exception as error:
        raise PublishError(f"{LOCK_FILE} does not parse: {error}") from error


def _parse_items(lines: list[str]) -> dict[str, Digest]:
    items: dict[str, Digest] = {}
    values: dict[str, str] = {}
    for line in [*lines[1:], "- "]:
        if line.startswith("- "):
            if values:
                try:
                    items[values["path"]] = Digest(
                        values["md5"],
                        int(values["size"]) if "size" in values else None,
                        int(values["nfiles"]) if "nfiles" in values else None,
                    )
                except (KeyError, ValueError) as error:
                    raise PublishError(f"{LOCK_FILE}: incomplete entry {values}") from error
            values = {}
        key, _, value = line[2:].partition(":")
        values[key.strip()] = value.strip().strip("'\"")
        values.pop("", None)
    return items


def copy_of(scratch: Path, folder: str) -> Path:
    """Where `write_lock` keeps the text that it replaced.

    Args:
        scratch: private folder of the project.
        folder: of the lock, relative to the project.
    """
    return scratch / f"{folder.replace('/', '.')}{'.' * bool(folder)}{LOCK_FILE}.bak"


def write_lock(root: Path, folder: str, text: str, scratch: Path) -> None:
    """Replace `dvc.lock` in a folder of the project, atomically and durably; keeps the old one.

    Args:
        root: of the project.
        folder: relative to it; empty for the root.
        text: the new content.
        scratch: private folder of the project, see `copy_of`.
    """
    target, temporary = root / folder / LOCK_FILE, scratch / f"{LOCK_FILE}.new"
    if target.exists():
        with replacing(copy_of(scratch, folder)) as backup:
            backup.write_bytes(target.read_bytes())
    write_flushed(temporary, text.encode())
    reached("lock_prepared")
    temporary.replace(target)
    sync_folder(target.parent)
