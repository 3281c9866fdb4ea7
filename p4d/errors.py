"""Errors of p4d. Each names the thing that is wrong and the way out."""


class P4DError(Exception):
    """Base of every error a user can act on."""


class ConfigError(P4DError, ValueError):
    """A parameter is missing, unknown or out of range."""


class DecodeError(P4DError):
    """A media file cannot be read; the message carries the decoder's reason."""


class TruthError(P4DError):
    """A truth sidecar is unreadable or disagrees with its video."""


class LabelError(P4DError):
    """A teacher's output breaks the label contract (shape, finiteness, range)."""


class ContractError(P4DError):
    """A table or array breaks its declared schema, or a stage read what it did not declare."""


class GateError(P4DError):
    """A blocking check failed, or was never run, for the exact version that was asked for."""


class PublishError(P4DError):
    """Publishing was refused: something changed while the step ran, or the store is damaged."""


class LedgerError(P4DError):
    """The ledger is damaged, or an id is not in it."""


class TrainingError(P4DError):
    """Training stopped; the message names the step and the ids of the batch."""
