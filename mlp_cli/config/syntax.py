"""What the YAML library finds wrong, in words that say the fix."""

from __future__ import annotations

import re
from collections.abc import Sequence

import yaml

_QUOTE = "put the text in quotes"

_KNOWN = (
    (r"character '\\t' that cannot start", "a tab stands where YAML wants spaces; use spaces"),
    (r"character '(.)' that cannot start", f"a text cannot begin with {{0}}; {_QUOTE}"),
    (r"while scanning an? (alias|anchor)", f"a text cannot begin with * or &; {_QUOTE}"),
    (r"while (?:scanning|parsing) a tag|tag handle|tag URI", f"tags are not accepted; {_QUOTE} if it begins with !"),
    (r"directive|incompatible YAML document", f"lines that begin with % are not accepted; {_QUOTE} if it is one"),
    (r"mapping values are not allowed here", f"a second colon in one line; {_QUOTE} if it belongs to the text"),
    (r"could not find expected ':'", "this line is not of the form key: value; is the colon, or the space after it, missing?"),
    (
        r"sequence entries are not allowed here",
        "a list item cannot stand here; begin the list on a line of its own, or write [a, b]",
    ),
    (r"mapping keys are not allowed here", f"a text cannot begin with ?; {_QUOTE}"),
    (r"flow sequence.*but got '<stream end>'", "the list is not closed; add ]"),
    (r"flow mapping.*but got '<stream end>'", "the mapping is not closed; add }}"),
    (r"flow sequence.*expected ',' or '\]'", "the list is not closed, or a comma is missing; write [a, b]"),
    (r"flow mapping.*expected ',' or '}'", "the mapping is not closed, or a comma is missing; write {{a: 1, b: 2}}"),
    (r"quoted scalar.*unexpected", "the quote is not closed"),
    (r"unknown escape|escape sequence", "an unknown escape in double quotes; use single quotes, in which \\ stands for itself"),
    (r"found '?([]}])'?$", "{0} without its opening bracket"),
    (r"but found '([]}])'", "{0} without its opening bracket"),
    (r"expected the node content, but found ','", "a value is missing before the comma"),
    (r"flow node.*but found '<(stream|document) end>'", "a bracket is not closed"),
    (r"expected the node content", "a value is missing here"),
    (r"expected '<document start>'", "does not go with the lines above it; the lines of one level begin in the same column"),
    (r"expected <block end>, but found '<scalar>'", f"text after the end of the value; {_QUOTE}, all of it"),
    (r"expected <block end>|dedent|indentation", "wrong indentation; the lines of one level begin in the same column"),
    (r"block scalar", "text after | or > must begin on the next line"),
)

_BEYOND_UNICODE = re.compile(r"\\U(?!000|0010)[0-9A-Fa-f]{8}")
_OPENING = re.compile(r"flow (?:sequence|mapping)|quoted scalar|simple key")


def explain(error: Exception, lines: Sequence[str]) -> tuple[int, str]:
    """The line (counted from 0) to show for an error of the YAML library, and a message with the fix where it is known.

    lines: of the text that was read.
    """
    if not isinstance(error, yaml.MarkedYAMLError):
        # The library lets a ValueError through for \U escapes beyond the last character of Unicode.
        line = next((number for number, text in enumerate(lines) if _BEYOND_UNICODE.search(text)), 0)
        return line, "\\U… is no character; use single quotes, in which \\ stands for itself"
    context, problem = error.context or "", error.problem or ""
    mark = error.problem_mark
    if error.context_mark is not None and _OPENING.search(context):
        mark = error.context_mark
    line = min(mark.line if mark is not None else 0, len(lines) - 1)
    while line > 0 and not lines[line].strip():  # the end of the file, or of what stands before it
        line -= 1
    found = f"{context} {problem}"
    if problem == "mapping values are not allowed here" and mark is not None and ": " not in lines[line][: mark.column]:
        return line, "indented too far; the lines of one level begin in the same column"
    for pattern, message in _KNOWN:
        if match := re.search(pattern, found):
            return line, message.format(*match.groups())
    return line, f"not valid YAML: {found.strip()}"
