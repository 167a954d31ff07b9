"""The figure of what the layers do: which lines are on which panel, and what becomes of zeros and of what has no value."""

from __future__ import annotations

import pytest

from mlp_cli.plots.diagnostics import diagnostics

NAMES = ["gradient norm", "step to weights", "dead units", "mean of the outputs", "sd of the outputs", "saturated units"]


def layers(count, epochs=4, **changes):
    """Layers whose values can be told apart."""
    found = {}
    for number in range(1, count + 1):
        hidden = number < count
        column = {
            "epoch": list(range(1, epochs + 1)),
            "gradient_norm": [10.0**-number] * epochs,
            "activation_mean": [float(number)] * epochs,
            "activation_sd": [0.5] * epochs,
            "dead": [0.25 if hidden else None] * epochs,
            "saturated": [0.5 if hidden else None] * epochs,
            "update_ratio": [1e-2 / number] * epochs,
        }
        found[f"dense_{number}"] = column | {name: [value] * epochs for name, value in changes.items()}
    return found


def panels(figure):
    """The axes by the first words of their headings."""
    titles = {axes.get_title(loc="left"): axes for axes in figure.axes}
    return {name: next(axes for title, axes in titles.items() if title.startswith(name)) for name in NAMES}


def heights(axes):
    """The values of each layer's line; of lines across the panel there is one point at each end."""
    return [[round(float(y), 9) for y in line.get_ydata()] for line in axes.get_lines() if len(line.get_xdata()) > 2]


def test_a_line_a_layer(inside):
    figure = diagnostics(layers(3), "a run")
    found = panels(figure)
    assert heights(found["gradient norm"]) == [[0.1] * 4, [0.01] * 4, [0.001] * 4]
    assert heights(found["mean of the outputs"]) == [[1.0] * 4, [2.0] * 4, [3.0] * 4]
    assert heights(found["dead units"])[:2] == [[25.0] * 4] * 2 and heights(found["saturated units"])[:2] == [[50.0] * 4] * 2
    assert [axes.get_yscale() for axes in found.values()] == ["log", "log", *["linear"] * 4]
    assert found["dead units"].get_ylim() == (-3, 103)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["dense_1", "dense_2", "dense_3"]
    assert len({line.get_color() if isinstance(line.get_color(), str) else tuple(line.get_color())
                for line in found["gradient norm"].get_lines()}) == 3  # fmt: skip
    assert figure.texts[0].get_text() == "a run" and inside(figure)


def test_zeros_are_below_all_else_and_said():
    found = layers(2)
    found["dense_1"]["gradient_norm"][2:] = [0.0, 0.0]
    axes = panels(diagnostics(found))["gradient norm"]
    assert "the lowest are 0" in axes.get_title(loc="left")
    assert heights(axes)[0] == [0.1, 0.1, 0.001, 0.001]


@pytest.mark.parametrize("value", [None, 0.0, 1e-300, 1e30])
def test_whatever_the_values_are(value, inside):
    changes = dict.fromkeys(("gradient_norm", "activation_mean", "activation_sd", "dead", "saturated", "update_ratio"), value)
    assert inside(diagnostics(layers(2, epochs=1, **changes)))


def test_many_layers(inside):
    figure = diagnostics(layers(40, epochs=100))
    named = [text.get_text() for text in figure.legends[0].get_texts()]
    assert (len(named), named[0], named[-1]) == (6, "dense_1", "dense_40") and inside(figure)
