"""Compressed replies: what comes out is what went in, whatever the pieces; a bomb stays small in memory."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_batcheval.backends.errors import BadReply
from pytest_batcheval.backends.unpack import PIECE, Unpacker

PACKED = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "": gzip.compress,
    "identity": lambda data: data,
    "deflate": zlib.compress,
    "Deflate": lambda data: zlib.compress(data)[2:-4],
    "gzip, deflate": lambda data: zlib.compress(gzip.compress(data)),
    "gzip,gzip": lambda data: gzip.compress(gzip.compress(data)),
}


def unpacked(encoding, packed, size):
    unpacker = Unpacker(encoding)
    pieces = [piece for at in range(0, len(packed), size) for piece in unpacker.pieces(packed[at : at + size])]
    return b"".join([*pieces, *unpacker.end()])


@pytest.mark.parametrize("encoding", PACKED)
@given(data=st.binary(max_size=300), size=st.integers(1, 400))
def test_what_comes_out_is_what_went_in(encoding, data, size):
    if encoding == "" and not data:
        return
    assert unpacked(encoding, PACKED[encoding](b"{" + data), size) == b"{" + data


def test_several_files_one_behind_the_other_are_one():
    assert unpacked("gzip", gzip.compress(b"one") + gzip.compress(b"two"), 5) == b"onetwo"


@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_what_is_not_compressed_at_all_stays(encoding):
    assert unpacked(encoding, b'{"id": 1}', 1) == b'{"id": 1}'
    assert unpacked(encoding, b"", 1) == b""


def test_a_bomb_comes_in_small_pieces():
    bomb = gzip.compress(gzip.compress(b" " * 2**24))
    largest = max(len(piece) for piece in Unpacker("gzip, gzip").pieces(bomb))
    assert largest <= PIECE


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_every_cut_is_noticed(encoding):
    packed = PACKED[encoding](b"words" * 9)
    for end in range(5, len(packed)):
        with pytest.raises(BadReply, match="cut off"):
            unpacked(encoding, packed[:end], 7)


@pytest.mark.parametrize("encoding", ["own", "gzip, own", "gzip, gzip, gzip, gzip", "compress"])
def test_what_cannot_be_unpacked_is_told_before_it_is_read(encoding):
    with pytest.raises(BadReply, match="compressed"):
        Unpacker(encoding)
