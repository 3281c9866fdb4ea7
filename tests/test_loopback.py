"""Which requests reach a local page, and which port it takes."""

import socket

import pytest

from p4d.errors import PortError
from p4d.loopback import check_port, request_refusal


def scope(method="GET", kind="http", **headers):
    given = {"host": "127.0.0.1:3001", **headers}
    raw = [(k.replace("_", "-").encode(), v.encode()) for k, v in given.items() if v is not None]
    return {"type": kind, "method": method, "path": "/", "headers": raw}


@pytest.mark.parametrize(
    "host", ["127.0.0.1:3001", "localhost", "LOCALHOST:80", "[::1]", "[::1]:3001"]
)
def test_names_of_this_machine_pass(host):
    assert request_refusal(scope(host=host)) is None
    assert request_refusal(scope("POST", host=host, origin=f"http://{host}")) is None


@pytest.mark.parametrize(
    "host", [None, "", "evil.example", "127.0.0.1.evil.example", "localhost:x", "127.0.0.2"]
)
def test_other_names_do_not(host):
    assert "Host is" in request_refusal(scope(host=host))


@pytest.mark.parametrize("origin", ["http://evil.example", "https://127.0.0.1:3001", "null", ""])
def test_a_change_must_come_from_the_page_itself(origin):
    assert "Origin is" in request_refusal(scope("POST", origin=origin))
    assert "Origin is" in request_refusal(scope(kind="websocket", origin=origin))
    assert request_refusal(scope(origin=origin)) is None


def test_a_program_sends_no_origin_and_passes():
    assert request_refusal(scope("POST")) is None


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_part_of_a_foreign_page_is_refused_and_a_link_is_not(site):
    assert request_refusal(scope(sec_fetch_site=site, sec_fetch_mode="no-cors")) is not None
    assert request_refusal(scope(sec_fetch_site=site, sec_fetch_mode="navigate")) is None
    assert request_refusal(scope(sec_fetch_site="same-origin", sec_fetch_mode="cors")) is None


def test_a_port_in_use_is_named_with_the_way_out():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortError, match=rf"port {port} of 127.0.0.1: .*in use; choose --port"):
            check_port(port, "choose --port")
    check_port(port, "choose --port")
