import torch

from bitsback.posterior.streams import stream, stream_seed


def test_the_same_names_give_the_same_stream() -> None:
    first, second = (torch.randn(5, generator=stream(3, "noise", 1)) for _ in range(2))
    torch.testing.assert_close(first, second, rtol=0, atol=0)


def test_streams_differ_by_seed_purpose_and_index() -> None:
    names = [(seed, purpose, index) for seed in (0, 1, 10**15) for purpose in ("noise", "order") for index in range(3)]
    assert len({stream_seed(*name) for name in names}) == len(names)
