"""The keys of the config whose value is a component."""

from typing import Any, get_args

from mlp_cli.config import Config
from mlp_cli.config.components import Choice


def choice_of(key: str) -> Choice | None:
    """The mark of a key's component, or of one for each layer; None for other keys, and for the steps of `augment`."""
    return None if key == "augment" else found_in(Config.model_fields[key].rebuild_annotation())


def found_in(annotation: Any) -> Choice | None:
    """The first mark of a component inside an annotation."""
    if isinstance(annotation, Choice):
        return annotation
    return next((found for part in get_args(annotation) if (found := found_in(part))), None)
