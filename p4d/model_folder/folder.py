"""A folder that is checked before transformers reads it, and what is loaded from it.

`ModelFolder.checked` refuses settings that name code, kernels or weights elsewhere; `digests` are
those of exactly the files that are loaded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from accelerate import init_empty_weights
from safetensors import SafetensorError, safe_open
from transformers import AutoConfig, AutoProcessor, AutoTokenizer, GenerationConfig
from transformers.initialization import no_init_weights

from p4d.errors import ContractError
from p4d.ids import sha256_file
from p4d.model_folder.rules import (
    INDEX,
    MAX_SETTINGS_BYTES,
    REFUSED_FILES,
    TABLES,
    WEIGHTS,
    check_settings,
    is_setting,
    read_setting,
    weight_files,
)

Loaded = TypeVar("Loaded")
Colour = tuple[float, float, float]

_NAMED = 5
"""Weights that an error names."""


@dataclass(frozen=True)
class ModelFolder:
    """A checked folder. Make it by `ModelFolder.checked`.

    Attributes:
        path: the folder.
        weights: the safetensors files that a network of it is loaded from; empty for a folder that
            holds a tokenizer only.
        settings: its other files that transformers may read, by name.
    """

    path: Path
    weights: tuple[Path, ...]
    settings: tuple[Path, ...]

    @classmethod
    def checked(cls, path: Path) -> ModelFolder:
        """Check every file that transformers may read.

        Raises:
            ContractError: `path` is no folder, a settings file is damaged or asks for anything but
                weights of the folder, or an index names files that it does not have.
        """
        if not path.is_dir():
            raise ContractError(f"{path} is no folder of a model")
        for name, reason in REFUSED_FILES.items():
            if (path / name).exists():
                raise ContractError(f"{path / name}: {reason}")
        settings = tuple(sorted(file for file in path.iterdir() if is_setting(file)))
        for file in settings:
            if file.suffix == ".json" and file.name not in TABLES:
                check_settings(file)
        return cls(path, tuple(weight_files(path)), settings)

    def digests(self) -> dict[str, str]:
        """SHA-256 by name of exactly the weights that are loaded."""
        return {file.name: sha256_file(file) for file in self.weights}

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes by name of all weights in the files that are loaded; their numbers are not read.

        Raises:
            ContractError: a file is damaged.
        """
        shapes: dict[str, tuple[int, ...]] = {}
        for file in self.weights:
            try:
                with safe_open(file, framework="pt") as opened:
                    names = opened.keys()
                    shapes |= {name: tuple(opened.get_slice(name).get_shape()) for name in names}
            except (OSError, SafetensorError) as error:
                raise ContractError(f"{file} cannot be loaded ({error})") from error
        return shapes

    def setting_digests(self) -> dict[str, str]:
        """SHA-256 by name of config, tokenizer and processor."""
        return {file.name: sha256_file(file) for file in self.settings}

    def config(self) -> Any:  # noqa: ANN401 - the class depends on the folder
        """The config of the network.

        Raises:
            ContractError: it is missing or damaged.
        """
        if not (self.path / "config.json").is_file():
            raise ContractError(f"{self.path} holds no config.json of a transformers checkpoint")
        return self._load(AutoConfig.from_pretrained)

    def network(
        self,
        kind: Any,  # noqa: ANN401
        *,
        with_report: bool = False,
        exact: bool = False,
        **settings: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """The network, in evaluation mode.

        Args:
            kind: a class of transformers, or one of its Auto classes.
            with_report: return `(network, report of the loading)`.
            exact: weights that the network does not have are an error, too.
            settings: `dtype`, if it is not that of the weights.

        Raises:
            ContractError: the folder has no safetensors weights, or they are damaged, incomplete
                or belong to another network; their names are in the message.
        """
        config = self._config_of_weights()
        chosen = kind
        if hasattr(kind, "_model_mapping"):
            try:
                chosen = kind._model_mapping[type(config)]
            except KeyError as error:
                raise ContractError(
                    f"{self.path} holds a {config.model_type}, which is no {kind.__name__}"
                ) from error
        attention = "sdpa" if getattr(chosen, "_supports_sdpa", False) else "eager"
        network, report = self._load(
            chosen.from_pretrained,
            config=config,
            use_safetensors=True,
            attn_implementation=attention,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # the report names them
            **settings,
        )
        self._check_report(report, exact=exact)
        return (network, report) if with_report else network

    def outline(self, kind: Any, *, dtype: torch.dtype) -> Any:  # noqa: ANN401
        """The network in evaluation mode, with its buffers and without the numbers of its weights.

        The weights are on the meta device, until a process reads its part of them.

        Raises:
            ContractError: the folder has no safetensors weights, or is damaged.
        """
        config = self._config_of_weights()
        with no_init_weights(), init_empty_weights(include_buffers=False):
            network = kind._from_config(config, attn_implementation="sdpa", dtype=dtype)
        network.tie_weights()
        if (self.path / "generation_config.json").is_file():
            network.generation_config = self._load(GenerationConfig.from_pretrained)
        return network.eval()

    def _config_of_weights(self) -> Any:  # noqa: ANN401
        """The config of a network whose weights are here, tied if they lack a head."""
        config = self.config()
        if not self.weights:
            raise ContractError(
                f"{self.path} holds no *.safetensors weights ({WEIGHTS} or {INDEX}); pickled "
                "weights are never read"
            )
        if not any(name.endswith("lm_head.weight") for name in self.weight_shapes()):
            _tie_head(config)
        return config

    def _check_report(self, report: Mapping[str, Any], *, exact: bool) -> None:
        """Raise for weights that transformers would draw at random or drop, with a warning."""
        shapes = {str(name): f"{kept} for {own}" for name, kept, own in _mismatched(report)}
        wrong = {
            "lacks {n} weights of its own config": sorted(set(report["missing_keys"]) - {*shapes}),
            "has {n} weights of another shape than its config": [
                f"{name} ({sizes})" for name, sizes in sorted(shapes.items())
            ],
            "has {n} weights that its network does not have": (
                sorted(report["unexpected_keys"]) if exact else []
            ),
        }
        for reason, names in wrong.items():
            if names:
                more = ", ..." if len(names) > _NAMED else ""
                raise ContractError(
                    f"{self.path} {reason.format(n=len(names))}: {', '.join(names[:_NAMED])}{more}"
                )

    def tokenizer(self) -> Any:  # noqa: ANN401
        """The tokenizer.

        Raises:
            ContractError: it is missing or damaged.
        """
        return self._load(AutoTokenizer.from_pretrained)

    def processor(self) -> Any:  # noqa: ANN401
        """The processor of texts and pictures.

        Raises:
            ContractError: it is missing or damaged.
        """
        return self._load(AutoProcessor.from_pretrained)

    def setting(self, name: str) -> dict[str, Any]:
        """A settings file as an object; empty if the folder has no such file.

        Raises:
            ContractError: it is damaged or no object.
        """
        if not (self.path / name).is_file():
            return {}
        content = read_setting(self.path / name, MAX_SETTINGS_BYTES)
        if not isinstance(content, dict):
            raise ContractError(f"{self.path / name} holds no JSON object")
        return content

    def text(self, name: str) -> str | None:
        """A text file; None if the folder has no such file.

        Raises:
            ContractError: it is too large or no UTF-8.
        """
        file = self.path / name
        if not file.is_file():
            return None
        if file.stat().st_size > MAX_SETTINGS_BYTES:
            raise ContractError(f"{file} is larger than {MAX_SETTINGS_BYTES} bytes")
        try:
            return file.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ContractError(f"{file} is no UTF-8 text") from error

    def picture_scale(self) -> tuple[Colour, Colour] | None:
        """Mean and deviation of the checkpoint's own processor, if it has one.

        Raises:
            ContractError: they are not three finite numbers each.
        """
        for name in ("video_preprocessor_config.json", "preprocessor_config.json"):
            if not (self.path / name).is_file():
                continue
            settings = read_setting(self.path / name, MAX_SETTINGS_BYTES)
            if isinstance(settings, dict) and {"image_mean", "image_std"} <= set(settings):
                mean, std = (
                    _colour(settings[key], self.path / name) for key in ("image_mean", "image_std")
                )
                return mean, std
        return None

    def _load(self, load: Callable[..., Loaded], **settings: Any) -> Loaded:  # noqa: ANN401
        try:
            return load(str(self.path), local_files_only=True, trust_remote_code=False, **settings)
        except Exception as error:
            # A damaged folder raises any kind: of JSON, safetensors, torch, tokenizers.
            reason = (str(error).strip().splitlines() or [""])[0][:300]
            raise ContractError(
                f"{self.path} cannot be loaded ({type(error).__name__}: {reason})"
            ) from error


def _tie_head(config: Any) -> None:  # noqa: ANN401
    """Tie the head to the embeddings if any part of the config says so.

    For weights without a head. Published configs name it at the top (Qwen2.5-VL), in the config of
    the language model (LLaVA-OneVision), or in both (Qwen3-VL); a network reads only one of them.
    """
    parts = [config, config.get_text_config()] if hasattr(config, "get_text_config") else [config]
    if any(getattr(part, "tie_word_embeddings", False) for part in parts):
        for part in parts:
            part.tie_word_embeddings = True


def _mismatched(report: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Name, shape in the file and shape in the network of weights that do not fit."""
    for name, kept, own in report.get("mismatched_keys", ()):
        yield name, list(kept), list(own)


def _colour(value: object, file: Path) -> Colour:
    numbers = value if isinstance(value, list) and len(value) == 3 else []
    if not numbers or not all(isinstance(n, int | float) and math.isfinite(n) for n in numbers):
        raise ContractError(f"{file}: expected three numbers, got {ascii(value)[:80]}")
    red, green, blue = map(float, numbers)
    return red, green, blue
