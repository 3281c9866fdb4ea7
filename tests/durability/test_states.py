"""The table of docs/states.md, row by row, in both directions: real DVC, real Dagster.

Rows follow each other on one checkout per direction: each begins and ends with everything fresh.
"""

import re
import shutil
from pathlib import Path

import pytest

from p4d.versioning.files.artifact_key import ArtifactKey
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.state.blocked import read_blocked
from tests.durability.kills import Server
from tests.durability.toy import SHARDS

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "states.md"
A, B = SHARDS
C = "0003-cccccccc"
LETTERS = {"A": A, "B": B, "C": C}


def _instances(cell):
    return {
        re.sub(r"@([ABC])", lambda m: f"@{LETTERS[m[1]]}", name)
        for name in re.findall(r"`([^`]+)`", cell)
    }


def _rows():
    rows = re.findall(r"^\| ([a-z][^|]+) \|([^|]+)\|([^|]+)\|$", DOCUMENT.read_text(), re.M)
    return {name.strip(): (_instances(stale), _instances(made)) for name, stale, made in rows}


ROWS = _rows()
CHANGES = {
    "fresh": lambda toy: None,
    "params changed": lambda toy: toy.edit("params.yaml", "seed: 17", "seed: 18"),
    "code changed": lambda toy: toy.edit("p4d/toy/release.py", "VERSION = 1", "VERSION = 2"),
    "input changed with equal bytes": lambda toy: toy.edit(
        f"shards/{A}.json", "text of", "TEXT of"
    ),
    "output edited by hand": lambda toy: (toy.root / "data/release/content.txt").write_text("me"),
    "output deleted": lambda toy: shutil.rmtree(toy.root / "data/release"),
    "new shard": lambda toy: toy.set_shards([A, B, C]),
    "shard removed": lambda toy: toy.set_shards([A, B]),
    "check failed after release": lambda toy: _check_again(toy, "BAD", f"labels {A}"),
    "check passes again": lambda toy: _check_again(toy, f"labels {A}", "BAD"),
}


def _check_again(toy, old, new):
    """Change what the gates look for, and check the labels of shard A, which are fresh."""
    toy.edit("p4d/quality/gates.py", f'WORD = "{old}"', f'WORD = "{new}"')
    before = made_by(toy)
    toy.run("python", "-m", "p4d", "stage", "labels", "--shard", A, check=False)
    assert made_by(toy) == before
    assert list(read_blocked(toy.project)) == ([] if new == "BAD" else [A])


def test_the_document_has_a_row_for_every_state():
    assert list(ROWS) == list(CHANGES)


@pytest.fixture(scope="module", params=["Dagster, then dvc repro", "dvc repro, then Dagster"])
def line(request, made_toy, tmp_path_factory):
    """A checkout with its server, and the order in which the two bring it up to date."""
    root = tmp_path_factory.mktemp("states")
    toy = made_toy.copy_to(root / "toy")
    with Server(toy, root / "answers") as server:
        yield toy, server, request.param.startswith("Dagster")


def not_fresh(server):
    """What each of the three names."""
    return {who: set(names) for who, names in server.run("not_fresh").items()}


def made_by(toy):
    """Recorded versions, in order."""
    made = Ledger(toy.project).records("materialization")
    return [(str(ArtifactKey.of_record(each)), each["md5"]) for each in made]


def by_dagster(toy, server):
    """Whether it made anything; it may run a stage and find that nothing changed."""
    before = made_by(toy)
    blocked = bool(read_blocked(toy.project))  # a blocked shard is reported as a failure
    assert server.start("up").wait() == int(blocked)
    return made_by(toy) != before


def by_dvc(toy, server):
    child = server.start("repro")
    assert child.wait() == 0
    return "Running stage" in child.log()


@pytest.mark.parametrize("state", ROWS)
def test_all_three_agree_and_the_second_finds_nothing_left(line, state):
    toy, server, dagster_first = line
    before = made_by(toy)
    CHANGES[state](toy)
    stale, made = ROWS[state]
    assert not_fresh(server) == {"p4d": stale, "dvc": stale, "dagster": stale}
    first, second = (by_dagster, by_dvc) if dagster_first else (by_dvc, by_dagster)
    assert first(toy, server) == bool(made)
    after = made_by(toy)
    assert {key for key, _ in after[len(before) :]} == made
    facts = server.run("facts")
    assert facts["verified"], facts["verify_text"]
    assert not second(toy, server)
    assert not_fresh(server) == {"p4d": set(), "dvc": set(), "dagster": set()}
    assert made_by(toy) == after
