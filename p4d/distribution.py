"""Where the package comes from: a checkout of its repository, or an installed distribution.

A checkout has `sql/`, `params.yaml` and so on at its top level. A wheel keeps them in
`p4d/repository/`; pyproject.toml lists which. `repository_file` finds them in both.

A project that `p4d init` made has no code of its own. It has links to the code of the package that
runs, `p4d` and `sql`, which git ignores. So DVC and p4d hash the very files that run, under the
paths that they have in a checkout, and an update of the package is an edit of these files.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import importlib.metadata
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from p4d.errors import ConfigError
from p4d.ids import sha256_file
from p4d.version import __version__

PACKAGE = Path(__file__).resolve().parent
_KEPT = PACKAGE / "repository"
"""The files of the repository's top level, in a wheel; absent from a checkout."""
CODE_LINKS = ("p4d", "sql")
"""What a project without code of its own links to, by its name at the top level."""
_SETTINGS = "pyproject.toml"


def repository_file(path: str) -> Path:
    """A file or folder of the repository's top level, in a checkout or in a wheel.

    Args:
        path: relative to the repository, with `/`.

    Raises:
        ConfigError: the package lacks it.
    """
    found = (_KEPT if _KEPT.is_dir() else PACKAGE.parent) / path
    if not found.exists():
        raise ConfigError(f"the package lacks {path} ({found}); install p4d again")
    return found


@dataclass(frozen=True)
class Distribution:
    """An installed distribution of the package, as its RECORD states it.

    Attributes:
        version: of the distribution.
        digest: SHA-256 over the lines of RECORD for the package's own files, so that it names the
            wheel's content and no machine.
        sha256: hash of each of these files, by its path beside the package.
    """

    version: str
    digest: str
    sha256: Mapping[str, str]

    def edited(self, paths: Iterable[str]) -> list[str]:
        """Those of `paths`, as in a checkout, whose file is not as it was installed."""
        return [path for path in paths if not self._as_installed(path)]

    def _as_installed(self, path: str) -> bool:
        top, _, below = path.partition("/")
        file = f"p4d/repository/{path}" if top == "sql" else f"p4d/{below}"
        here = PACKAGE.parent / file
        return here.is_file() and self.sha256.get(file) == sha256_file(here)


@functools.cache
def distribution() -> Distribution | None:
    """The distribution that this very package was installed from; None for a checkout.

    An editable install is a checkout: its RECORD does not list the package's files.
    """
    for found in importlib.metadata.distributions(name="p4d", path=[str(PACKAGE.parent)]):
        own = {
            file.as_posix(): _hex(file.hash.value)
            for file in found.files or ()
            if file.hash and file.parts[0] in ("p4d", "dagster_project") and file.suffix != ".pyc"
        }
        if "p4d/__init__.py" in own:
            lines = "".join(f"{sha256}  {path}\n" for path, sha256 in sorted(own.items()))
            digest = hashlib.sha256(lines.encode()).hexdigest()
            return Distribution(version=found.version, digest=digest, sha256=own)
    return None


def _hex(value: str) -> str:
    return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)).hex()


def tool_setting(root: Path, tool: str, name: str) -> str | None:
    """A text of the table `[tool.TOOL]` in the pyproject.toml of a project; None if it has none.

    Raises:
        ConfigError: pyproject.toml is no TOML.
    """
    path = root / _SETTINGS
    try:
        found: object = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    for key in ("tool", tool, name):
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, str) else None


def uses_installed_code(root: Path) -> bool:
    """Whether a project's pyproject.toml says that its code is the installed package.

    Raises:
        ConfigError: pyproject.toml is no TOML.
    """
    return tool_setting(root, "p4d", "code") == "installed"


def link_code(root: Path) -> None:
    """Make the links of a project to the code of this package, unless they are right.

    Raises:
        ConfigError: something else has the name of a link, or the folder cannot be written.
    """
    for name in CODE_LINKS:
        link, target = root / name, PACKAGE if name == "p4d" else repository_file(name)
        if link.is_symlink() and os.readlink(link) == str(target):  # noqa: PTH115 - as text
            continue
        if link.exists() and not link.is_symlink():
            raise ConfigError(
                f"{link} is no link, but {_SETTINGS} says that the code is the installed package; "
                f"move it away, or remove `code` from [tool.p4d]"
            )
        try:
            partial = link.with_name(f".{name}.{os.getpid()}.link")
            partial.symlink_to(target, target_is_directory=True)
            partial.replace(link)
        except OSError as error:
            raise ConfigError(f"cannot link {link} to the package: {error}") from error


def package_state(paths: Iterable[str]) -> dict[str, object]:
    """The package for the ledger: version, digest of the distribution, and files edited since.

    Args:
        paths: the code behind an artifact, as in a checkout.
    """
    found = distribution()
    if found is None:
        return {"version": __version__, "distribution": None, "edited": []}
    ours = [path for path in paths if PurePosixPath(path).parts[0] in CODE_LINKS]
    return {
        "version": found.version,
        "distribution": f"sha256:{found.digest}",
        "edited": found.edited(ours),
    }
