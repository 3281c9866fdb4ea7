"""A dry run as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from p4d.students.training.dry_run import DryRun

GIB = 1 << 30


def lines(found: DryRun) -> Iterator[str]:
    """A table of GiB per device, and what the cut took."""
    yield f"{found.model}: {found.parameters / 1e9:.2f} B parameters; GiB per device"
    heads = ("weights", "gradients", "optimizer", "activations", "total")
    widths = (9, 10, 10, 12, 8)
    columns = "".join(f"{head:>{width}}" for head, width in zip(heads, widths, strict=True))
    yield f"{'':16}{'devices':>8}{columns}"
    for (mode, devices), memory in found.memory.items():
        parts = (memory.weights, memory.gradients, memory.optimizer, memory.activations)
        weights, gradients, optimizer, activations = (part / GIB for part in parts)
        yield (
            f"{mode:16}{devices:>8}{weights:>9.1f}{gradients:>10.1f}{optimizer:>10.1f}"
            f"{activations:>12.1f}{memory.total / GIB:>8.1f}"
        )
    yield "activations are estimated for one clip; weights, gradients and optimizer are counted"
    cut = found.cut
    took = ", ".join(f"{each:.1f}" for each in cut.step_s)
    losses = ", ".join(f"{each:.3f}" for each in cut.losses)
    yield (
        f"two blocks per tower, {cut.trainable}, {cut.parameters / 1e9:.2f} B parameters, "
        f"{cut.tokens} tokens ({cut.visual_tokens} visual): steps of {took} s on {cut.device} "
        f"({sum(cut.step_cpu_s) / len(cut.step_cpu_s):.0f} processor seconds each), "
        f"peak {cut.peak_bytes / GIB:.1f} GiB, losses {losses}"
    )
