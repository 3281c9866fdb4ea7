"""Whether everything that the ledger names is there and unaltered, by reading every byte."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from p4d.config import Project
from p4d.errors import LedgerError, PublishError
from p4d.ids import sha256_file
from p4d.pipeline import STAGES, Stage
from p4d.versioning import dvc_store, dvc_yaml
from p4d.versioning.fingerprint import Workspace, instance_key
from p4d.versioning.hashes import file_md5, tree_of
from p4d.versioning.ledger import LEDGER_PATH, Ledger

Fault = Literal["missing", "altered", "orphaned", "unrecorded"]


@dataclass(frozen=True)
class Problem:
    """One thing that is not as the ledger says.

    Attributes:
        kind: `missing`, `altered`, `orphaned` (lies there, belongs to nothing) or `unrecorded`
            (published, but not in the ledger).
        path: relative to the project.
        detail: in words.
    """

    kind: Fault
    path: str
    detail: str


@dataclass(frozen=True)
class VerifyReport:
    """Result of re-hashing everything that the ledger names.

    Attributes:
        versions: versions on record.
        files: files of current versions that were re-hashed in the working tree.
        objects: cache objects that were re-hashed.
        ledger_lines: length of the chain.
        ledger_head: SHA-256 of its last line.
        problems: what is wrong; empty when all is well.
    """

    versions: int
    files: int
    objects: int
    ledger_lines: int
    ledger_head: str
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """Whether all is as the ledger says."""
        return not self.problems

    def render_text(self) -> str:
        """The result and each problem, one per line."""
        lines = [f"{p.kind}: {p.path}: {p.detail}" for p in self.problems]
        result = "OK" if self.ok else f"{len(self.problems)} problems"
        lines.append(
            f"{result}: {self.versions} versions on record, {self.files} files and {self.objects} "
            f"cache objects re-hashed, ledger of {self.ledger_lines} lines, head "
            f"{self.ledger_head[:16]}"
        )
        return "\n".join(lines)


def verify(project: Project, stages: Sequence[Stage] = STAGES) -> VerifyReport:
    """Re-hash every file of the current versions and every cache object of all versions.

    Reads each byte anew; the hash cache is not asked.
    """
    with Workspace(project, stages) as look:
        return _Verifier(look).run()


class _Verifier:
    def __init__(self, look: Workspace) -> None:
        self._look = look
        self._root = look.project.root
        self._ledger = Ledger(look.project)
        self._problems: list[Problem] = []
        self._objects: dict[str, str | None] = {}
        self._files = 0

    def run(self) -> VerifyReport:
        chain = self._ledger.verify_chain()
        for fault in chain.faults:
            self._report("altered", LEDGER_PATH, fault)
        try:
            records = list(self._ledger.records("materialization"))
        except LedgerError as error:
            self._report("altered", LEDGER_PATH, str(error))
            records = []
        for stage, shard in self._look.instances():
            self._check_current(stage, shard)
        versions = {(r["stage"], r["shard"], r["md5"]): r for r in records}
        for (stage_name, shard_name, md5), record in versions.items():
            self._check_cached(instance_key(stage_name, shard_name), md5, record["path"])
        self._find_orphans()
        return VerifyReport(
            versions=len(versions),
            files=self._files,
            objects=len(self._objects),
            ledger_lines=chain.lines,
            ledger_head=chain.head,
            problems=tuple(dict.fromkeys(self._problems)),
        )

    def _report(self, kind: Fault, path: str, detail: str) -> None:
        self._problems.append(Problem(kind, path, detail))

    def _check_current(self, stage: Stage, shard: str | None) -> None:
        out = dvc_yaml.out_path(stage, shard)
        md5 = self._look.recorded_md5(stage.name, shard)
        latest = self._ledger.latest_materialization(stage.name, shard)
        if md5 is None:
            if latest is not None:
                detail = f"dvc.lock lost the entry; the ledger's latest is {latest['md5']}"
                self._report("unrecorded", out, detail)
            return
        if latest is None:
            self._report("unrecorded", out, f"version {md5} is not in the ledger")
        elif latest["md5"] != md5:
            self._report(
                "unrecorded", out, f"dvc.lock names {md5}, the ledger's latest is {latest['md5']}"
            )
        self._check_folder(stage, shard, out, md5)
        for name, sha256 in (latest or {}).get("weights", {}).items():
            file = self._root / out / name
            if latest and latest["md5"] == md5 and file.is_file() and sha256_file(file) != sha256:
                self._report("altered", f"{out}/{name}", f"SHA-256 is not {sha256}")

    def _check_folder(self, stage: Stage, shard: str | None, out: str, md5: str) -> None:
        folder = self._root / out
        if not folder.is_dir():
            self._report(
                "missing", out, f"`dvc checkout {instance_key(stage.name, shard)}` brings it back"
            )
            return
        tree = tree_of(folder)
        present = tree.files
        self._files += len(present)
        if tree.digest.md5 == md5:
            return
        try:
            expected = dvc_store.read_tree(self._root, md5).files
        except PublishError:
            self._report("altered", out, f"content is not version {md5}")
            return
        for name, digest in expected.items():
            if name not in present:
                self._report("missing", f"{out}/{name}", f"of version {md5}")
            elif present[name] != digest:
                self._report("altered", f"{out}/{name}", f"MD5 is not {digest.md5}")
        for name in present.keys() - expected.keys():
            self._report("orphaned", f"{out}/{name}", f"is no part of version {md5}")

    def _check_cached(self, key: str, md5: str, out: str) -> None:
        fault = self._object_fault(md5)
        if fault:
            self._report_object(fault, md5, key, out)
            return
        for name, digest in dvc_store.read_tree(self._root, md5).files.items():
            fault = self._object_fault(digest.md5)
            if fault:
                self._report_object(fault, digest.md5, key, f"{out}/{name}")

    def _report_object(self, fault: str, md5: str, key: str, what: str) -> None:
        path = dvc_store.object_path(self._root, md5)
        shown = path.relative_to(self._root) if path.is_relative_to(self._root) else path
        kind: Fault = "missing" if fault == "missing" else "altered"
        self._report(kind, str(shown), f"cache object of {what} ({key}); `dvc pull` may have it")

    def _object_fault(self, md5: str) -> str | None:
        if md5 not in self._objects:
            path = dvc_store.object_path(self._root, md5)
            if not path.is_file():
                self._objects[md5] = "missing"
            else:
                intact = file_md5(path) == md5.removesuffix(".dir")
                self._objects[md5] = None if intact else "altered"
        return self._objects[md5]

    def _find_orphans(self) -> None:
        data = self._look.project.data
        if not data.is_dir():
            return
        shards = set(self._look.shards)
        for folder in sorted(p for p in data.iterdir() if p.name != "ledger"):
            stage = self._look.by_name.get(folder.name)
            if stage is None:
                self._report("orphaned", f"data/{folder.name}", "no stage writes it")
            elif stage.per_shard:
                for each in sorted(folder.iterdir()):
                    if each.name not in shards:
                        self._report(
                            "orphaned",
                            f"data/{folder.name}/{each.name}",
                            "no such shard has landed",
                        )
