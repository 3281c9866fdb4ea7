"""A tiny network of the layout of L4P with random weights, as a folder."""

from dataclasses import asdict

import torch
from safetensors.torch import save_file

from p4d.artifacts import write_json
from p4d.teachers.l4p.network import L4PNetwork
from p4d.teachers.l4p.sizes import L4PConfig

CONFIG = L4PConfig(
    size_px=32, frames=8, patch_px=8, tubelet=2, width=16, blocks=4, heads=2, mlp_width=24,
    hooks=(1, 2, 3, 4), layer_widths=(8, 8, 8, 8), feature_width=8,
)  # fmt: skip


def save(folder, config=CONFIG):
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = L4PNetwork(config)
    write_json(folder / "config.json", asdict(config))
    tensors = dict(network.state_dict())
    # As in the published file: a head that is not read, and DUSt3R's second list of convolutions.
    tensors["task_heads.track_2d.head.weight"] = torch.zeros(3)
    tensors["task_heads.depth.task_head.dpt.scratch.layer_rn.0.weight"] = torch.zeros(3)
    save_file(tensors, folder / "model.safetensors")
    return folder
