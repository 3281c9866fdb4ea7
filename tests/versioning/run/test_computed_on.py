"""The ledger says where an artifact was made, here too."""

import socket

from p4d.versioning.ledger.ledger import Ledger


def test_a_local_run_names_its_host_device_and_engine(fake):
    made = fake.make("teach")
    where = Ledger(fake.project).index().latest(made.key)["computed_on"]
    assert (where["host"], where["device"], where["engine"]) == (
        socket.gethostname(), "cpu", "local",
    )  # fmt: skip
    assert where["cpu"]
