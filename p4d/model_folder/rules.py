"""What the files of a folder may say: no code, no kernels, no weights from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from p4d.errors import ContractError
from p4d.foreign_json import read_foreign_json

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
MAX_SETTINGS_BYTES = 16 << 20
MAX_INDEX_BYTES = 64 << 20
TABLES = ("tokenizer.json", "vocab.json", "added_tokens.json", INDEX)
"""Large files without settings: the tokenizers library and `weight_files` read them."""

REFUSED_FILES = {
    "adapter_config.json": "an adapter of weights elsewhere; merge it into its base and save that",
    "quantize_config.json": "quantised weights; name the checkpoint in float",
    ".metadata": "a distributed checkpoint, which is pickled; save it as safetensors",
}
REFUSED_KEYS = {
    "auto_map": "asks to run the folder's own code, which p4d never does",
    "custom_generate": "asks to run the folder's own code, which p4d never does",
    "transformers_weights": f"names weights other than {WEIGHTS}",
    "quantization_config": "needs kernels for quantised weights; name the checkpoint in float",
}
ATTENTION = ("eager", "sdpa", "flash_attention_2", "flash_attention_3", "flex_attention")
"""Names that are no repository of kernels. What a config chooses is not used."""


def is_setting(file: Path) -> bool:
    """Whether transformers may read settings, a vocabulary or a template from a file."""
    return file.is_file() and file.suffix in (".json", ".txt", ".jinja", ".model")


def check_settings(file: Path) -> None:
    """Refuse a settings file that asks for anything but weights of its folder.

    Raises:
        ContractError: it names code, kernels or weights elsewhere, or is damaged.
    """
    content = read_setting(file, MAX_SETTINGS_BYTES)
    for key, value in entries(content):
        if not value:
            continue
        if key in REFUSED_KEYS:
            raise ContractError(f"{file}: {key} {REFUSED_KEYS[key]}")
        if key.endswith(("attn_implementation", "experts_implementation")):
            names = value.values() if isinstance(value, dict) else [value]
            foreign = [name for name in names if name is not None and name not in ATTENTION]
            if foreign:
                raise ContractError(
                    f"{file}: {key} names {ascii(foreign[0])[:80]}, a kernel from elsewhere; "
                    "remove the key"
                )


def read_setting(file: Path, max_bytes: int) -> Any:  # noqa: ANN401
    """The content of a JSON file; ContractError if it is damaged, too large or too deep."""
    return read_foreign_json(file, max_bytes=max_bytes, name=str(file))


def entries(value: object) -> Iterator[tuple[str, object]]:
    """Every key of the objects in a JSON value, with what it holds. Its depth is limited."""
    if isinstance(value, dict):
        for key, held in value.items():
            yield key, held
            yield from entries(held)
    elif isinstance(value, list):
        for held in value:
            yield from entries(held)


def weight_files(folder: Path) -> Iterator[Path]:
    """The files that transformers loads, in its order of preference.

    Raises:
        ContractError: the index is damaged, or names files elsewhere or files that are not there.
    """
    if (folder / WEIGHTS).is_file():
        yield folder / WEIGHTS
        return
    index = folder / INDEX
    if not index.is_file():
        return
    content = read_setting(index, MAX_INDEX_BYTES)
    named = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(named, Mapping) or not all(isinstance(n, str) for n in named.values()):
        raise ContractError(f"{index}: weight_map must give a file name for each weight")
    for name in sorted(set(named.values())):
        if "/" in name or "\\" in name or "\0" in name or not name.endswith(".safetensors"):
            raise ContractError(
                f"{index} names {ascii(name)[:200]}; weights must be *.safetensors of this folder"
            )
        if not (folder / name).is_file():
            raise ContractError(f"{index} names {ascii(name)[:200]}, which is not in the folder")
        yield folder / name
