"""A Ray cluster on this machine: raylets that share nothing but the network.

Each node has a scratch folder, a home and a search path of its own, as a machine would. For the
tests, the benchmark of kills and `make cluster-demo`; Ray's own `Cluster` starts and kills the
processes.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_STORE_BYTES = 80 << 20
"""Ray's object store of each node: it carries tasks and answers alone."""


@dataclass
class LocalRay:
    """A running cluster.

    Attributes:
        root: folder of all nodes.
        cluster: Ray's.
        nodes: the workers, by number.
    """

    root: Path
    cluster: Any
    environment: Mapping[str, str]
    nodes: dict[int, Any] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Of the head."""
        return str(self.cluster.address)

    def add(self, number: int, **environment: str) -> None:
        """Start a node; `environment` is over that of all."""
        folder = self.root / f"node{number}"
        (folder / "home").mkdir(parents=True, exist_ok=True)
        own = {
            **self.environment,
            "HOME": str(folder / "home"),
            "P4D_WORKER_SCRATCH": str(folder / "scratch"),
            **environment,
        }
        with contextlib.chdir(folder):  # a raylet keeps the folder in which it was started
            self.nodes[number] = self.cluster.add_node(
                num_cpus=1, memory=8 << 30, object_store_memory=_STORE_BYTES, env_vars=own
            )

    def kill(self, number: int) -> None:
        """Kill a node as a machine dies: its raylet and its workers, without a word."""
        self.cluster.remove_node(self.nodes.pop(number), allow_graceful=False)


@contextlib.contextmanager
def local_ray(root: Path, environment: Mapping[str, str], nodes: int = 3) -> Iterator[LocalRay]:
    """A head without processors, and `nodes` workers.

    Args:
        root: folder of the nodes.
        environment: of every node: how it imports the package, and its credentials.
        nodes: workers at the start.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": _STORE_BYTES}
    (root / "head").mkdir(parents=True, exist_ok=True)
    cluster = Cluster(
        initialize_head=True, head_node_args={**head, "env_vars": {"HOME": str(root / "head")}}
    )
    running = LocalRay(root, cluster, dict(environment))
    try:
        for number in range(nodes):
            running.add(number)
        yield running
    finally:
        import ray

        ray.shutdown()
        cluster.shutdown()
