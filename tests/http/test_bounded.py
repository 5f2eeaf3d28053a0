"""A body is decoded piece by piece, and no more of it than it may be."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.llm.errors import ResponseTooLargeError
from services.llm.http.bounded import Decoder

MIB = 2**20


def raw_deflated(data: bytes) -> bytes:
    made = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return made.compress(data) + made.flush()


CODERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "identity": bytes,
    "gzip": gzip.compress,
    "X-GZip": gzip.compress,
    "deflate": zlib.compress,
}


@given(
    data=st.binary(max_size=5000),
    coding=st.sampled_from([*CODERS.items(), ("deflate", raw_deflated)]),
    step=st.integers(1, 700),
)
def test_what_was_encoded_comes_out_however_it_is_cut(
    data: bytes, coding: tuple[str, Callable[[bytes], bytes]], step: int
) -> None:
    encoded = coding[1](data)
    if coding[1] is raw_deflated:
        step = len(encoded)  # known by its first piece
    decoder = Decoder(coding[0], MIB)
    pieces = (encoded[start : start + step] for start in range(0, len(encoded), step))
    assert data == b"".join(out for piece in pieces for out in decoder.feed(piece))
    decoder.end()


@pytest.mark.parametrize("encoding", CODERS)
def test_the_bound_is_exact(encoding: str) -> None:
    data = b"x" * 1000
    assert data == b"".join(Decoder(encoding, 1000).feed(CODERS[encoding](data)))
    with pytest.raises(ResponseTooLargeError, match="LLM_MAX_RESPONSE_MB"):
        list(Decoder(encoding, 999).feed(CODERS[encoding](data)))


def test_a_bomb_is_met_after_a_piece() -> None:
    bomb = gzip.compress(bytes(50 * MIB))
    taken: list[int] = []
    pieces = map(len, Decoder("gzip", MIB).feed(bomb))
    with pytest.raises(ResponseTooLargeError, match="larger than 1 MiB"):
        taken.extend(pieces)
    assert sum(taken) <= MIB


def test_what_decodes_to_nothing_is_bounded_too() -> None:
    decoder, empty_block = Decoder("deflate", 1000), b"\x00\x00\x00\xff\xff"
    list(decoder.feed(b"\x78\x9c"))
    fed = (piece for _ in range(1000) for piece in decoder.feed(empty_block))
    with pytest.raises(ResponseTooLargeError):
        list(fed)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_body_that_ends_early_is_no_whole_one(encoding: str) -> None:
    decoder = Decoder(encoding, MIB)
    list(decoder.feed(CODERS[encoding](b"x" * 100)[:-5]))
    with pytest.raises(httpx.DecodingError, match="ends early"):
        decoder.end()


def test_an_empty_body_has_no_coding() -> None:
    Decoder("gzip", MIB).end()


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_what_is_not_so_encoded_is_an_error(encoding: str) -> None:
    with pytest.raises(httpx.DecodingError):
        list(Decoder(encoding, MIB).feed(b"\xff\xff plain text"))


def test_what_breaks_later_is_an_error_too() -> None:
    decoder, encoded = Decoder("deflate", MIB), zlib.compress(b"x" * 100)
    list(decoder.feed(encoded[:-1]))
    with pytest.raises(httpx.DecodingError, match="incorrect data check"):
        list(decoder.feed(bytes([encoded[-1] ^ 1])))


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip"])
def test_what_was_not_asked_for_is_an_error(encoding: str) -> None:
    with pytest.raises(httpx.DecodingError, match="unasked"):
        Decoder(encoding, MIB)
