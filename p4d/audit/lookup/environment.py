"""`p4d audit environment`: the packages that a version was made with, as a list for pip."""

from __future__ import annotations

from p4d.audit.lookup.lookup import Lookup
from p4d.audit.lookup.resolve import Resolver
from p4d.errors import LedgerError
from p4d.project import Project
from p4d.versioning.ledger import environment


def environment_of(project: Project, identifier: str, at: str | None = None) -> str:
    """The environment of the version that is or holds `identifier`, one package per line.

    The head, as comments, states Python's version, both digests, the commit whose `requirements/`
    has the hashes, and how this environment differs. The rest is what `pip install -r` reads.

    Raises:
        LedgerError: nothing recorded has that name, or the list was not kept or was altered.
    """
    with Lookup(project) as lookup:
        version = Resolver(lookup).resolve(identifier, at).version
        record = lookup.index.record(version) if version.md5 else None
    if record is None:
        raise LedgerError(
            f"{identifier} is no single recorded version; name one, as `p4d why` does"
        )
    try:
        packages = environment.kept_list(project, record["env"])
    except FileNotFoundError as error:
        raise LedgerError(
            f"no list of environment {record['env'][:16]} was kept in {environment.LISTS}; "
            f"pyproject.toml at commit {record['git']['commit']} pins its direct packages"
        ) from error
    python = next((name for name in packages if name.startswith("python==")), "python==?")
    own = set(environment.installed().split("\n"))
    head = [
        f"# environment of {version.key} {version.md5}",
        f"# {python}; SHA-256 of this list with Python: {record['env']}",
        f"# lock: {record.get('env_lock') or 'unknown: not made by `make setup`'}"
        f"; its hashes: requirements/ at commit {record['git']['commit']}",
        *(f"# here: not installed: {name}" for name in sorted(set(packages) - own)),
        *(f"# here: installed beside: {name}" for name in sorted(own - set(packages))),
    ]
    ours = ("python==", "p4d==")
    return "\n".join([*head, *(name for name in packages if not name.startswith(ours))])
