"""The errors improv raises on purpose.

ImprovError                 whatever a person can mend; its text says how
├── UsageError              wrong command line or configuration (exit code 2)
├── PortError               a MIDI port or server cannot be had
├── ModelError              a model file that is missing, damaged or does not fit
├── EngineError             an engine that this machine cannot run
├── CorpusError             no usable music where music was expected
├── SessionError            a journal that cannot be read or written
└── PlayerError             what is kept of a player cannot be read or written
"""


class ImprovError(Exception):
    """Root of all errors whose message is written for a person."""


class UsageError(ImprovError):
    """Raised when the command line or the configuration is wrong."""


class PortError(ImprovError):
    """Raised when a MIDI port or a MIDI server cannot be had."""


class ModelError(ImprovError):
    """Raised when a model file is missing, damaged or of the wrong shape."""


class EngineError(ImprovError):
    """Raised when the engine that is asked for cannot be had on this machine."""


class CorpusError(ImprovError):
    """Raised when a corpus holds no usable music."""


class SessionError(ImprovError):
    """Raised when a recorded session cannot be read."""


class PlayerError(ImprovError):
    """Raised when the memory of a player cannot be kept, or what was kept cannot be read."""
