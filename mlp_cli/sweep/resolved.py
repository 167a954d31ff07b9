"""The resolved `sweep.yaml` of a sweep's folder: a sweep file that plans the same sweep again."""

from __future__ import annotations

from typing import Any

from mlp_cli.config.components import FromOthers
from mlp_cli.config.reading import read
from mlp_cli.config.schema import Config
from mlp_cli.config.writing import flow, scalar_text
from mlp_cli.sweep.axes import Choices, Domain
from mlp_cli.sweep.identity import without
from mlp_cli.sweep.parts import Part
from mlp_cli.sweep.plan import SweepPlan


def sweep_yaml(planned: SweepPlan) -> str:
    """The text of sweep.yaml.

    Its base has every default filled in, but for those that follow from other keys, since these may vary.
    """
    space = planned.space
    lines = [f"name: {flow(planned.name)}", "base:"]
    lines += [f"  {key}: {flow(value)}" for key, value in _base(planned).items()]
    swept = [setting for dimension in space.dimensions for setting in dimension.settings]
    if swept:
        lines += ["parameters:", *(f"  {flow(setting.key)}: {_domain(setting.domain)}" for setting in swept)]
    zips = [list(dimension.keys) for dimension in space.dimensions if len(dimension.keys) > 1]
    if zips:
        lines.append(f"zip: {flow(zips)}")
    lines += [f"seeds: {flow(list(space.seeds))}", f"sampler: {_part(planned.sampler)}"]
    if planned.trials is not None:
        lines.append(f"trials: {planned.trials}")
    lines += [f"pruner: {_part(planned.pruner)}", f"metric: {planned.metric}", f"mode: {planned.mode}"]
    return "\n".join(lines) + "\n"


def _base(planned: SweepPlan) -> dict[str, Any]:
    space = planned.space
    written = without(space.fixed.root, [*space.swept, "seed", "name"]).plain()
    found: dict[str, Any] = {}
    for key, field in Config.model_fields.items():
        if key in written:
            found[key] = written[key]
        elif key not in (*space.swept, "seed", "name") and not field.is_required() and field.default is not FromOthers:
            found[key] = field.default
    return found


def _domain(domain: Domain) -> str:
    if not isinstance(domain, Choices):
        return scalar_text(str(domain))
    nodes = [read(text).root for text in domain.values]
    return flow([None if node is None else node.plain() for node in nodes])


def _part(part: Part) -> str:
    return flow({"name": part.name, **part.options} if part.options else part.name)
