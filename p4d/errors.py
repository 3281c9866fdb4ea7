"""Errors of p4d. Each message names what is wrong and how to proceed."""


class P4DError(Exception):
    """Base of every error a user can act on."""


class ConfigError(P4DError, ValueError):
    """A parameter is missing, unknown or out of range."""


class DecodeError(P4DError):
    """A media file cannot be read; the message gives the decoder's reason."""


class TruthError(P4DError):
    """A truth sidecar is unreadable or disagrees with its video."""


class DatasetError(P4DError):
    """A dataset's folder is not of its layout, or a file in it cannot be used."""


class LabelError(P4DError):
    """A teacher's output breaks the label contract (shape, finiteness, range)."""


class ContractError(P4DError):
    """A table or array breaks its schema, or a stage reads an input that it does not declare."""


class GateError(P4DError):
    """A blocking check failed, or has not run, for the requested version."""


class PublishError(P4DError):
    """Publishing was stopped: an input changed while the step ran, or the store is damaged."""


class LedgerError(P4DError):
    """The ledger is damaged, or does not contain an id."""


class HistoryError(LedgerError):
    """The ledger, or its branch in git, does not continue what was anchored of it."""


class TrainingError(P4DError):
    """Training stopped; the message names the step and the ids of its batch."""


class ComputeError(P4DError):
    """A process or machine that computes died, cannot be reached, or is not fit for the work."""


class OrchestrationError(P4DError):
    """A process, sensor or schedule around the stages does not exist or ended by itself."""


class PortError(P4DError):
    """A server cannot take its port."""


class QueryError(P4DError, ValueError):
    """A parameter of a page cannot be read."""


class MissingError(P4DError):
    """A page of the explorer is about something that the artifacts do not hold."""


class StoreError(P4DError):
    """The object store cannot be used, lacks an object, or returned other bytes."""


class RefusedError(P4DError):
    """A worker refused a task: its code, its packages or its devices are others."""
