"""Checks an audit bundle. Needs Python 3.8 or later and nothing else, not even the project.

    python3 verify.py [FOLDER_OR_ZIP] [--head SHA256]

It proves, from the bytes in the bundle alone, that

1. the ledger is one unbroken chain: each line carries the SHA-256 of the line before it;
2. its last line is the head that you were given (`--head`, from somebody you trust);
3. every version in the lineage was put on record before what was made from it, and everything that
   a version was made from is in the lineage, down to stages that read nothing but landed files;
4. every version's hash is the hash of the list of its files, and every file that is in the bundle
   has the MD5 that its version names and the SHA-256 that the bundle lists;
5. the source videos are the ones that their ids name (an id is the start of the file's SHA-256);
6. what is claimed is what the claimed version says, where it says it in JSON or CSV.

Exit status 0: all of that holds. 1: it does not; every fault is named. It does not judge whether
the data, the code or the checks are any good: failed checks are listed, not hidden.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import pathlib
import sys
import zipfile
from typing import Any, Dict  # noqa: UP035 - runs on Python 3.8

Json = Dict[str, Any]  # noqa: UP006


class Bundle:
    """Files of a folder or of a zip archive, by name."""

    def __init__(self, path: str) -> None:
        self._folder = pathlib.Path(path)
        self._zip = None if self._folder.is_dir() else zipfile.ZipFile(path)

    def names(self) -> list[str]:
        """Names of all files, sorted."""
        if self._zip is not None:
            return sorted(n for n in self._zip.namelist() if not n.endswith("/"))
        files = (p for p in self._folder.rglob("*") if p.is_file())
        return sorted(p.relative_to(self._folder).as_posix() for p in files)

    def read(self, name: str) -> bytes:
        """Content of one file."""
        if self._zip is not None:
            return self._zip.read(name)
        return (self._folder / name).read_bytes()


class Verifier:
    """Collects faults; a bundle without any is proven."""

    def __init__(self, bundle: Bundle, head: str | None) -> None:
        self.bundle = bundle
        self.head = head
        self.faults: list[str] = []
        self.facts: list[str] = []

    def run(self) -> bool:
        """Check everything; returns whether all holds."""
        names = set(self.bundle.names())
        needed = {"bundle.json", "ledger.jsonl", "SHA256SUMS"}
        for name in sorted(needed - names):
            self.fault(f"{name} is missing")
        if self.faults:
            return False
        self.check_sums(names)
        about = json.loads(self.bundle.read("bundle.json").decode())
        lines = self.check_chain(about)
        if lines is None:
            return False
        objects = self.check_objects(names)
        self.check_lineage(about, lines, objects)
        self.check_sources(about)
        self.check_claim(about, objects)
        self.list_checks(about, lines)
        return not self.faults

    def fault(self, text: str) -> None:
        """Note something that does not hold."""
        self.faults.append(text)

    def check_sums(self, names: set[str]) -> None:
        """Every file of the bundle has the hash that SHA256SUMS lists, and none is unlisted."""
        listed: dict[str, str] = {}
        text = self.bundle.read("SHA256SUMS").decode("utf-8", "replace")
        for line in text.split("\n"):
            digest, _, name = line.partition("  ")
            if name:
                listed[name] = digest
        if text != "".join(f"{listed[name]}  {name}\n" for name in sorted(listed)):
            self.fault("SHA256SUMS is not written as it should be")
        for name in sorted(listed):
            if name not in names:
                self.fault(f"{name} is listed in SHA256SUMS but missing")
            elif hashlib.sha256(self.bundle.read(name)).hexdigest() != listed[name]:
                self.fault(f"{name} is not what SHA256SUMS says")
        for name in sorted(names - set(listed) - {"SHA256SUMS"}):
            self.fault(f"{name} is not listed in SHA256SUMS")

    def check_chain(self, about: Json) -> list[Json] | None:
        """The lines of the ledger, if they are one chain that ends in the head."""
        lines = self.bundle.read("ledger.jsonl").split(b"\n")
        if lines.pop() != b"":
            self.fault("the ledger's last line is cut")
        previous, records = "0" * 64, []
        for number, line in enumerate(lines, 1):
            try:
                record = json.loads(line.decode())
                named = record["prev"]
            except (ValueError, KeyError, TypeError):
                self.fault(f"ledger line {number} is not a record")
                return None
            if named != previous:
                self.fault(f"ledger line {number} does not follow from the line before it")
            previous = hashlib.sha256(line).hexdigest()
            records.append(record)
        if previous != about["head"]:
            self.fault("the ledger ends in {}, the bundle says {}".format(previous, about["head"]))
        if self.head and previous != self.head:
            self.fault(f"the ledger ends in {previous}, you were given {self.head}")
        known = "the one you were given" if self.head else "compare it with one you trust"
        self.facts.append(f"ledger of {len(lines)} lines, head {previous} ({known})")
        return records

    def check_objects(self, names: set[str]) -> dict[str, bytes]:
        """Hashes of all objects; an object is named after the MD5 of its content."""
        objects = {}
        for name in sorted(names):
            if name.startswith("objects/"):
                content = self.bundle.read(name)
                md5 = name[len("objects/") :].replace("/", "")
                if hashlib.md5(content).hexdigest() != md5.replace(".dir", ""):
                    self.fault(f"{name} has another content than its name says")
                objects[md5] = content
        return objects

    def check_lineage(self, about: Json, lines: list[Json], objects: dict[str, bytes]) -> None:
        """Versions follow from earlier lines, inputs are complete, files are what they were."""
        line_of: dict[tuple[str, str], int] = {}
        files, present = 0, 0
        for version in about["versions"]:
            key, md5 = version["key"], version["md5"]
            number = version["line"]
            if number is None:
                self.fault(f"{key} {md5} has no line in the ledger")
                continue
            record = lines[number - 1] if 0 < number <= len(lines) else {}
            shard = record.get("shard")
            made = (record.get("stage") or "") + ("@" + shard if shard else "")
            if record.get("kind") != "materialization" or (made, record.get("md5")) != (key, md5):
                self.fault(f"ledger line {number} does not say that {key} is {md5}")
                continue
            line_of[key, md5] = number
            self.check_inputs(version, record, lines, line_of)
            counts = self.check_files(version, record, objects)
            files, present = files + counts[0], present + counts[1]
        claimed = (about["claim"]["version"]["key"], about["claim"]["version"]["md5"])
        if claimed not in line_of:
            self.fault("the claimed version {} {} is not in the lineage".format(*claimed))
        self.facts.append(
            f"{len(line_of)} versions, each on record after everything it was made from"
        )
        self.facts.append(f"{present} of their {files} files are in the bundle and hashed")

    def check_inputs(
        self, version: Json, record: Json, lines: list[Json], line_of: dict[tuple[str, str], int]
    ) -> None:
        """Whatever a version read was on record, as the very version that is in the lineage."""
        for upstream, of in sorted(record["upstream"].items()):
            of = of.replace("md5:", "")
            if (upstream, of) not in line_of:
                self.fault(
                    "{} was made from {} {}, which is not in the lineage before it".format(
                        version["key"], upstream, of
                    )
                )
                continue
            # Equal bytes may have been made again later: any earlier line that made them will do.
            if not any(
                r.get("kind") == "materialization"
                and r["stage"] + ("@" + r["shard"] if r["shard"] else "") == upstream
                and r["md5"] == of
                for r in lines[: version["line"] - 1]
            ):
                self.fault("{} was read before it was made ({})".format(upstream, version["key"]))

    def check_files(
        self, version: Json, record: Json, objects: dict[str, bytes]
    ) -> tuple[int, int]:
        """The version's hash is that of its list of files; those at hand have their SHA-256."""
        md5 = version["md5"]
        if md5 not in objects:
            self.fault("the list of files of {} {} is missing".format(version["key"], md5))
            return 0, 0
        try:
            listed = {e["relpath"]: e["md5"] for e in json.loads(objects[md5].decode())}
        except (ValueError, KeyError, TypeError):
            self.fault("the list of files of {} is damaged".format(version["key"]))
            return 0, 0
        named = {f["path"]: f for f in version["files"]}
        if {path: f["md5"] for path, f in named.items()} != listed:
            self.fault("the files of {} are not those of its hash".format(version["key"]))
        present = 0
        for path, digest in listed.items():
            content = objects.get(digest)
            if content is None:
                continue
            present += 1
            sha256 = hashlib.sha256(content).hexdigest()
            if path in named and named[path]["sha256"] != sha256:
                self.fault("{} of {} has another SHA-256 than listed".format(path, version["key"]))
            weights = record.get("weights", {})
            if path in weights and weights[path] != sha256:
                self.fault("{} of {} is not what the ledger says".format(path, version["key"]))
        return len(listed), present

    def check_sources(self, about: Json) -> None:
        """A video's id is the start of the SHA-256 of its file."""
        hashes = {
            f["path"]: f["sha256"]
            for version in about["versions"]
            if version["key"].startswith("videos@")
            for f in version["files"]
        }
        seen = 0
        for row in about["sources"]:
            sha256 = row.get("sha256")
            if sha256 is None:
                continue
            if row["video_id"] != "vid_" + sha256[:16]:
                self.fault("{} is not the id of SHA-256 {}".format(row["video_id"], sha256))
            file = row.get("file")
            if file and hashes.get(file) not in (None, sha256):
                self.fault(f"{file} is not the file that was landed")
            seen += bool(file)
        self.facts.append(f"{seen} source videos, ids agree with their SHA-256")

    def check_claim(self, about: Json, objects: dict[str, bytes]) -> None:
        """What is claimed stands in the claimed version."""
        claim = about["claim"]
        file = claim.get("file") or ""
        content = None
        for version in about["versions"]:
            if version["md5"] == claim["version"]["md5"]:
                for named in version["files"]:
                    if named["path"] == file:
                        content = objects.get(named["md5"])
        text = json.dumps(claim["says"], sort_keys=True)
        if content is None or not file.endswith((".json", ".jsonl", ".csv")):
            self.facts.append(
                "claimed: {} {} (not checked against a file)".format(claim["id"], text)
            )
            return
        if file.endswith(".csv"):
            rows = list(csv.DictReader(io.StringIO(content.decode())))
            holds = any(_same_row(row, claim["says"]) for row in rows)
        elif file.endswith(".jsonl"):
            holds = any(json.loads(row) == claim["says"] for row in content.decode().splitlines())
        else:
            holds = _holds(json.loads(content.decode()), claim)
        if not holds:
            self.fault("{} does not say what is claimed: {} {}".format(file, claim["id"], text))
        else:
            self.facts.append("claimed and found in {}: {} {}".format(file, claim["id"], text))

    def list_checks(self, about: Json, lines: list[Json]) -> None:
        """Checks that failed on exactly these versions, for the reader to judge."""
        latest = {}
        for record in lines:
            if record.get("kind") == "check":
                key = record["stage"] + ("@" + record["shard"] if record["shard"] else "")
                latest[key, record["md5"], record["name"]] = record
        wanted = {(v["key"], v["md5"]) for v in about["versions"]}
        judged = [(k, r) for k, r in latest.items() if k[:2] in wanted]
        failed = sorted((k, r) for k, r in judged if not r["passed"])
        self.facts.append(f"{len(judged)} checks judged these versions, {len(failed)} failed")
        for (key, _, name), record in failed:
            kind = "blocking" if record.get("blocking") else "warning"
            self.facts.append(f"  failed ({kind}): {key} {name}")


def _same_row(row: Json, says: Json) -> bool:
    return all(name in row and _same(row[name], value) for name, value in says.items())


def _same(text: Any, value: Any) -> bool:  # noqa: ANN401
    try:
        return float(text) == float(value)
    except (TypeError, ValueError):
        return text == value


def _holds(found: Any, claim: Json) -> bool:  # noqa: ANN401
    path = claim["id"].partition(":")[2]
    if not path:
        return isinstance(found, dict) and all(
            found.get(name) == value for name, value in claim["says"].items()
        )
    for part in path.split("/"):
        if not isinstance(found, dict) or part not in found:
            return False
        found = found[part]
    return found == claim["says"].get("value")


def main(arguments: list[str] | None = None) -> int:
    """Check a bundle and print what holds and what does not."""
    here = pathlib.Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "bundle", nargs="?", default=str(here), help="folder or .zip; default: here"
    )
    parser.add_argument("--head", help="SHA-256 of the ledger's last line, from a source you trust")
    given = parser.parse_args(arguments)
    verifier = Verifier(Bundle(given.bundle), given.head)
    try:
        holds = verifier.run()
    except (ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        verifier.fault(f"the bundle is damaged: {type(error).__name__}: {error}")
        holds = False
    write = sys.stdout.write
    for fact in verifier.facts:
        write(f"{fact}\n")
    for fault in verifier.faults:
        write(f"FAULT: {fault}\n")
    write("OK: the bundle proves itself\n" if holds else f"{len(verifier.faults)} faults\n")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
