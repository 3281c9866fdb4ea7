"""A bundle of `p4d audit bundle --with-data` with one large file, written without a project."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from p4d.audit.proof import bundle_verifier as verifier

CHUNK = 1 << 20


def write_large_bundle(folder: Path, nbytes: int) -> Path:
    """Write an unpacked bundle of one version, whose one file has `nbytes`, all zero.

    Returns its large file. The file has no blocks on disk, but is read like any other.

    Raises:
        ValueError: `nbytes` is no multiple of 1 MiB.
    """
    if nbytes % CHUNK:
        raise ValueError(f"{nbytes} is no multiple of {CHUNK}")
    md5, sha256 = hashlib.md5(), hashlib.sha256()
    for _ in range(nbytes // CHUNK):
        md5.update(bytes(CHUNK))
        sha256.update(bytes(CHUNK))
    listing = json.dumps([{"md5": md5.hexdigest(), "relpath": "big.bin"}]).encode()
    own = hashlib.md5(listing).hexdigest() + ".dir"
    line = json.dumps(
        {
            "prev": "0" * 64,
            "kind": "materialization",
            "stage": "expert",
            "shard": None,
            "md5": own,
            "upstream": {},
            "git": {},
        }
    ).encode()
    head = hashlib.sha256(line).hexdigest()
    file = {
        "path": "big.bin",
        "md5": md5.hexdigest(),
        "sha256": sha256.hexdigest(),
        "nbytes": nbytes,
    }
    about = {
        "schema": verifier.SCHEMA,
        "head": head,
        "lines": 1,
        "sources": [],
        "claim": {
            "id": "expert",
            "kind": "artifact",
            "says": {},
            "file": None,
            "version": {"key": "expert", "md5": own},
        },
        "versions": [
            {"key": "expert", "md5": own, "line": 1, "line_sha256": head, "files": [file]}
        ],
    }
    contents = {
        "verify.py": Path(verifier.__file__).read_bytes(),
        "bundle.json": json.dumps(about).encode(),
        "ledger.jsonl": line + b"\n",
        f"objects/{own[:2]}/{own[2:]}": listing,
    }
    big = folder / "objects" / md5.hexdigest()[:2] / md5.hexdigest()[2:]
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    big.parent.mkdir(parents=True, exist_ok=True)
    with big.open("wb") as stream:
        stream.truncate(nbytes)
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    sums[big.relative_to(folder).as_posix()] = sha256.hexdigest()
    text = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums))
    (folder / "SHA256SUMS").write_text(text, encoding="utf-8")
    return big
