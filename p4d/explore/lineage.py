"""The lineage of an id: down to source files and hashes, and up to the models made from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from p4d.audit.evidence import VersionEvidence, recorded_entry
from p4d.audit.lookup.lookup import Lookup
from p4d.audit.lookup.resolve import Entity, Resolver
from p4d.audit.lookup.tree import Node
from p4d.audit.lookup.why import explain
from p4d.audit.page.lineage_svg import lineage_svg
from p4d.errors import ContractError, LedgerError, MissingError
from p4d.project import Project

_MODELS = ("student_sft", "student_p4d", "student_blind", "evaluation", "champion", "expert")


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """What is recorded around one id.

    Attributes:
        named: the entity.
        tree: what it was made from, row by row.
        below: versions that it derives from, upstream first, its own last.
        above: versions that were made from its own, oldest first.
        picture: of both, current versions only in the upward direction.
    """

    named: Entity
    tree: Node
    below: Sequence[VersionEvidence]
    above: Sequence[VersionEvidence]
    picture: Markup

    @property
    def models(self) -> list[VersionEvidence]:
        """Students, evaluations and decisions that were made from it, newest first."""
        return [entry for entry in reversed(self.above) if entry.stage in _MODELS]


def lineage_of(project: Project, identifier: str) -> Lineage:
    """The lineage of an id, in any form that `p4d why` takes.

    Raises:
        MissingError: nothing recorded has that name, or the ledger cannot be read.
    """
    try:
        with Lookup(project) as lookup:
            entity = Resolver(lookup).resolve(identifier)
            tree = explain(lookup, entity)
            if not entity.version.md5:
                raise MissingError(
                    f"{identifier} is no single version; name one, such as "
                    f"{entity.version.key}@SHARD"
                )
            down = lookup.index.lineage(entity.version)
            up = [
                version
                for version in lookup.index.downstream({entity.version})
                if version != entity.version
            ]
            below = [recorded_entry(lookup, version) for version in down]
            above = [recorded_entry(lookup, version) for version in up]
    except (LedgerError, ContractError) as error:
        raise MissingError(str(error)) from error
    shown = [*below[:-1], *(entry for entry in above if entry.current), below[-1]]
    picture = lineage_svg(_once(shown), [stage.name for stage in project.stages])
    return Lineage(named=entity, tree=tree, below=below, above=above, picture=picture)


def _once(entries: Sequence[VersionEvidence]) -> list[VersionEvidence]:
    """The entries without repetition; the last stays the last."""
    last = entries[-1]
    found = {f"{entry.key} {entry.md5}": entry for entry in entries[:-1]}
    found.pop(f"{last.key} {last.md5}", None)
    return [*found.values(), last]
