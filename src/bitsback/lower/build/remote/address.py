"""Where a device is: `rpc://host:port`, or `rpc://tracker:port/key` for one that a tracker hands out."""

from dataclasses import dataclass

from bitsback.errors import RecipeError

SCHEME = "rpc://"


@dataclass(frozen=True)
class Endpoint:
    """Where a program listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Address:
    """Where a device is.

    Attributes:
        endpoint: Its server, or a tracker.
        key: What a tracker knows it by; None for a server.
    """

    endpoint: Endpoint
    key: str | None = None

    def __str__(self) -> str:
        return f"{SCHEME}{self.endpoint}" + ("" if self.key is None else f"/{self.key}")


def address(said: str) -> Address:
    """What a user wrote.

    Raises:
        RecipeError: It is no address.
    """
    rest, slash, key = said.removeprefix(SCHEME).partition("/")
    found = _endpoint(rest)
    if not said.startswith(SCHEME) or found is None or bool(slash) != is_key(key):
        raise RecipeError(
            f"{said!r:.120} is no address of a device; it must be rpc://HOST:PORT, or rpc://TRACKER:PORT/KEY with a tracker's, "
            "such as rpc://127.0.0.1:9090"
        )
    return Address(found, key or None)


def endpoint(said: str) -> Endpoint:
    """HOST:PORT, as a user wrote it.

    Raises:
        RecipeError: It is something else.
    """
    found = _endpoint(said)
    if found is None:
        raise RecipeError(f"{said!r:.120} is no HOST:PORT, such as 127.0.0.1:9190")
    return found


def is_key(said: str) -> bool:
    """Whether a tracker can know a device by this name: its own protocol has words end at spaces and colons."""
    return 0 < len(said) <= 100 and all(each.isalnum() or each in "-_." for each in said) and said.isascii()


def _endpoint(said: str) -> Endpoint | None:
    host, colon, port = said.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    numeric = port.isascii() and port.isdecimal() and len(port) <= 5 and 0 < int(port) < 2**16
    plain = bare and not any(each.isspace() or each in "/@[]" for each in bare) and (":" not in bare or bare != host)
    return Endpoint(bare, int(port)) if colon and numeric and plain else None
