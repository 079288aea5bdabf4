"""What can go wrong, as a tree.

```
BitsbackError            every error this library raises on purpose
├── DataError            a data set, a file of inputs or an array is missing, malformed or out of range
├── NetworkError         a network cannot be found, traced or made Bayesian
├── RecipeError          a recipe, a setting or an argument is of the wrong kind or asks for what does not exist
├── PolicyError          a policy names layers or values that do not fit the network
├── ExportError          the exported program does not do what the network does
├── ArtifactError        a packed file is damaged, lies, or comes from another version
├── DeviceError          a device is gone, busy, or not what it was taken for
├── RunError             a run folder cannot be read or written
├── PromiseError         a guarantee is asked for that the data cannot give
└── MissingExtraError    a command needs a part of the installation that is not there
```

Each message is one sentence: what was wrong, the value, and what would be right. The command line prints it and exits
with 2.
"""


class BitsbackError(Exception):
    """The parent of every error that this library raises on purpose."""


class DataError(BitsbackError):
    """A data set, a file of inputs or an array is missing, malformed or out of range."""


class NetworkError(BitsbackError):
    """A network cannot be found, traced or made Bayesian."""


class RecipeError(BitsbackError):
    """A recipe, a setting or an argument is of the wrong kind or asks for what does not exist."""


class PolicyError(BitsbackError):
    """A policy names layers or values that do not fit the network."""


class ExportError(BitsbackError):
    """The exported program does not do what the network does."""


class ArtifactError(BitsbackError):
    """A packed file is damaged, lies, or comes from another version."""


class DeviceError(BitsbackError):
    """A device is gone, busy, or not what it was taken for."""


class RunError(BitsbackError):
    """A run folder cannot be read or written."""


class PromiseError(BitsbackError):
    """A guarantee is asked for that the data cannot give."""


class MissingExtraError(BitsbackError):
    """A command needs a part of the installation that is not there."""


def reason(error: Exception) -> str:
    """Why something failed, on one line; of what the system says only the words, not its number and the file's name."""
    words = error.strerror if isinstance(error, OSError) else None
    return " ".join((words or str(error)).split())


def told(error: BaseException) -> str:
    """What the user's code failed with, kind and words, on one line."""
    said = " ".join(str(error).split())
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def first_line(error: BaseException) -> str:
    """What PyTorch says first: pages of advice on its own use come after it; the kind of error where it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
