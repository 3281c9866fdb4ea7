"""Ray as the carrier: a task goes to any node that has what its stage needs.

Ray only chooses a node and brings bytes there. Nothing durable lies in its object store: inputs and
results travel through the DVC remote. A node that dies costs its task, which Ray starts elsewhere;
a node that refuses (other code, other packages, none of it) is left out for the rest of the run and
named.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from p4d.compute.carrier import SCRATCH, WORKER_MODULE, Carrier
from p4d.compute.settings import ComputeSettings
from p4d.errors import ComputeError, ConfigError
from p4d.pipeline import Stage
from p4d.progress import Progress

logger = logging.getLogger(__name__)

CONNECT_S = 5.0
"""How long an address may take to accept a connection."""
RESTARTS = 3
"""How often Ray starts a task again when its node or process dies."""
_REPORT_S = 10.0
_RETRYABLE = "refused"


@dataclass(frozen=True, kw_only=True)
class RaySettings:
    """The section `ray` of compute.yaml.

    Attributes:
        address: `HOST:PORT` of the cluster's head, or `ray://HOST:PORT` of its client server.
        remote: DVC's name of the object store; default: DVC's default remote.
        scratch: folder of each node for inputs and results; default: `$P4D_WORKER_SCRATCH` of the
            node, else a folder below its temporary one.
        device: kind of device for stages that use one: `cpu`, `cuda`, or the name of one model, as
            torch reports it. Results of another kind are other results.
        accelerator: Ray's name of that model (`ray.util.accelerators`), so that it finds the node.
    """

    address: str
    remote: str | None = None
    scratch: str | None = None
    device: str = "cpu"
    accelerator: str | None = None

    @classmethod
    def of(cls, settings: ComputeSettings) -> RaySettings:
        """Check the section.

        Raises:
            ConfigError: a key is unknown, or there is no address.
        """
        raw = dict(settings.ray)
        known = set(cls.__dataclass_fields__)
        if unknown := sorted(set(raw) - known):
            raise ConfigError(
                f"compute.yaml, ray: unknown key {unknown}; known are {sorted(known)}"
            )
        if not all(isinstance(value, str) and value for value in raw.values()):
            raise ConfigError("compute.yaml, ray: every value must be a text")
        if "address" not in raw:
            raise ConfigError("compute.yaml, ray: address is missing; give HOST:PORT of the head")
        return cls(**raw)


def connect(address: str) -> Any:  # noqa: ANN401 - the module ray, connected
    """Connect this process to a cluster, once; returns the module `ray`.

    Raises:
        ComputeError: Ray is not installed, or nobody answers at the address.
    """
    try:
        import ray
    except ImportError as error:
        raise ComputeError(
            "compute.yaml names Ray, which is not installed; `pip install 'p4d[ray]'`, also on "
            "every node"
        ) from error
    if ray.is_initialized():
        return ray
    at = address.removeprefix("ray://")
    host, _, port = at.rpartition(":")
    nobody = f"no Ray cluster answers at {address}"
    way_out = "`ray start --head --port=6379` starts one; compute.yaml names its address"
    try:
        # Ray itself waits for a minute and then ends the process.
        with socket.create_connection((host, int(port)), timeout=CONNECT_S):
            pass
        _speaks_grpc(at)
    except (OSError, ValueError) as error:
        raise ComputeError(f"{nobody} ({error}); {way_out}") from error
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, TimeoutError, ValueError) as error:
        raise ComputeError(f"{nobody} ({error}); {way_out}") from error
    return ray


def _speaks_grpc(address: str) -> None:
    """Raise TimeoutError unless the server there is one of gRPC, as every port of Ray to name is.

    With another server (a dashboard, a database) Ray tries again for minutes, and says nothing.
    """
    import grpc

    if os.environ.get("RAY_USE_TLS", "0") != "0":
        return
    with grpc.insecure_channel(address) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=CONNECT_S)
        except grpc.FutureTimeoutError as error:
            raise TimeoutError(
                "another server than Ray's is there; name the port of `ray start --head --port`"
            ) from error


def carry_out(task: bytes, scratch: str | None, module: str, variable: str) -> bytes:
    """What a node runs. Ray sends it by value, so it says itself that the package is missing."""
    import importlib
    import json
    import os
    import socket
    import tempfile
    from pathlib import Path

    try:
        worker = importlib.import_module(module)
    except ImportError as error:
        failure = {
            "kind": "refused",
            "host": socket.gethostname(),
            "message": f"this node cannot import {module} ({error}); install the driver's package",
            "error": type(error).__name__,
            "trace": "",
        }
        return json.dumps({"failed": failure}).encode()
    named = scratch or os.environ.get(variable)
    folder = Path(named) if named else Path(tempfile.gettempdir()) / f"p4d-worker-{os.getuid()}"
    folder.mkdir(parents=True, exist_ok=True)
    answered: bytes = worker.answer(task, folder, engine="ray")
    return answered


class RayCarrier(Carrier):
    """Brings tasks to the nodes of a Ray cluster.

    Attributes:
        refused: nodes that are left out, with the reason.
    """

    def __init__(self, settings: RaySettings) -> None:
        """Connect.

        Raises:
            ComputeError: nobody answers at the address, or Ray is not installed.
        """
        self._settings = settings
        self._ray = connect(settings.address)
        # By value: a node without the package could not import it from here.
        self._ray.cloudpickle.register_pickle_by_value(_this_module())
        self._remote = self._ray.remote(_with_node(carry_out))
        self._lock = threading.Lock()
        self._pending: set[Any] = set()
        self.refused: dict[str, str] = {}

    @property
    def processors(self) -> int:
        """Processors of all living nodes."""
        return int(self._ray.cluster_resources().get("CPU", 1))

    def stop(self) -> None:
        """Cancel the tasks that are under way."""
        with self._lock:
            pending = list(self._pending)
        for each in pending:
            self._ray.cancel(each, force=True)

    def device_of(self, stage: Stage) -> str:
        """`cpu`, or what the settings name for stages that use a device."""
        return self._settings.device if stage.needs.gpu else "cpu"

    def carry(self, task: bytes, stage: Stage, name: str, progress: Progress) -> bytes:
        """Have a node carry out a task."""
        while True:
            self._fits(stage, name)
            node, answered = self._once(task, stage, name, progress)
            failed = json.loads(answered).get("failed") or {}
            if failed.get("kind") != _RETRYABLE:
                return answered
            reason = f"node {failed['host']} ({node[:8]}) refuses {name}: {failed['message']}"
            logger.warning("%s; it is left out", reason)
            with self._lock:
                self.refused[node] = reason
            if not self._nodes():
                return answered

    def _once(self, task: bytes, stage: Stage, name: str, progress: Progress) -> tuple[str, bytes]:
        ray, begun = self._ray, time.monotonic()
        remote = self._remote.options(**self._options(stage, name))
        pending = remote.remote(task, self._settings.scratch, WORKER_MODULE, SCRATCH)
        with self._lock:
            self._pending.add(pending)
        try:
            while not ray.wait([pending], timeout=_REPORT_S)[0]:
                progress(0, 0, f"on the cluster for {time.monotonic() - begun:.0f} s")
            node, answered = ray.get(pending)
        except ray.exceptions.RayError as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
            raise ComputeError(
                f"{name}: the cluster lost it ({type(error).__name__}: {reason[:300]}); nothing is "
                "torn, run it again"
            ) from error
        finally:
            with self._lock:
                self._pending.discard(pending)
        return node, answered

    def _options(self, stage: Stage, name: str) -> dict[str, Any]:
        with self._lock:
            refused = sorted(self.refused)
        uses_gpu = stage.needs.gpu and self._settings.device != "cpu"
        options: dict[str, Any] = {
            "name": f"p4d {name}",
            "num_cpus": stage.needs.cores,
            "memory": stage.needs.memory_mib << 20,
            "max_retries": RESTARTS,
            "retry_exceptions": False,
        }
        if uses_gpu:
            options |= {"num_gpus": 1}
            if self._settings.accelerator:
                options |= {"accelerator_type": self._settings.accelerator}
        if refused:
            options |= {"label_selector": {"ray.io/node-id": f"!in({','.join(refused)})"}}
        return options

    def _nodes(self) -> list[Mapping[str, Any]]:
        """Living nodes that refused nothing."""
        return [
            node for node in self._ray.nodes()
            if node["Alive"] and node["NodeID"] not in self.refused
        ]  # fmt: skip

    def _fits(self, stage: Stage, name: str) -> None:
        """Make sure that some node is large enough: Ray would let the task wait for ever.

        Raises:
            ComputeError: none is, or all of them refused.
        """
        needs, nodes = stage.needs, self._nodes()
        gpu = 1 if needs.gpu and self._settings.device != "cpu" else 0
        for node in nodes:
            has = node["Resources"]
            if (
                has.get("CPU", 0) >= needs.cores
                and has.get("memory", 0) >= needs.memory_mib << 20
                and has.get("GPU", 0) >= gpu
            ):
                return
        reasons = "; ".join(self.refused.values())
        raise ComputeError(
            f"{name} needs {needs.cores} processors, {needs.memory_mib} MiB"
            f"{' and a GPU' if gpu else ''}, and none of the {len(nodes)} nodes of "
            f"{self._settings.address} has that{f' ({reasons})' if reasons else ''}"
        )


def _with_node(function: Any) -> Any:  # noqa: ANN401 - a function for Ray
    """The function, returning also which node ran it."""

    def on_node(*arguments: Any) -> tuple[str, bytes]:  # noqa: ANN401
        import ray

        return ray.get_runtime_context().get_node_id(), function(*arguments)

    return on_node


def _this_module() -> Any:  # noqa: ANN401
    import sys

    return sys.modules[__name__]
