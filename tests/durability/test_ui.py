"""The UI as a user starts it: who may use it, how it ends, and what its queue does."""

import json
import re
import socket
import time

import pytest

from tests.durability.toy import SHARDS
from tests.durability.ui import Ui, until

A, B = SHARDS


@pytest.fixture(scope="module")
def ui(made_toy, tmp_path_factory):
    """A UI whose runs pause in the stage `champion` until the file `go` is there."""
    home = tmp_path_factory.mktemp("ui")
    toy = made_toy.copy_to(home / "toy")
    toy.edit("p4d/toy/champion.py", "VERSION = 1", "VERSION = 2")
    started = Ui(toy, home / "log.txt", TOY_PAUSE=f"champion:{home}")
    started.home = home
    yield started
    if started.process.poll() is None:
        (home / "go").touch()
        started.stop()


def test_the_page_and_its_queries_work(ui):
    status, page = ui.request("GET", "/")
    assert status == 200
    assert "<html" in page
    assert ui.ask("{ version }") == {"version": ui.ask("{ version }")["version"]}
    assert ui.graphql("{ version }")[0] == 200  # a program sends no Origin
    local = f"localhost:{ui.port}"
    assert ui.graphql("{ version }", Host=local, Origin=f"http://{local}")[0] == 200
    assert ui.request("GET", "/graphql?query=%7Bversion%7D")[0] == 200
    assert ui.websocket(Origin=f"http://{ui.host}") == 101
    assert ui.websocket() == 101


@pytest.mark.attack("H4")
@pytest.mark.parametrize("host", ["evil.example", "evil.example:3000", "127.0.0.1.evil.example"])
def test_a_foreign_name_of_this_machine_is_refused(ui, host):
    assert ui.request("GET", "/", Host=host)[0] == 403
    assert ui.request("GET", "/server_info", Host=host)[0] == 403
    assert ui.graphql("{ version }", Host=host, Origin=f"http://{host}")[0] == 403
    assert ui.websocket(Host=host, Origin=f"http://{host}") == 403


@pytest.mark.attack("H4")
@pytest.mark.parametrize("origin", ["http://evil.example", "http://localhost:8099", "null"])
def test_a_page_of_another_origin_is_refused(ui, origin):
    assert ui.graphql("{ version }", Origin=origin)[0] == 403
    assert ui.websocket(Origin=origin) == 403
    body = json.dumps({"asset_key": "champion"})
    path = "/report_asset_materialization/"
    assert ui.request("POST", path, body, Origin=origin)[0] == 403


@pytest.mark.attack("H4")
def test_an_image_of_a_page_changes_nothing(ui):
    wipe = (
        "/graphql?query=mutation%7BwipeAssets(assetPartitionRanges:%5B%7BassetKey:"
        "%7Bpath:%5B%22champion%22%5D%7D%7D%5D)%7B__typename%7D%7D"
    )
    latest = "{ assetNodes { assetKey { path } assetMaterializations(limit: 1) { runId } } }"
    before = ui.ask(latest)
    assert ui.request("GET", wipe)[0] == 403
    assert ui.request("GET", wipe, Accept="text/html")[0] == 403
    query = "/graphql?query=%7Bversion%7D"
    for site in ("cross-site", "same-site"):
        assert ui.request("GET", query, Sec_Fetch_Site=site, Sec_Fetch_Mode="no-cors")[0] == 403
    assert ui.request("GET", "/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")[0] == 200
    assert ui.ask(latest) == before


def test_a_second_training_waits_in_the_queue_while_labelling_runs(ui):
    first = ui.launch("retrain")
    until((ui.home / "began").exists)
    assert ui.state(first) == "STARTED"
    second = ui.launch("retrain")
    labelling = ui.launch("label_backfill", partition=A)
    ui.reaches(labelling, "SUCCESS")
    assert ui.state(first) == "STARTED"
    assert ui.state(second) == "QUEUED"  # it was asked for before the one that ended
    started = time.monotonic()
    ui.terminate(second)
    assert ui.state(second) == "CANCELED"
    assert time.monotonic() - started < 10
    (ui.home / "go").touch()
    ui.reaches(first, "SUCCESS")


@pytest.mark.attack("L7")
def test_a_termination_ends_everything_without_a_warning(ui):
    assert ui.stop() == 0
    assert not ui.answers()
    log = ui.log.read_text()
    assert f"Dagster UI: http://127.0.0.1:{ui.port}" in log
    # "warnings" is the name of a check, which the events of its evaluation hold.
    assert not re.search(r"warning(?!s\b)|supersede|traceback", log, re.IGNORECASE), log
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", ui.port)) != 0
