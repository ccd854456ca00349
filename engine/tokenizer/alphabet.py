"""The 256 single bytes in GPT-2's order, and the visible characters that stand for them in tokenizer files.

Source: Radford et al. 2019; the published encoder.py. Bytes that are visible characters in Latin-1 come first and stand
for themselves; the other 68 (control signs, the space, the soft hyphen) are shown as the characters from U+0100 on.
"""

_VISIBLE = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
_HIDDEN = [byte for byte in range(256) if byte not in _VISIBLE]

BYTES = [bytes([byte]) for byte in _VISIBLE + _HIDDEN]  # by id: 0 is "!", 220 is the space
_SIGNS = [chr(byte) for byte in _VISIBLE] + [chr(256 + place) for place in range(len(_HIDDEN))]
_SIGN_OF = {single[0]: sign for single, sign in zip(BYTES, _SIGNS)}
_BYTE_OF = {sign: byte for byte, sign in _SIGN_OF.items()}


def visible(token: bytes) -> str:
    """The token as files write it.

    >>> visible(b" the"), visible("é".encode())
    ('Ġthe', 'Ã©')
    """
    return "".join([_SIGN_OF[byte] for byte in token])


def from_visible(written: str) -> bytes:
    """The bytes of a token in a file. ValueError for a character that stands for no byte.

    >>> from_visible("Ġthe")
    b' the'
    """
    try:
        return bytes([_BYTE_OF[sign] for sign in written])
    except KeyError as error:
        raise ValueError(
            f"token must be written in the byte alphabet, and {error.args[0]!r} in {written!r} is not"
        ) from None
