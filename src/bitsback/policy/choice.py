"""A policy: what is to happen to each layer, as plain data that a person can write in TOML and read.

```toml
[default]
sparsity = 0.9
saliency = "snr"      # |mean| / std; or "magnitude": |mean|
scope = "global"      # one threshold for all of them; or "layer": one for each
block = [1, 1]        # outputs by inputs that go together

[layers."conv1.weight"]   # a pattern over param names; the first that matches counts
sparsity = 0.5
```

What a pattern speaks for does not compete with the rest: it gets exactly its own sparsity.
"""

import fnmatch
import tomllib
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

from bitsback import toml
from bitsback.errors import PolicyError

Saliency = Literal["snr", "magnitude"]
Scope = Literal["global", "layer"]


@dataclass(frozen=True)
class Choice:
    """What happens to the weights of a layer.

    Attributes:
        sparsity: the share of weights that go, from 0 to 1.
        saliency: which go first: those with the smallest "snr" or the smallest "magnitude".
        scope: whether the layers that this speaks for compete for what is kept ("global") or each loses its own share
            ("layer").
        block: of so many outputs by so many inputs, whose weights go together; one tap of one channel is an input of a
            convolution. What goes is rounded down to whole blocks.
    """

    sparsity: float = 0.9
    saliency: Saliency = "snr"
    scope: Scope = "global"
    block: tuple[int, int] = (1, 1)

    def __post_init__(self) -> None:
        number = isinstance(self.sparsity, int | float) and not isinstance(self.sparsity, bool)
        if not (number and 0 <= self.sparsity <= 1):
            raise PolicyError(f"sparsity is {self.sparsity!r}; it must be a number from 0 to 1")
        for name, value, allowed in (
            ("saliency", self.saliency, get_args(Saliency)),
            ("scope", self.scope, get_args(Scope)),
        ):
            if not isinstance(value, str) or value not in allowed:
                raise PolicyError(f"{name} is {value!r}; it must be one of {', '.join(allowed)}")
        sides = tuple(self.block) if isinstance(self.block, tuple | list) else ()
        if len(sides) != 2 or not all(type(side) is int and side > 0 for side in sides):
            raise PolicyError(f"block is {self.block!r}; it must be two whole numbers above 0: outputs and inputs")
        object.__setattr__(self, "block", sides)


@dataclass(frozen=True)
class Policy:
    """A choice for every layer.

    Attributes:
        default: for layers that no pattern matches.
        layers: choices by pattern over param names; the first that matches counts.
    """

    default: Choice = field(default_factory=Choice)
    layers: dict[str, Choice] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.default, Choice):
            raise PolicyError(f"default is {self.default!r}; it must be a Choice, such as Choice(0.9)")
        chosen = isinstance(self.layers, dict) and all(isinstance(each, Choice) for each in self.layers.values())
        if not chosen or not all(isinstance(pattern, str) for pattern in self.layers):
            raise PolicyError(f"layers is {self.layers!r}; it must hold a Choice by pattern over param names")

    def choice(self, pattern: str | None) -> Choice:
        """A pattern's choice, or the default."""
        return self.default if pattern is None else self.layers[pattern]

    def pattern(self, name: str) -> str | None:
        """The first pattern that matches a param's name, or None where the default holds."""
        return next((pattern for pattern in self.layers if fnmatch.fnmatchcase(name, pattern)), None)


def to_toml(policy: Policy) -> str:
    """The policy as TOML text; `from_toml` gives it back."""
    return toml.dumps(asdict(policy))


def from_toml(text: str) -> Policy:
    """Reads a policy.

    Raises:
        PolicyError: the text is no TOML, has an unknown key, or a value out of range.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"the policy is not valid TOML: {error}") from error
    unknown = set(tables) - {"default", "layers"}
    if unknown:
        raise PolicyError(f"the policy has an unknown table {min(unknown)!r}; there are default and layers")
    layers = tables.get("layers", {})
    if not isinstance(layers, dict):
        raise PolicyError(f"layers is {layers!r}; it must be a table of choices by pattern")
    default = _choice("default", tables.get("default", {}), Choice())
    return Policy(default, {pattern: _choice(f"layers.{pattern}", table, default) for pattern, table in layers.items()})


def _choice(where: str, table: Any, rest: Choice) -> Choice:
    names = [f.name for f in fields(Choice)]
    if not isinstance(table, dict):
        raise PolicyError(f"{where} is {table!r}; it must be a table with {', '.join(names)}")
    unknown = set(table) - set(names)
    if unknown:
        raise PolicyError(f"{where} has an unknown key {min(unknown)!r}; there are {', '.join(names)}")
    found = {name: table.get(name, getattr(rest, name)) for name in names}
    return Choice(**found)
