"""Two processes that share a small network, write its checkpoint, and go on from it."""

from pathlib import Path

import torch
import torch.distributed
from safetensors.torch import save_file
from torch import nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from p4d.errors import TrainingError
from p4d.students.training.checkpoints import Checkpoints, restore_optimizer, restore_weights
from p4d.students.training.master_adamw import MasterAdamW
from p4d.versioning.remote.object_store import StoreAddress
from p4d.versioning.remote.run_folder import RunFolder

OPTIMIZERS = {"adamw": torch.optim.AdamW, "master": MasterAdamW}
WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)
PROCESSES = 2


class Network(nn.Module):
    """A tied head, weights that do not divide by two, one of a single number, and a buffer."""

    def __init__(self, seed: int, dtype: torch.dtype) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.table = nn.Embedding(7, 5)
        self.middle = nn.Linear(5, 5)
        self.gain = nn.Parameter(torch.randn(1))
        self.head = nn.Linear(5, 7, bias=False)
        self.head.weight = self.table.weight
        self.register_buffer("seen", torch.full((3,), float(seed)))
        self.to(dtype)

    def forward(self, ids):
        return self.head(torch.tanh(self.middle(self.table(ids)))) * self.gain


def made(kind: str, seed: int) -> tuple[Network, torch.optim.Optimizer]:
    """A network and its optimizer; that of `master` has weights in bfloat16."""
    network = Network(seed, torch.bfloat16 if kind == "master" else torch.float32)
    if torch.distributed.is_initialized():
        fully_shard(network, mesh=init_device_mesh("cpu", (PROCESSES,)))
    return network, OPTIMIZERS[kind](network.parameters(), lr=0.01)


def steps(network: nn.Module, optimizer: torch.optim.Optimizer, numbers: range) -> None:
    for number in numbers:
        ids = torch.arange(number, number + 4) % 7
        nn.functional.cross_entropy(network(ids).float(), (ids + 1) % 7).backward()
        optimizer.step()
        optimizer.zero_grad()


def keep(network: nn.Module, path: Path) -> None:
    whole = get_model_state_dict(network, options=WHOLE)
    if whole:  # the first process
        whole.pop("head.weight")
        save_file(whole, path)


def run(rank: int, folder: str, kinds: tuple[str, ...], apart: bool = False) -> None:
    """Two steps, a checkpoint, a third step; then a new network goes on from the checkpoint.

    apart: the processes have folders of their own, and share a store; without it they refuse.
    """
    torch.set_num_threads(1)
    place = Path(folder)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{place / 'meet'}", rank=rank, world_size=PROCESSES
    )
    for kind in kinds:
        network, optimizer = made(kind, seed=1)
        steps(network, optimizer, range(2))
        store = Checkpoints(place / kind, "run")
        if apart:
            own = place / f"node-{rank}" / kind
            try:
                Checkpoints(own, "run").meet()
            except TrainingError as error:
                (place / f"refused-{rank}").write_text(str(error))
            store = Checkpoints(own, "run", RunFolder(StoreAddress(str(place / "store")), kind))
        store.meet()
        store.write(2, network, optimizer, {"rows": [rank]}, {"map": torch.ones(2)})
        steps(network, optimizer, range(2, 3))
        keep(network, place / f"{kind}-undisturbed.safetensors")
        network, optimizer = made(kind, seed=2)
        checkpoint = store.newest()
        assert checkpoint is not None
        restore_weights(checkpoint, network)
        restore_optimizer(checkpoint, network, optimizer)
        steps(network, optimizer, range(2, 3))
        keep(network, place / f"{kind}-resumed.safetensors")
    torch.distributed.destroy_process_group()
