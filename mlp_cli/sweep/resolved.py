"""The resolved `sweep.yaml` of a sweep's folder: a sweep file that plans the same sweep again."""

from __future__ import annotations

from typing import Any

from mlp_cli.config.resolved import as_written, show
from mlp_cli.config.schema import Config
from mlp_cli.config.yaml_lines import read
from mlp_cli.sweep.axes import Choices, Domain
from mlp_cli.sweep.identity import without
from mlp_cli.sweep.parts import Part
from mlp_cli.sweep.plan import SweepPlan


def sweep_yaml(planned: SweepPlan) -> str:
    """The text of sweep.yaml.

    Its base has every default filled in, but for those that follow from other keys, since these may vary.
    """
    space = planned.space
    lines = [f"name: {show(planned.name)}", "base:"]
    lines += [f"  {key}: {show(as_written(value))}" for key, value in _base(planned).items()]
    swept = [setting for dimension in space.dimensions for setting in dimension.settings]
    if swept:
        lines += ["parameters:", *(f"  {show(setting.key)}: {_domain(setting.domain)}" for setting in swept)]
    zips = [list(dimension.keys) for dimension in space.dimensions if len(dimension.keys) > 1]
    if zips:
        lines.append(f"zip: {show(zips)}")
    lines += [f"seeds: {show(list(space.seeds))}", f"sampler: {_part(planned.sampler)}"]
    if planned.trials is not None:
        lines.append(f"trials: {planned.trials}")
    lines += [f"pruner: {_part(planned.pruner)}", f"metric: {planned.metric}", f"mode: {planned.mode}"]
    return "\n".join(lines) + "\n"


def _base(planned: SweepPlan) -> dict[str, Any]:
    space = planned.space
    written = without(space.fixed.values, [*space.swept, "seed", "name"])
    found: dict[str, Any] = {}
    for key, field in Config.model_fields.items():
        if key in written:
            found[key] = written[key]
        elif key not in (*space.swept, "seed", "name") and not field.is_required() and field.default_factory is None:
            found[key] = field.default
    return found


def _domain(domain: Domain) -> str:
    if not isinstance(domain, Choices):
        return show(str(domain))
    return show([read(text).values for text in domain.values])


def _part(part: Part) -> str:
    return show({"name": part.name, **part.options} if part.options else part.name)
