"""Checks an audit bundle. Needs Python 3.8 or later and nothing else, not even the project.

    python3 verify.py [FOLDER_OR_ZIP] [--head SHA256] [--public-key FILE]

It stays one file of plain Python: every bundle has a copy as verify.py, and a person who checks the
bundle reads it as a whole. Take it from somebody you trust: the copy in a bundle is as good as who
gave it to you.
It proves, from the bytes in the bundle alone, that

1. the ledger is one unbroken chain: each line carries the SHA-256 of the line before it;
2. its last line is the head that you were given (`--head`, from somebody you trust);
3. every version in the lineage was recorded before what was made from it, everything that a version
   was made from is in the lineage, and nothing else is;
4. every version's hash is the hash of the list of its files, and every file in the bundle belongs
   to a version, with the MD5 that the version names and the SHA-256 and size that the bundle lists;
5. the sources are the rows of the manifests that the ledger names by MD5, with name, SHA-256,
   licence and origin, and the id of a video is the start of its SHA-256;
6. the claim is exactly what the claimed version gives, where it gives it in JSON or CSV;
7. the signature that the bundle carries was made with the key that you hold (`--public-key`), the
   ledger continues the one that was signed, and the files of a signed version are the signed ones.

Exit status 0: all of that holds. 2: all but what the last line names: a claim in a Parquet file, or
in a file that the bundle leaves out, cannot be read here; what was recorded after the signature is
not signed. 1: something is wrong; every fault is named. A signature that is missing, foreign (made
with another key) or broken (altered, or of another ledger) is a fault of that name.
Whether the data, the code or the checks are any good is not checked: failed checks are
listed, not hidden. README.md is not checked either.
"""

from __future__ import annotations

import argparse
import base64
import csv
import hashlib
import io
import json
import math
import pathlib
import re
import sys
import zipfile
from typing import Any, Dict, Iterator, Tuple  # noqa: UP035 - runs on Python 3.8

Json = Dict[str, Any]  # noqa: UP006
Made = Tuple[str, str]  # noqa: UP006 - key and MD5 of a version

SCHEMA, SIGNED_SCHEMA = 2, 3
"""The forms of bundle.json: without a signature in the bundle, and with one. An older bundle is
checked by the verify.py that it came with."""
STATEMENT, SIGNATURE = SIGNED_FILES = ("signatures/statement.json", "signatures/statement.sig")
TEXT_BYTES = 64 << 20
"""Largest file that is read as a whole: lists of files, numbers, bundle.json."""
LINE_BYTES = 16 << 20
CHUNK_BYTES = 1 << 20
SHOWN = 1000
"""Longest line that is printed."""

ROWS = {"qa": "qa_id", "fact": "fact_id", "reg": "region_id", "clip": "clip_id", "vid": "video_id"}
"""Prefix of a row's id -> the column that holds it."""
UNREAD = ("question", "fact", "region", "clip", "video", "label")
"""Kinds of claims that are rows of Parquet files."""
SOURCE_KEYS = ("video_id", "name", "sha256", "licence", "source")
"""Keys of a source beside its shard; a manifest calls the first `file_id`."""


class BundleError(Exception):
    """The bundle cannot be read, or not within bounds."""


class Bundle:
    """Files of a folder or of a zip archive, by name; `sizes` gives their bytes."""

    def __init__(self, path: str) -> None:
        self._folder = pathlib.Path(path)
        self._zip = None
        self.sizes: dict[str, int] = {}
        if self._folder.is_dir():
            for file in self._folder.rglob("*"):
                if file.is_file():
                    name = file.relative_to(self._folder).as_posix()
                    self.sizes[name] = file.stat().st_size
            return
        self._zip = zipfile.ZipFile(path)
        for info in self._zip.infolist():
            if info.filename.endswith("/"):
                continue
            if info.filename in self.sizes:
                raise BundleError(f"{info.filename} is twice in the archive")
            if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
                raise BundleError(
                    f"{info.filename} is compressed, which no bundle is when it is written: unpack "
                    "the archive and check the folder"
                )
            self.sizes[info.filename] = info.file_size

    def _open(self, name: str) -> Any:  # noqa: ANN401 - a binary stream
        if self._zip is not None:
            return self._zip.open(name)
        return (self._folder / name).open("rb")

    def hashes(self, name: str) -> tuple[str, str]:
        """MD5 and SHA-256 of one file."""
        md5, sha256 = hashlib.md5(), hashlib.sha256()
        with self._open(name) as stream:
            while True:
                chunk = stream.read(CHUNK_BYTES)
                if not chunk:
                    return md5.hexdigest(), sha256.hexdigest()
                md5.update(chunk)
                sha256.update(chunk)

    def read(self, name: str) -> bytes:
        """Content of one file of at most TEXT_BYTES bytes."""
        if self.sizes[name] > TEXT_BYTES:
            raise BundleError(f"{name} has {self.sizes[name]} bytes, more than {TEXT_BYTES}")
        with self._open(name) as stream:
            content: bytes = stream.read(TEXT_BYTES + 1)
        return content

    def lines(self, name: str) -> Iterator[bytes]:
        """Lines of one file, each of at most LINE_BYTES bytes."""
        with self._open(name) as stream:
            while True:
                line = stream.readline(LINE_BYTES + 1)
                if not line:
                    return
                if len(line) > LINE_BYTES:
                    raise BundleError(f"{name} has a line of more than {LINE_BYTES} bytes")
                yield line


class Verifier:
    """Collects faults, and what is left unproven; a bundle without any of both is proven."""

    def __init__(self, bundle: Bundle, head: str | None, key: bytes | None = None) -> None:
        self.bundle = bundle
        self.head = head
        self.key = key  # of the person who is to have signed: 32 bytes, Ed25519
        self.faults: list[str] = []
        self.facts: list[str] = []
        self.packages: dict[str, int] = {}  # installed packages that made versions, and how many
        self.unproven: list[str] = []
        # By name: MD5 and SHA-256 of every file that was hashed.
        self.hashes: dict[str, tuple[str, str]] = {}
        # Of the ledger: records of the lines that versions name, with the SHA-256 of the line; the
        # first line that made a version; the latest checks of each version.
        self.records: dict[int, tuple[Json, str]] = {}
        self.made_in: dict[Made, int] = {}
        self.checks: dict[tuple[str, str, str], Json] = {}
        self.listed: dict[Made, dict[str, str]] = {}
        self.signed: Json = {}  # the statement that was signed
        self.signed_head = ""  # SHA-256 of the line of the ledger that the statement names

    def run(self) -> int:
        """Check everything; returns the exit status."""
        try:
            self.check()
        except BundleError as error:
            self.fault(str(error))
        except Exception as error:  # noqa: BLE001 - whatever a forged bundle provokes is a fault
            self.fault(f"the bundle is damaged: {type(error).__name__}: {error}")
        if self.faults:
            return 1
        return 2 if self.unproven else 0

    def check(self) -> None:
        """Read the bundle and check each part against the others."""
        needed = {"bundle.json", "ledger.jsonl", "SHA256SUMS", "verify.py"}
        missing = needed - set(self.bundle.sizes)
        for name in sorted(missing):
            self.fault(f"{name} is missing")
        if missing:
            return
        about = json.loads(self.bundle.read("bundle.json").decode(), object_pairs_hook=_unique)
        if about.get("schema") not in (SCHEMA, SIGNED_SCHEMA):
            raise BundleError(
                "bundle.json has schema {}, this program reads {} and {}: check the bundle with "
                "the verify.py of the version that wrote it".format(
                    about.get("schema"), SCHEMA, SIGNED_SCHEMA
                )
            )
        _has_keys(about, "bundle.json", "schema", "claim", "head", "lines", "versions", "sources")
        _has_keys(about["claim"], "the claim", "id", "kind", "says", "file", "version")
        _has_keys(about["claim"]["version"], "the claimed version", "key", "md5")
        for version in about["versions"]:
            _has_keys(version, "a version", "key", "md5", "line", "line_sha256", "files")
            for file in version["files"]:
                _has_keys(file, "a file", "path", "md5", "sha256", "nbytes")
        self.check_sums(self.check_names(about))
        self.read_signature()
        self.read_ledger(about)
        self.check_objects()
        self.check_lineage(about)
        self.check_signed(about)
        self.check_sources(about)
        self.check_claim(about)
        self.list_checks(about)

    def fault(self, text: str) -> None:
        """Note something that does not hold."""
        self.faults.append(text)

    def check_names(self, about: Json) -> set[str]:
        """Every file belongs to the bundle or to a version, and has the size that is listed.

        Returns the names of the files that do; the others are not read.
        """
        belongs: dict[str, Any] = dict.fromkeys(
            ("README.md", "SHA256SUMS", "bundle.json", "ledger.jsonl", "verify.py", *SIGNED_FILES)
        )
        for version in about["versions"]:
            belongs[_object(version["md5"])] = None
            stage, _, shard = version["key"].partition("@")
            if stage == "videos":
                belongs[f"manifests/{shard}.json"] = None
            for file in version["files"]:
                if belongs.setdefault(_object(file["md5"]), file["nbytes"]) != file["nbytes"]:
                    self.fault("{} is listed with several sizes".format(file["path"]))
        good = set()
        for name, size in sorted(self.bundle.sizes.items()):
            if name not in belongs:
                self.fault(f"{name} belongs to no version of the bundle")
            elif belongs[name] is not None and belongs[name] != size:
                self.fault(f"{name} has {size} bytes, listed are {belongs[name]}")
            elif belongs[name] is None and name.startswith("objects/") and size > TEXT_BYTES:
                self.fault(f"{name} has {size} bytes, too many for a list of files")
            else:
                good.add(name)
        return good

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
        for name in sorted(names - {"SHA256SUMS"}):
            self.hashes[name] = self.bundle.hashes(name)
            if name not in listed:
                self.fault(f"{name} is not listed in SHA256SUMS")
            elif self.hashes[name][1] != listed[name]:
                self.fault(f"{name} is not what SHA256SUMS says")
        for name in sorted(set(listed) - set(self.bundle.sizes)):
            self.fault(f"{name} is listed in SHA256SUMS but missing")
        own = pathlib.Path(__file__).read_bytes()
        if hashlib.sha256(own).hexdigest() != self.hashes["verify.py"][1]:
            self.facts.append("the bundle's verify.py is not this program")

    def read_ledger(self, about: Json) -> None:
        """The ledger is one chain that ends in the head; keeps the records that are needed."""
        wanted = {(v["key"], v["md5"]) for v in about["versions"]}
        numbers = {v["line"] for v in about["versions"]}
        previous, number, line = "0" * 64, 0, b"\n"
        for number, line in enumerate(self.bundle.lines("ledger.jsonl"), 1):
            if not line.endswith(b"\n"):
                self.fault("the ledger's last line is cut")
            line = line[:-1] if line.endswith(b"\n") else line
            try:
                record = json.loads(line.decode())
                named, kind = record["prev"], record["kind"]
            except (ValueError, KeyError, TypeError) as error:
                raise BundleError(f"ledger line {number} is not a record") from error
            if named != previous:
                self.fault(f"ledger line {number} does not follow from the line before it")
            previous = hashlib.sha256(line).hexdigest()
            if number in numbers:
                self.records[number] = (record, previous)
            if number == self.signed.get("ledger_lines"):
                self.signed_head = previous
            if kind not in ("materialization", "check"):
                continue
            made = (_key(record), record["md5"])
            if kind == "materialization":
                self.made_in.setdefault(made, number)
            elif made in wanted:
                self.checks[(*made, record["name"])] = {
                    name: record.get(name) for name in ("passed", "blocking")
                }
        if number != about["lines"]:
            self.fault("the ledger has {} lines, the bundle says {}".format(number, about["lines"]))
        if previous != about["head"]:
            self.fault("the ledger ends in {}, the bundle says {}".format(previous, about["head"]))
        if self.head and previous != self.head:
            self.fault(f"the ledger ends in {previous}, you were given {self.head}")
        known = "the one you were given" if self.head else "compare it with one you trust"
        self.facts.append(f"ledger of {number} lines, head {previous} ({known})")

    def read_signature(self) -> None:
        """The statement in the bundle, and whether the key that was given signed it."""
        missing = [name for name in SIGNED_FILES if name not in self.hashes]
        if len(missing) == 2:
            if self.key:
                self.fault("signature missing: the bundle carries none, and you gave a key")
            return
        if missing:
            self.fault(f"signature broken: {missing[0]} is missing")
            return
        payload = self.bundle.read(STATEMENT)
        try:
            signed = json.loads(payload.decode(), object_pairs_hook=_unique)
            numbers = [signed["schema"], signed["ledger_lines"]]
            holds = (
                all(type(number) is int for number in numbers)
                and all(isinstance(signed[name], str) for name in ("ledger_head", "at"))
                and all(isinstance(signed[name], dict) for name in ("stages", "files"))
            )
        except (ValueError, KeyError, TypeError):
            holds = False
        if not holds:
            self.fault(f"signature broken: {STATEMENT} is no statement")
            return
        self.signed = signed
        if self.key is None:
            self.facts.append(
                "signed at {}; the signature was not checked, as you gave no --public-key".format(
                    signed["at"]
                )
            )
        elif not signature_holds(self.key, payload, self.bundle.read(SIGNATURE)):
            given = hashlib.sha256(self.key).hexdigest()
            made = signed.get("key")
            if made not in (None, given):
                self.fault(f"signature foreign: made with key {made}, yours is {given}")
            else:
                self.fault(
                    f"signature broken: your key did not sign {STATEMENT}, or it was altered since"
                )
        else:
            self.facts.append("signed at {} with the key that you gave".format(signed["at"]))

    def check_signed(self, about: Json) -> None:
        """The ledger continues the signed one, and signed versions have the signed files."""
        if not self.signed:
            return
        lines, later = self.signed["ledger_lines"], 0
        if self.signed_head != self.signed["ledger_head"]:
            self.fault(f"signature broken: the ledger does not continue the signed {lines} lines")
            return
        for version in about["versions"]:
            later += (version["line"] or 0) > lines
            stage = version["key"]
            if self.signed["stages"].get(stage) != version["md5"]:
                continue
            prefix = f"data/{stage}/"
            signed = {
                path[len(prefix) :]: sha256
                for path, sha256 in self.signed["files"].items()
                if path.startswith(prefix)
            }
            if set(signed) != {file["path"] for file in version["files"]}:
                self.fault(f"signature broken: {stage} has other files than were signed")
            for file in version["files"]:
                if file["sha256"] not in (None, signed.get(file["path"])):
                    self.fault(
                        "signature broken: {} of {} is not what was signed".format(
                            file["path"], stage
                        )
                    )
        self.facts.append(
            "  the signature covers the ledger up to line {}, and the files of {}".format(
                lines, ", ".join(sorted(self.signed["stages"])) or "no model"
            )
        )
        if about["lines"] > lines:
            self.facts.append("  {} later lines are not signed".format(about["lines"] - lines))
        if later and self.key:
            self.unproven.append(
                f"the signature: {later} versions were recorded after line {lines}, the last one "
                "that is signed"
            )

    def check_objects(self) -> None:
        """An object is named after the MD5 of its content."""
        for name, (md5, _) in sorted(self.hashes.items()):
            if name.startswith("objects/") and _object(md5) != name.replace(".dir", ""):
                self.fault(f"{name} has another content than its name says")

    def check_lineage(self, about: Json) -> None:
        """Versions follow from earlier lines, inputs are complete, files are what they were."""
        line_of: dict[Made, int] = {}
        used: set[Made] = set()
        files, present = 0, 0
        for version in about["versions"]:
            key, md5, number = version["key"], version["md5"], version["line"]
            if number is None:
                self.fault(f"{key} {md5} has no line in the ledger")
                continue
            record, sha256 = self.records.get(number, ({}, ""))
            made = (_key(record), record.get("md5"))
            if record.get("kind") != "materialization" or made != (key, md5):
                self.fault(f"ledger line {number} does not say that {key} is {md5}")
                continue
            if version["line_sha256"] != sha256:
                self.fault(f"ledger line {number} has another SHA-256 than listed")
            if (key, md5) in line_of:
                self.fault(f"{key} {md5} is listed twice")
            line_of[key, md5] = number
            used |= self.check_inputs(version, record, line_of)
            counts = self.check_files(version, record)
            files, present = files + counts[0], present + counts[1]
            self.describe(key, record)
        claimed = (about["claim"]["version"]["key"], about["claim"]["version"]["md5"])
        if claimed not in line_of:
            self.fault("the claimed version {} {} is not in the lineage".format(*claimed))
        for key, md5 in sorted(set(line_of) - used - {claimed}):
            self.fault(f"nothing in the lineage was made from {key} {md5}")
        self.facts.append(
            f"{len(line_of)} versions, each recorded after everything it was made from"
        )
        self.facts += [f"  {n} of them {made_by}" for made_by, n in sorted(self.packages.items())]
        self.facts.append(f"{present} of their {files} files are in the bundle and hashed")

    def check_inputs(self, version: Json, record: Json, line_of: dict[Made, int]) -> set[Made]:
        """Whatever a version read was recorded, as the very version that is in the lineage."""
        used = set()
        for upstream, of in sorted(record["upstream"].items()):
            made = (upstream, of.replace("md5:", ""))
            used.add(made)
            if made not in line_of:
                self.fault(
                    "{} was made from {} {}, which is not in the lineage before it".format(
                        version["key"], *made
                    )
                )
            # Equal bytes may have been made again later: any earlier line that made them will do.
            elif self.made_in.get(made, version["line"]) >= version["line"]:
                self.fault("{} was read before it was made ({})".format(upstream, version["key"]))
        return used

    def check_files(self, version: Json, record: Json) -> tuple[int, int]:
        """The version's hash is that of its list of files; those at hand have their SHA-256."""
        key, md5 = version["key"], version["md5"]
        if _object(md5) not in self.hashes:
            self.fault(f"the list of files of {key} {md5} is missing")
            return 0, 0
        try:
            entries = json.loads(self.bundle.read(_object(md5)).decode())
            listed = {e["relpath"]: e["md5"] for e in entries}
        except (ValueError, KeyError, TypeError):
            self.fault(f"the list of files of {key} is damaged")
            return 0, 0
        named = {f["path"]: f for f in version["files"]}
        whole = len(named) == len(version["files"]) == len(entries)
        if not whole or {path: f["md5"] for path, f in named.items()} != listed:
            self.fault(f"the files of {key} are not those of its hash")
            return 0, 0
        self.listed[key, md5] = listed
        present = 0
        for path, digest in listed.items():
            stated = named[path]["sha256"]
            weights = record.get("weights", {})
            if _object(digest) in self.hashes:
                present += 1
                if stated != self.hashes[_object(digest)][1]:
                    self.fault(f"{path} of {key} has another SHA-256 than listed")
            if path in weights and stated not in (None, weights[path]):
                self.fault(f"{path} of {key} is not what the ledger says")
        return len(listed), present

    def describe(self, key: str, record: Json) -> None:
        """Note what the record itself says of the code that made a version."""
        git, package = record.get("git") or {}, record.get("package") or {}
        if isinstance(package, dict) and package.get("distribution"):
            made_by = "made by p4d {}, {}".format(package.get("version"), package["distribution"])
            if package.get("edited"):
                made_by += ", edited after it was installed: " + str(package["edited"])
            self.packages[made_by] = self.packages.get(made_by, 0) + 1
        elif git.get("commit") is None:
            self.facts.append(f"  {key} was made outside of git: its code is known by hash alone")
        elif git.get("dirty"):
            self.facts.append(
                "  {} was made by code that differed from commit {}".format(key, git["commit"])
            )

    def check_sources(self, about: Json) -> None:
        """Sources are the rows of the manifests that the ledger names, and ids are true."""
        stated: dict[str, list[Json]] = {}
        for row in about["sources"]:
            _has_keys(row, "a source", "shard", *SOURCE_KEYS)
            stated.setdefault(row["shard"], []).append(row)
            sha256 = row["sha256"]
            if sha256 is not None and row["video_id"] != "vid_" + sha256[:16]:
                self.fault("{} is not the id of SHA-256 {}".format(row["video_id"], sha256))
        seen, unstated, shards = 0, 0, set()
        for version in about["versions"]:
            stage, _, shard = version["key"].partition("@")
            if stage != "videos" or shard in shards:
                continue
            shards.add(shard)
            rows = self.manifest_rows(about, shard)
            if _sorted(rows) != _sorted(stated.get(shard, [])):
                self.fault(f"the sources of {shard} are not those of its manifest")
            seen += len(rows)
            unstated += sum(row["licence"] == "unstated" for row in rows)
        for shard in sorted(set(stated) - shards):
            self.fault(f"sources of {shard} are listed, but no version read them")
        self.facts.append(f"{seen} landed files, as in the manifests that the ledger names")
        if unstated:
            self.facts.append(f"  {unstated} of them have no stated licence")

    def manifest_rows(self, about: Json, shard: str) -> list[Json]:
        """The sources that the manifest of a shard gives; none if no version names it."""
        name, matched = f"manifests/{shard}.json", False
        for version in about["versions"]:
            if version["key"] != f"videos@{shard}":
                continue
            record = self.records.get(version["line"], ({}, ""))[0]
            read = (record.get("fingerprint") or {}).get("deps", {}).get(f"shards/{shard}.json")
            if name in self.hashes and read == self.hashes[name][0]:
                matched = True
            else:
                self.unproven.append(f"the sources of videos@{shard} {version['md5']}")
        if not matched:
            if name in self.hashes:
                self.fault(f"{name} is not the manifest that the ledger names")
            return []
        manifest = json.loads(self.bundle.read(name).decode(), object_pairs_hook=_unique)
        rows, hashes = [], {}
        for file in manifest["files"]:
            row = {key: file.get(key) for key in SOURCE_KEYS}
            row.update(shard=shard, video_id=file["file_id"])
            rows.append(row)
            sidecar = file.get("sidecar") or {}
            hashes[file["file_id"]] = {None, file.get("sha256"), sidecar.get("sha256")}
        for version in about["versions"]:
            if version["key"] == f"videos@{shard}":
                for file in version["files"]:
                    folder, _, base = file["path"].rpartition("/")
                    known = hashes.get(base.partition(".")[0], {None})
                    if folder == "files" and file["sha256"] not in known:
                        self.fault("{} is not the file that was landed".format(file["path"]))
        return rows

    def check_claim(self, about: Json) -> None:
        """What is claimed is exactly what the claimed version gives."""
        claim = about["claim"]
        key, md5 = claim["version"]["key"], claim["version"]["md5"]
        identifier, says, file = claim["id"], claim["says"], claim["file"]
        text = f"{identifier} {json.dumps(says, sort_keys=True)}"
        listed = self.listed.get((key, md5), {})
        kind = _kind(identifier, key)
        if kind != claim["kind"]:
            self.fault("{} is no {} of {}".format(identifier, claim["kind"], key))
            return
        if kind == "artifact":
            part = says.get("file")
            holds = file is None and set(says) <= {"file"} and (
                not says or any((path + "/").startswith(f"{part}/") for path in listed)
            )  # fmt: skip
            if not holds:
                self.fault(f"{key} {md5} is no more than its files, claimed is {text}")
            else:
                self.facts.append(f"claimed: {key} {md5} as a whole {text}")
            return
        if not says or (file not in listed and kind != "label"):
            self.fault(f"{key} {md5} has no file {file} that could say what is claimed: {text}")
            return
        if kind in UNREAD:
            if not _is_about(identifier, says):
                self.fault(f"what is claimed is not about {identifier}: {text}")
            self.unproven.append(f"the claim: it is in {file}, which this program cannot read")
        elif not file.endswith((".json", ".jsonl", ".csv")):
            self.fault(f"{file} holds no {kind}: {text}")
        elif _object(listed[file]) not in self.hashes:
            self.unproven.append(f"the claim: the bundle leaves {file} out")
        else:
            content = self.bundle.read(_object(listed[file])).decode()
            if not any(_json(found) == _json(says) for found in _stated(kind, claim, content)):
                self.fault(f"{file} does not say what is claimed: {text}")
            else:
                self.facts.append(f"claimed and found in {file}: {text}")
            return
        self.facts.append(f"claimed, not found in a file that was read: {text}")

    def list_checks(self, about: Json) -> None:
        """Checks that failed on exactly these versions, for the reader to weigh."""
        failed = sorted((k, r) for k, r in self.checks.items() if not r["passed"])
        self.facts.append(
            f"{len(self.checks)} check results of these versions, {len(failed)} failed"
        )
        for (key, _, name), record in failed:
            kind = "blocking" if record.get("blocking") else "warning"
            self.facts.append(f"  failed ({kind}): {key} {name}")


def _unique(pairs: list[tuple[str, Any]]) -> Json:
    """A JSON object; its keys occur once, so that every reader reads the same."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BundleError("a JSON object has a key twice")
    return found


def _has_keys(value: Any, what: str, *keys: str) -> None:  # noqa: ANN401
    if not isinstance(value, dict) or set(value) != set(keys):
        raise BundleError("{} needs the keys {}, no more".format(what, ", ".join(sorted(keys))))


def _object(md5: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{32}(\.dir)?", md5):
        raise BundleError(f"{md5} is no MD5")
    return f"objects/{md5[:2]}/{md5[2:]}"


def _key(record: Json) -> str:
    shard = record.get("shard")
    return (record.get("stage") or "") + (f"@{shard}" if shard else "")


def _json(value: Any) -> str:  # noqa: ANN401
    return json.dumps(value, sort_keys=True)


def _sorted(rows: list[Json]) -> list[str]:
    return sorted(map(_json, rows))


def _kind(identifier: str, key: str) -> str:
    """What an id of the claimed version names, by its form."""
    stage, colon, rest = identifier.partition(":")
    prefix, _, digits = identifier.partition("_")
    if identifier == key:
        return "artifact"
    if stage == "label" and re.fullmatch(r"clip_[0-9a-f]{16}/[\w.@+-]+", rest, re.ASCII):
        return "label"
    if colon and rest and stage == key:
        return "number"
    if prefix in ROWS and re.fullmatch(r"[0-9a-f]{16}", digits):
        return {"qa": "question", "fact": "fact", "reg": "region", "clip": "clip"}.get(
            prefix, "video"
        )
    if prefix == "rel" and key == "release":
        return "release"
    if prefix == "decision" and key == "champion":
        return "decision"
    return "nothing"


def _is_about(identifier: str, says: Json) -> bool:
    """Whether a row that is claimed carries the id that it is claimed of."""
    if identifier.startswith("label:"):
        clip, _, teacher = identifier[len("label:") :].partition("/")
        return bool(says.get("clip_id") == clip and says.get("teacher") == teacher)
    return bool(says.get(ROWS[identifier.partition("_")[0]]) == identifier)


def _stated(kind: str, claim: Json, content: str) -> Iterator[Json]:
    """Everything that a file says under the id of the claim."""
    identifier, file, stage = claim["id"], claim["file"], claim["version"]["key"]
    if kind == "decision":
        rows = [json.loads(line) for line in content.splitlines()]
        yield from (row for row in rows if row["key"] == identifier)
    elif kind == "release":
        if json.loads(content)["release_id"] == identifier:
            yield {"release_id": identifier}
    elif file.endswith(".csv"):
        for row in csv.DictReader(io.StringIO(content)):
            if "{}:{}/{}".format(stage, row.get("arm"), row.get("category")) == identifier:
                yield {name: _typed(text) for name, text in row.items()}
    else:
        for name, value in _leaves(json.loads(content), ""):
            if f"{stage}:{name}" == identifier:
                yield {"value": _plain(value)}


def _leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{name}/{key}" if name else key)
    elif name and isinstance(value, (int, float, str)):
        yield name, value


def _typed(text: str) -> Any:  # noqa: ANN401
    try:
        return int(text) if text.lstrip("-").isdigit() else _plain(float(text))
    except ValueError:
        return text


def _plain(value: Any) -> Any:  # noqa: ANN401
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


# Ed25519 as in RFC 8032, section 5.1, for checking alone: nothing here is secret, so nothing has to
# take equal time. Points are (x, y, z, xy/z) with the coordinates x/z and y/z.
Point = Tuple[int, int, int, int]  # noqa: UP006
PRIME = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
CURVE = -121665 * pow(121666, PRIME - 2, PRIME) % PRIME
HALF_TURN = pow(2, (PRIME - 1) // 4, PRIME)  # a square root of -1
KEY_PREFIX = bytes.fromhex("302a300506032b6570032100")  # of an Ed25519 key in DER


def _added(one: Point, other: Point) -> Point:
    a = (one[1] - one[0]) * (other[1] - other[0])
    b = (one[1] + one[0]) * (other[1] + other[0])
    c = 2 * CURVE * one[3] * other[3]
    d = 2 * one[2] * other[2]
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % PRIME, g * h % PRIME, f * g % PRIME, e * h % PRIME


def _times(count: int, point: Point) -> Point:
    total = (0, 1, 1, 0)
    while count:
        if count & 1:
            total = _added(total, point)
        point = _added(point, point)
        count >>= 1
    return total


def _point(encoded: bytes) -> Point | None:
    """The point of 32 bytes; None if there is none."""
    number = int.from_bytes(encoded, "little")
    sign, y = number >> 255, number & ((1 << 255) - 1)
    if y >= PRIME:
        return None
    square = (y * y - 1) * pow(CURVE * y * y + 1, PRIME - 2, PRIME) % PRIME
    x = pow(square, (PRIME + 3) // 8, PRIME)
    if (x * x - square) % PRIME:
        x = x * HALF_TURN % PRIME
    if (x * x - square) % PRIME or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = PRIME - x
    return x, y, 1, x * y % PRIME


def signature_holds(key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the owner of an Ed25519 key of 32 bytes signed a message."""
    signer = _point(key)
    base = _point(bytes([0x58]) + bytes([0x66]) * 31)
    scalar = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or scalar >= ORDER or signer is None or base is None:
        return False
    digest = hashlib.sha512(signature[:32] + key + message).digest()
    challenge = int.from_bytes(digest, "little") % ORDER
    negated = (PRIME - signer[0], signer[1], 1, PRIME - signer[3])
    x, y, z, _ = _added(_times(scalar, base), _times(challenge, negated))
    inverse = pow(z, PRIME - 2, PRIME)
    x, y = x * inverse % PRIME, y * inverse % PRIME
    return (y | (x & 1) << 255).to_bytes(32, "little") == signature[:32]


def read_key(path: str) -> bytes:
    """The 32 bytes of a public key in PEM, as `openssl pkey -pubout` writes it."""
    lines = pathlib.Path(path).read_text(encoding="ascii").split("\n")
    body = "".join(line.strip() for line in lines if "-----" not in line)
    encoded = base64.b64decode(body, validate=True)
    if "-----BEGIN PUBLIC KEY-----" not in lines or len(encoded) != len(KEY_PREFIX) + 32:
        raise ValueError("it is no public key of Ed25519 in PEM")
    if not encoded.startswith(KEY_PREFIX):
        raise ValueError("it is no public key of Ed25519 in PEM")
    return encoded[len(KEY_PREFIX) :]


def shown(text: str) -> str:
    """Text of the bundle for a terminal: one line of ASCII without control codes, cut."""
    line = ascii(text)[1:-1]
    return line if len(line) <= SHOWN else line[:SHOWN] + "..."


class Parser(argparse.ArgumentParser):
    """Ends with status 1 on wrong usage: 2 is a result."""

    def error(self, message: str) -> Any:  # noqa: ANN401
        """Print the usage and end."""
        self.print_usage(sys.stderr)
        self.exit(1, f"{self.prog}: {message}\n")


def main(arguments: list[str] | None = None) -> int:
    """Check a bundle and print what holds and what does not."""
    here = pathlib.Path(__file__).resolve().parent
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "bundle", nargs="?", default=str(here), help="folder or .zip; default: here"
    )
    parser.add_argument("--head", help="SHA-256 of the ledger's last line, from a source you trust")
    parser.add_argument(
        "--public-key", metavar="FILE", help="key in PEM that must have signed; from elsewhere"
    )
    given = parser.parse_args(arguments)
    write = sys.stdout.write
    key = None
    if given.public_key:
        try:
            key = read_key(given.public_key)
        except (OSError, ValueError) as error:
            write(shown(f"FAULT: {given.public_key} cannot be read as a key: {error}"))
            write("\n1 faults\n")
            return 1
    try:
        bundle = Bundle(given.bundle)
    except (OSError, ValueError, BundleError, zipfile.BadZipFile, NotImplementedError) as error:
        write(shown(f"FAULT: {given.bundle} cannot be read as a bundle: {error}") + "\n1 faults\n")
        return 1
    verifier = Verifier(bundle, given.head, key)
    status = verifier.run()
    for fact in verifier.facts:
        write(shown(fact) + "\n")
    for fault in verifier.faults:
        write("FAULT: " + shown(fault) + "\n")
    if status == 0:
        write("OK: the bundle proves itself\n")
    elif status == 2:
        write("proven but for " + shown("; ".join(verifier.unproven)) + "\n")
    else:
        write(f"{len(verifier.faults)} faults\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
