"""Plain values to YAML that every reader of YAML 1.1 or 1.2 takes for the same values."""

from __future__ import annotations

import re
from typing import Any

from mlp_cli.config.reading import scalar

_PLAIN = re.compile(r"[A-Za-z_./][A-Za-z0-9_./-]*")
_TAKEN = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


def flow(value: Any) -> str:
    """A scalar, list or mapping on one line; floats read back exactly."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{scalar_text(key)}: {flow(item)}" for key, item in value.items()) + "}"
    return "[" + ", ".join(map(flow, value)) + "]" if isinstance(value, list | tuple) else scalar_text(value)


def scalar_text(value: Any) -> str:
    """A scalar's YAML; the `repr` of a value that is none."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return _float_text(value)
    if not isinstance(value, str):
        return repr(value)
    plain = _PLAIN.fullmatch(value) and value.lower() not in _TAKEN and scalar(value) == value
    return value if plain else '"' + "".join(map(_quoted, value)) + '"'


def _float_text(value: float) -> str:
    """The shortest text that reads back exactly, with the point that YAML 1.1 wants before an exponent: 1.0e-07."""
    text = repr(value)
    if text in ("inf", "-inf", "nan"):
        return text.replace("inf", ".inf").replace("nan", ".nan")
    mantissa, exponent, power = text.partition("e")
    return text if "." in mantissa else f"{mantissa}.0{exponent}{power}"


def _quoted(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    if char.isprintable():
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
