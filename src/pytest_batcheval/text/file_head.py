"""The form of a file that cannot be the UTF-8 text that was meant, by its first bytes."""

from __future__ import annotations

HEAD = 512
"""Bytes that are enough to know it."""

_BOM = b"\xef\xbb\xbf"
_POINTER = "a Git LFS pointer, not the file itself; get that with git lfs pull (for actions/checkout: lfs: true)"
_MAGIC = (
    (b"version https://git-lfs.github.com/spec/", _POINTER),
    (b"version https://hawser.github.com/spec/", _POINTER),
    (b"/annex/objects/", "a git-annex pointer, not the file itself; get that with git annex get"),
    (b"\x00GITCRYPT\x00", "encrypted by git-crypt; decrypt it with git-crypt unlock"),
    (b"\x1f\x8b", "compressed with gzip; unpack it first (gunzip)"),
    (b"PK\x03\x04", "a zip archive; unpack it first (unzip)"),
    (b"PK\x05\x06", "a zip archive without files"),
    (b"BZh", "compressed with bzip2; unpack it first (bunzip2)"),
    (b"\xfd7zXZ", "compressed with xz; unpack it first (unxz)"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd; unpack it first (unzstd)"),
    (b"\xff\xfe\x00\x00", "UTF-32; save it as UTF-8 (iconv -f UTF-32 -t UTF-8)"),
    (b"\x00\x00\xfe\xff", "UTF-32; save it as UTF-8 (iconv -f UTF-32 -t UTF-8)"),
    (b"\xff\xfe", "UTF-16; save it as UTF-8 (iconv -f UTF-16 -t UTF-8)"),
    (b"\xfe\xff", "UTF-16; save it as UTF-8 (iconv -f UTF-16 -t UTF-8)"),
)


def form_by_head(head: bytes, may_have_nul: bool = False) -> str:
    """The form and the remedy, in words that follow "is"; empty for a file that may be text.

    `head` is the file's first `HEAD` bytes or more. JSON and YAML have no NUL.
    """
    found = next((what for magic, what in _MAGIC if head.removeprefix(_BOM).startswith(magic)), "")
    return found or ("binary; give a text in UTF-8" if b"\x00" in head and not may_have_nul else "")
