import pytest

from bitsback.errors import RecipeError
from bitsback.lower.build.remote.address import Address, Endpoint, address, endpoint


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("rpc://127.0.0.1:9090", Address(Endpoint("127.0.0.1", 9090))),
        ("rpc://board.local:1/arm-1.b_c", Address(Endpoint("board.local", 1), "arm-1.b_c")),
        ("rpc://[::1]:65535", Address(Endpoint("::1", 65535))),
    ],
)
def test_what_is_written_is_read_again(said, expected):
    assert address(said) == expected
    assert str(expected) == said


@pytest.mark.parametrize(
    "said",
    [
        *("rpc://", "rpc://host", "rpc://:9090", "rpc://host:", "rpc://host:0", "rpc://host:65536", "rpc://host:-1"),
        *("rpc://host:9090/", "rpc://host:9090/a/b", "rpc://host:9090/a b", "rpc://host:9090/a:b", "rpc://host:٣"),
        *("rpc://ho st:9090", "rpc://::1:9090", "rpc://me@host:9090", "http://host:9090", "host:9090", ""),
        f"rpc://host:9090/{'k' * 101}",
    ],
)
def test_what_is_no_address_is_quoted(said):
    with pytest.raises(RecipeError, match=r"is no address of a device; it must be rpc://HOST:PORT") as refused:
        address(said)
    assert repr(said)[:100] in str(refused.value)


def test_an_endpoint_has_no_scheme():
    assert endpoint("127.0.0.1:9190") == Endpoint("127.0.0.1", 9190)
    with pytest.raises(RecipeError, match=r"'rpc://127\.0\.0\.1:9190' is no HOST:PORT"):
        endpoint("rpc://127.0.0.1:9190")
