"""Commands for auditors: why, champion, restore, takedown, and `p4d audit ...`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from p4d.cli.echo import echo, name_missing_ledger
from p4d.project import Project

_AT = click.option(
    "--at", help="First digits of the md5 of the wanted version; default: the current version."
)
_OUTPUT = click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True
)


@click.command()
@click.argument("identifier")
@_AT
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def why(identifier: str, at: str | None, as_json: bool) -> None:
    """Print the lineage of an answer, a number, a decision or an artifact, down to its sources.

    IDENTIFIER is a question (qa_), fact, region, clip or video, an external row (ext_) or medium
    (med_), label:CLIP/TEACHER,
    evaluation:ARM/CATEGORY or another number of a stage's JSON files, a release (rel_), a decision,
    an export or one of its rows (export_ID/qa_ID), a stage, stage@shard, an md5, or a path below
    data/.
    """
    from p4d.audit.lookup.why import why as explain
    from p4d.versioning.storage.fetch import Fetcher

    project = Project.find()
    name_missing_ledger(project)
    with Fetcher(project, lambda line: echo(line, err=True)) as fetcher:
        node = explain(project, identifier, at=at, fetch=fetcher.file)
    echo(json.dumps(node.to_json(), indent=2) if as_json else node.render_text())


@click.command()
@click.option(
    "--on",
    metavar="DATE",
    help="ISO date or timestamp, UTC; default: now. A date means its end, so all decisions of that "
    "day count; a timestamp means that instant.",
)
def champion(on: str | None) -> None:
    """Print which student is champion, or was at a time, and why."""
    from p4d.audit.champion import champion_text
    from p4d.versioning.storage.fetch import bring_what_is_read

    project = Project.find()
    name_missing_ledger(project)
    bring_what_is_read(project, {"champion"}, lambda line: echo(line, err=True))
    echo(champion_text(project, on))


@click.command()
@click.argument("identifier")
@click.argument("dest", type=click.Path(path_type=Path))
@_AT
def restore(identifier: str, dest: Path, at: str | None) -> None:
    """Copy the version that is or holds IDENTIFIER, current or superseded, to DEST.

    What the cache lacks comes from DVC's default remote, if there is one.
    """
    from p4d.audit.lookup.restore import restore as restore_version
    from p4d.versioning.storage.fetch import Fetcher

    project = Project.find()
    name_missing_ledger(project)
    with Fetcher(project, lambda line: echo(line, err=True)) as fetcher:
        echo(restore_version(project, identifier, dest, at=at, fetcher=fetcher))


@click.command()
@click.argument("video")
@click.option("--confirm", is_flag=True, help="Remove it; without this, only list.")
@click.option("--reason", help="Why; recorded, and required with --confirm.")
@click.option("--by", help="Who asked for it; recorded, and required with --confirm.")
@click.option("--purge", is_flag=True, help="After the rebuild: remove superseded objects.")
def takedown(video: str, confirm: bool, reason: str | None, by: str | None, purge: bool) -> None:
    """List everything made from VIDEO and, on confirmation, remove it for good.

    VIDEO is a landed video (vid_), or an external row (ext_) or medium (med_).
    """
    from p4d.audit import external_takedown
    from p4d.audit import takedown as of_videos

    project = Project.find()
    external = external_takedown.is_external(video)
    takedowns = external_takedown if external else of_videos
    if purge:
        done = takedowns.purge(project, video)
        echo(f"{done.objects} objects removed from the cache, listed in {done.listing}")
        for command in done.commands:
            echo(f"remote: {command}")
        return
    echo(takedowns.affected(project, video).render_text())
    if not confirm:
        echo("Nothing was changed; --confirm --reason TEXT --by WHO removes it.")
        return
    if not (reason and by):
        raise click.UsageError("--confirm needs --reason and --by")
    for line in takedowns.take_down(project, video, reason=reason, by=by):
        echo(line)
    record = "external/takedowns.yaml" if external else "shards/"
    echo(
        f"Next: commit {record}; `make up` rebuilds what derives from it; then\n"
        f"  p4d takedown {video} --purge\n"
        "removes the superseded objects from the cache and prints the commands for the remotes."
    )


@click.group()
def audit() -> None:
    """Prove that artifacts are what the ledger says."""


@audit.command()
@click.option("--resume", is_flag=True, help="Continue an interrupted run of the last day.")
@click.option(
    "--remote",
    is_flag=False,
    flag_value="",
    metavar="[NAME]",
    help="Verify a DVC remote instead (default: DVC's default remote).",
)
@click.option("--rehash", is_flag=True, help="With --remote: read every object back and hash it.")
@click.option(
    "--head",
    metavar="SHA256",
    help="A head of the ledger that was published elsewhere: fail unless the ledger continues it.",
)
@click.option(
    "--public-key",
    envvar="P4D_PUBLIC_KEY",  # as in proof/signing.py, which is imported only when it is needed
    show_envvar=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Fail unless this key signed the project (`p4d audit sign`) and it continues what was "
    "signed. Keep the key elsewhere than the project.",
)
def verify(
    resume: bool, remote: str | None, rehash: bool, head: str | None, public_key: Path | None
) -> None:
    """Re-hash everything that the ledger names; exit 1 if anything is missing or altered.

    In a clone that has no artifact yet, the ledger and dvc.lock are compared here, and the objects
    are read back and hashed at DVC's default remote.
    """
    from p4d.audit.proof.signing import check_signature
    from p4d.audit.proof.verify import verify as verify_local
    from p4d.audit.withheld import withheld_objects
    from p4d.progress import bar
    from p4d.versioning.state.workspace import Workspace
    from p4d.versioning.storage.fetch import Fetcher, is_without_artifacts
    from p4d.versioning.storage.push import verify_remote

    project = Project.find()
    with Workspace(project) as workspace:
        elsewhere = is_without_artifacts(workspace)
    signature = check_signature(project, public_key, files=not elsewhere)
    texts, ok = [signature.text] if signature.text else [], signature.ok
    if remote is None:
        with bar("verify", unit="MiB") as progress:
            local = verify_local(
                project, progress=progress, resume=resume, head=head, files=not elsewhere
            )
        texts, ok = [*texts, local.render_text()], ok and local.ok
    if remote is not None or elsewhere:
        with Fetcher(project, lambda line: echo(line, err=True)) as fetcher:
            fetcher.lists()
        with bar("verify", unit="object") as progress:
            there = verify_remote(
                project,
                remote or None,
                rehash=rehash or remote is None,
                withheld=withheld_objects(project),
                progress=progress,
            )
        texts, ok = [*texts, there.render_text()], ok and there.ok
    echo("\n".join(texts))
    if not ok:
        sys.exit(1)


@audit.command()
@click.option(
    "--key",
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Private key, Ed25519 in PEM: `openssl genpkey -algorithm ed25519 -out KEY`.",
)
def sign(key: Path) -> None:
    """Sign the ledger's head, the release and the students; writes `signatures/`.

    `p4d audit verify --public-key PUB` proves later that nothing of it was rewritten.
    """
    from p4d.audit.proof.signing import sign as sign_project

    signed = sign_project(Project.find(), key)
    echo(f"signed: ledger up to line {signed.lines}, {len(signed.files)} files; commit signatures/")


@audit.command()
@click.option("--remote", metavar="NAME", help="Default: DVC's default remote, if there is one.")
@click.option(
    "--recompute", is_flag=True, help="Make current versions again whose objects nobody has."
)
def repair(remote: str | None, recompute: bool) -> None:
    """Restore missing and altered cache objects from the working files and a remote.

    Exits with 1 if an object is left that nobody has.
    """
    from p4d.audit.proof.repair import repair as repair_cache
    from p4d.progress import bar

    with bar("repair", unit="object") as progress:
        done = repair_cache(Project.find(), remote, recompute=recompute, progress=progress)
    click.echo(done.render_text())
    if not done.ok:
        sys.exit(1)


@audit.command()
def fetch() -> None:
    """In a clone: bring the ledger of the project that it was cloned from."""
    from p4d.versioning.ledger.adopt import adopt

    echo(adopt(Project.find()))


@audit.command()
def head() -> None:
    """Print the hash of the ledger's last line; publish it where others see it.

    `p4d audit verify --head SHA256` proves later that the ledger still continues it.
    """
    from p4d.errors import LedgerError
    from p4d.versioning.ledger.ledger import Ledger

    chain = Ledger(Project.find()).verify_chain()
    if not chain.ok or not chain.lines:
        raise LedgerError(
            f"the ledger has no head to publish: {'; '.join(chain.faults) or 'it is empty'}"
        )
    echo(chain.head)


@audit.command()
@click.argument("identifier")
@_AT
def environment(identifier: str, at: str | None) -> None:
    """Print the packages that the version was made with that is or holds IDENTIFIER.

    Comments at the top name Python's version, the lock, and what is different here; pip reads the
    rest.
    """
    from p4d.audit.lookup.environment import environment_of

    echo(environment_of(Project.find(), identifier, at))


@audit.command()
@click.argument("identifier")
@_OUTPUT
@_AT
def report(identifier: str, output: Path, at: str | None) -> None:
    """Write one offline HTML page with everything behind IDENTIFIER, for readers from outside."""
    from p4d.audit.page.report import write_report
    from p4d.display.evidence_pictures import evidence_pictures

    evidence = write_report(Project.find(), identifier, output, at=at, draw=evidence_pictures)
    echo(f"{output}: {len(evidence.entries)} versions")


@audit.command()
@click.argument("identifier")
@_OUTPUT
@click.option("--with-data", is_flag=True, help="Include every file, not only the small texts.")
@_AT
def bundle(identifier: str, output: Path, with_data: bool, at: str | None) -> None:
    """Write an archive from which anybody can prove IDENTIFIER with Python alone."""
    from p4d.audit.proof.bundle import write_bundle

    echo(write_bundle(Project.find(), identifier, output, with_data=with_data, at=at))


@audit.command()
@click.argument("name")
@click.option("--shard", help="Shard id, for a stage that has one artifact per shard.")
def replay(name: str, shard: str | None) -> None:
    """Make a published version again and compare the bytes; exit 1 if they differ."""
    from p4d.audit.proof.replay import replay as replay_version
    from p4d.quality.gates import blocking_gates
    from p4d.versioning.files.artifact_key import ArtifactKey

    done = replay_version(Project.find(), ArtifactKey(name, shard), gates=blocking_gates())
    echo(done.render_text())
    if not done.ok:
        sys.exit(1)


COMMANDS = (why, champion, restore, takedown, audit)
