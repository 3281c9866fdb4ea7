"""Keeps DVC's state of a checkout private to its owner.

DVC keeps hash and link tables below `/var/tmp/dvc`, in a folder that every user may write to, and
reads them with pickle. Another user of the machine can put a pickle there that runs as whoever runs
`dvc checkout` next. So each checkout has a folder of its own, with mode 0700 and below a folder
with mode 0700 (DVC makes what lies inside with mode 0777), and `.dvc/config.local` names it.
"""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import configobj

from p4d.atomic import replacing
from p4d.errors import PublishError
from p4d.versioning.dvc.config import read_config

FOLDER = Path(".p4d") / "private" / "dvc"


def ensure_private_site_cache(root: Path) -> None:
    """Make the private folder, and set `core.site_cache_dir` to it in `.dvc/config.local`.

    A setting of the user's own stays. The value is absolute, as DVC takes a relative one from the
    working folder; it is set again in a checkout that was moved or copied.

    Raises:
        PublishError: the folder belongs to another user, or is a link.
    """
    folder = root.resolve() / FOLDER
    configured = read_config(root).get("core", {}).get("site_cache_dir")
    if configured is not None and not Path(configured).match(f"*/{FOLDER}"):
        return
    _make_private(folder.parent)
    _make_private(folder)
    if configured != str(folder):
        set_locally(root, "site_cache_dir", str(folder))


def set_locally(root: Path, option: str, value: str) -> None:
    """Set an option of the section `core` in `.dvc/config.local`; comments in it stay."""
    path = root / ".dvc" / "config.local"
    text = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    config = configobj.ConfigObj(text, interpolation=False, list_values=False)
    needs_quotes = any(mark in value for mark in ",#'")  # a comma would make it a list
    config.setdefault("core", {})[option] = f'"{value}"' if needs_quotes else value
    with replacing(path) as temporary:
        temporary.write_text("\n".join(config.write()) + "\n", encoding="utf-8")


def _make_private(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(2):
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            found = folder.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
                raise PublishError(
                    f"{folder} holds DVC's private state and is not a folder of this user; remove "
                    "it, or work in this checkout as its owner"
                ) from None
            if not found.st_mode & 0o077:
                return
            shutil.rmtree(folder)  # others could write to it; it holds caches alone
        else:
            folder.chmod(0o700)
            return
