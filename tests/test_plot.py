"""Pictures: what is drawn is what the record says, and nothing is left behind."""

import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch

from reluctant import diagnose, plot
from reluctant.activations import CATALOGUE
from reluctant.errors import UnknownActivation, WrongArgument
from reluctant.plot.units import MOST_LINES
from reluctant.record.histogram import EDGES
from reluctant.record.run import Function, Run, Site
from reluctant.report.pictures import Picture
from reluctant.report.strokes import strokes
from tests.diagnosis.test_properties import runs as any_runs
from tests.diagnosis.test_rules import FLAT, dying
from tests.diagnosis.test_treated import done, treated
from tests.records import INPUTS, Memory, a_run, site_series

OF_A_RUN: dict[str, Callable[..., Axes]] = {
    "units": plot.units,
    "gradient_flow": plot.gradient_flow,
    "gradient_flow of weights": lambda run, **more: plot.gradient_flow(run, of="weights", **more),
    "activations": plot.activations,
    "loss": plot.loss,
    "update_ratios": plot.update_ratios,
    "dead_units": plot.dead_units,
    "inputs": lambda run, **more: plot.inputs(run, "layer1", **more),
}
DRAWS = pytest.mark.parametrize("draw", OF_A_RUN.values(), ids=OF_A_RUN)


CURVE = (tuple(np.linspace(-6, 6, 121)), tuple(np.maximum(np.linspace(-6, 6, 121), 0)))


def with_curves(run: Run) -> Run:
    return replace(run, functions=tuple(replace(at, curve=CURVE) for at in run.functions))


def sick() -> Run:
    sites = {1: dying(8, 19, 4.0), 2: dying(3, 5, 4.0)}
    return with_curves(a_run(sites=sites, losses=FLAT))


def a_call(run: Run, series: Any, layer: int | None = None) -> Run:
    """The run with another activation, of as many units as its series has."""
    index, units = len(run.sites), series.fired.shape[1]
    memory = run.series
    assert isinstance(memory, Memory)
    memory.sites[index] = series
    site = Site(index, f"more:{index}", 0, layer, units, index, "Net")
    return replace(run, sites=(*run.sites, site))


def shown(axes: Axes) -> bytes:
    content = BytesIO()
    figure = axes.figure
    assert isinstance(figure, Figure)
    figure.savefig(content, format="svg")
    return content.getvalue()


def lines(axes: Axes) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Points by label."""
    return {
        str(line.get_label()): (np.asarray(line.get_xdata()), np.asarray(line.get_ydata()))
        for line in axes.get_lines()
    }


# -- what holds of all --------------------------------------------------------------------------


@DRAWS
def test_a_picture_says_what_it_shows(draw: Callable[..., Axes]) -> None:
    axes = draw(sick())
    assert isinstance(axes, Picture)
    assert axes.get_xlabel()
    assert axes.get_ylabel() or axes.get_legend() is not None
    assert axes.alt.endswith(".")
    assert b"<svg" in shown(axes)


@DRAWS
def test_it_is_drawn_where_one_wants_it(draw: Callable[..., Axes]) -> None:
    figure = Figure()
    first, second = figure.subplots(1, 2)
    assert draw(sick(), ax=second) is second
    assert not first.has_data()
    assert second.has_data()
    shown(second)


@DRAWS
def test_two_pictures_are_the_same(draw: Callable[..., Axes]) -> None:
    import matplotlib

    with matplotlib.rc_context({"svg.hashsalt": "the same"}):
        dated = [shown(draw(sick())) for _ in range(2)]
    one, two = (content.split(b"</metadata>")[1] for content in dated)
    assert one == two


def test_neither_torch_nor_pyplot_is_needed(tmp_path: Any) -> None:
    from tests.record.observations import written

    path = written(tmp_path, 4)
    code = f"""
import sys, reluctant
from reluctant import plot
run = reluctant.load({str(path)!r})
for draw in (plot.units, plot.loss, plot.activations, plot.update_ratios, plot.dead_units):
    assert draw(run).has_data()
assert plot.gradient_flow(run, of="weights").has_data()
assert not {{"torch", "matplotlib.pyplot"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


def test_without_matplotlib_it_says_so() -> None:
    code = """
import sys
sys.modules["matplotlib"] = None
import reluctant
from reluctant.errors import NotInstalled
try:
    reluctant.plot
except NotInstalled as error:
    assert "pip install 'reluctant[plot]'" in str(error), error
else:
    raise SystemExit("it drew")
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


@settings(max_examples=10)
@given(any_runs())
def test_any_run_is_drawn_or_refused(run: Run) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, draw in OF_A_RUN.items():
            if name == "inputs" and len(run.sites) < 2:
                continue
            try:
                axes = draw(with_curves(run))
            except WrongArgument:
                assert name == "loss"
                assert not np.isfinite(run.losses).any()
            else:
                assert axes.has_data()


@DRAWS
def test_a_run_of_which_nothing_was_seen(draw: Callable[..., Axes]) -> None:
    empty = replace(a_run(), samples=(), sites=(), layers=())
    with pytest.raises(WrongArgument):
        draw(empty)


def test_a_run_without_activations() -> None:
    run = replace(a_run(), sites=())
    for name, draw in OF_A_RUN.items():
        if name in ("loss", "update_ratios", "gradient_flow of weights"):
            assert draw(run).has_data()
        else:
            with pytest.raises(WrongArgument, match="No activation function was seen"):
                draw(run)


@pytest.mark.parametrize(
    "draw",
    [
        lambda run: plot.units(run, "layer9"),
        lambda run: plot.dead_units(run, ["layer0", "layer9"]),
        lambda run: plot.update_ratios(run, "layer9"),
        lambda run: plot.inputs(run, "layer9"),
    ],
)
def test_a_layer_that_is_not_there(draw: Callable[[Run], Axes]) -> None:
    with pytest.raises(WrongArgument, match=r"no layer 'layer9'.*layer0, layer1"):
        draw(a_run())


def test_lines_differ_in_more_than_their_colour() -> None:
    looks = [(at.linestyle, at.marker) for at in strokes(8)]
    assert len(set(looks)) == 8
    assert len({at.color for at in strokes(7)}) == 7


# -- units --------------------------------------------------------------------------------------


def dead_cells(axes: Axes, samples: int, lines: int) -> np.ndarray:
    """(lines, samples) of the one layer that is drawn: what lies under the hatching."""
    covered = np.zeros((lines, samples), dtype=bool)
    for part in axes.collections:
        assert isinstance(part, PolyCollection)
        assert part.get_hatch() == "////"
        for path in part.get_paths():
            (left, top), (right, bottom) = path.vertices.min(axis=0), path.vertices.max(axis=0)
            rows = slice(round(top * lines), round(bottom * lines))
            covered[rows, round(left) : round(right)] = True
    return covered


def test_the_map_shows_each_unit_once_and_the_dead_where_the_record_says() -> None:
    run = sick()
    axes = plot.units(run, "layer1")
    (image,) = axes.images
    rates = np.asarray(image.get_array())
    fired = np.asarray(run.series.site(1).fired) / INPUTS
    assert sorted(map(tuple, rates)) == pytest.approx(np.array(sorted(map(tuple, fired.T))))
    cells = dead_cells(axes, len(run.samples), 20)
    (finding,) = (at for at in diagnose(run).findings if at.layer == "layer1")
    assert finding.units is not None
    assert cells[:, -1].sum() == finding.units.count == 19
    assert not cells[0].any(), "who lives comes first"
    assert (rates[cells] == 0).all()
    assert (cells.sum(axis=1)[1:] == len(run.samples) - 8).all(), "since sample 8"


def test_the_dead_are_sorted_by_when_they_died() -> None:
    fired = np.where(np.arange(20)[:, None] < np.arange(6, 14), INPUTS // 2, 0)
    run = a_call(a_run(), site_series(20, 8, fired=fired))
    cells = dead_cells(plot.units(run, "more:4"), 20, 8)
    assert cells.sum(axis=1).tolist() == [7, 8, 9, 10, 11, 12, 13, 14]


def test_of_many_units_each_line_is_the_mean_of_some() -> None:
    units = 3 * MOST_LINES - 5
    fired = np.arange(units)[None, :].repeat(20, 0) % (INPUTS + 1)
    run = a_call(a_run(), site_series(20, units, fired=fired))
    axes = plot.units(run, "more:4")
    rates = np.asarray(axes.images[0].get_array())
    assert len(rates) == -(-units // 3) <= MOST_LINES
    weights = np.full(len(rates), 3)
    weights[-1] = units - 3 * (len(rates) - 1)
    assert np.average(rates[:, 0], weights=weights) == pytest.approx(fired[0].mean() / INPUTS)
    assert (np.diff(rates[:, 0]) <= 1e-6).all()
    assert "the mean of up to 3 units" in axes.get_ylabel()


def test_what_a_sample_did_not_see_is_left_blank() -> None:
    series = site_series(4, 3)
    run = a_call(a_run(), replace(series, samples=np.array([0, 3, 8, 19])))
    rates = np.asarray(plot.units(run, "more:4").images[0].get_array(), dtype=float)
    assert np.flatnonzero(np.isfinite(rates[0])).tolist() == [0, 3, 8, 19]


def test_layers_lie_below_one_another() -> None:
    axes = plot.units(a_run(depth=3))
    extents = [tuple(image.get_extent()) for image in axes.images]
    assert extents == [(0, 20, place + 1, place) for place in range(3)]
    assert [at.get_text() for at in axes.get_yticklabels()] == ["layer0", "layer1", "layer2"]
    assert axes.get_ylim() == (3, 0)


def test_two_functions_on_one_layer_are_two() -> None:
    run = a_run(depth=2)
    other = Function(1, "tanh", flat=((4.0, float("inf")),))
    run = a_call(replace(run, functions=(*run.functions, other)), site_series(20, 20), layer=0)
    sites = (*run.sites[:-1], replace(run.sites[-1], function=1))
    axes = plot.units(replace(run, sites=sites))
    assert [at.get_text() for at in axes.get_yticklabels()] == ["layer0:relu", "layer1", "more:2"]


def test_units_that_a_remedy_revived_are_dead_until_then() -> None:
    run = treated(done(200), done(300, False, 1))
    axes = plot.units(run, "layer1")
    cells = dead_cells(axes, 40, 20)
    assert cells[:, :20].all()
    assert not cells[:, 20:].any()
    assert [at.get_text() for at in axes.texts] == ["rescale", "rescale"]
    ((_, share),) = (
        line for name, line in lines(plot.dead_units(run, "layer1")).items() if name == "layer1"
    )
    assert share.tolist() == [100.0] * 20 + [0.0] * 20


# -- over the steps -----------------------------------------------------------------------------


def test_the_share_of_dead_units() -> None:
    drawn = lines(plot.dead_units(sick()))
    assert drawn["layer1"][1].tolist() == [0.0] * 8 + [95.0] * 12
    assert drawn["layer2"][1].tolist() == [0.0] * 3 + [25.0] * 17
    assert drawn["layer0"][1].tolist() == [0.0] * 20


def test_the_loss_is_drawn_as_it_was_seen() -> None:
    run = a_run(steps=range(5), losses=[100.0, None, float("nan"), 2.0, 1.0])
    axes = plot.loss(run)
    drawn = lines(axes)
    assert drawn["loss"][0].tolist() == [0, 3, 4]
    assert drawn["loss"][1].tolist() == [100.0, 2.0, 1.0]
    assert drawn["not finite"][0].tolist() == [2]
    assert axes.get_yscale() == "log"
    assert plot.loss(a_run()).get_yscale() == "linear"


def test_findings_and_remedies_are_marked_at_their_steps() -> None:
    run = replace(sick(), interventions=(done(50, None),))
    drawn = lines(plot.loss(run))
    first = min(at.first_step or 0 for at in diagnose(run).findings if at.layer == "layer1")
    assert drawn[f"1  error: dead-units, step {first}"][0].tolist() == [first, first]
    assert drawn["2  rescale, step 50"][0].tolist() == [50, 50]
    assert len(plot.loss(run, findings=False).texts) == 1


def test_in_a_treated_run_steps_are_those_of_the_run() -> None:
    run = treated(done(200))
    sites = {1: {"fired": np.where(np.arange(40) < 30, INPUTS // 2, 0)[:, None]}}
    late = a_run(steps=[at.step for at in run.samples], sites=sites, losses=[2.3] * 40)
    found = lines(plot.loss(replace(late, interventions=run.interventions)))
    assert "2  rescale (kept), step 200" in found or "1  rescale (kept), step 200" in found
    (name,) = (name for name in found if "dead-units" in name)
    assert name.endswith("step 300")


def test_update_ratios_are_medians_and_a_zero_is_a_cross() -> None:
    rows = {0: {"update": np.where(np.arange(20) < 15, 2e-3, 0.0)[:, None]}}
    axes = plot.update_ratios(a_run(rows=rows))
    drawn = lines(axes)
    assert drawn["layer0"][1][:15] == pytest.approx(2e-3)
    assert np.isnan(drawn["layer0"][1][15:]).all()
    crosses = [line for line in axes.get_lines() if line.get_marker() == "x"]
    assert sorted(np.concatenate([line.get_xdata() for line in crosses])) == [
        150,
        160,
        170,
        180,
        190,
    ]
    assert "zero" in drawn


def test_of_many_layers_some_are_drawn_and_how_many_is_said() -> None:
    axes = plot.update_ratios(a_run(depth=30))
    legend = axes.get_legend()
    assert legend is not None
    assert legend.get_title().get_text() == "8 of 31 layers"
    assert {"layer0", "out"} <= set(lines(axes))
    few = plot.update_ratios(a_run(depth=30), ["layer3", "layer7"])
    assert {"layer3", "layer7"} == {name for name in lines(few) if name.startswith("layer")}


# -- through depth ------------------------------------------------------------------------------


def test_gradient_flow_is_the_root_mean_square_over_units() -> None:
    gradients = np.arange(1.0, 21.0)[None, :] * np.ones((20, 1))
    run = a_run(sites={2: {"gradient_out": gradients}, 3: {"gradient_out": 0.0}})
    drawn = lines(plot.gradient_flow(run, steps=[0, 101]))
    assert set(drawn) >= {"step 0", "step 100", "zero"}
    expected = [1e-3, 1e-3, np.sqrt(np.mean(gradients[0] ** 2)), np.nan]
    assert drawn["step 0"][1] == pytest.approx(expected, nan_ok=True)


def test_gradient_flow_of_weights_is_that_of_all_their_numbers() -> None:
    run = a_run(rows={0: {"gradient": np.arange(20.0)[None, :]}})
    layers = tuple(replace(at, shape=(20, 5, 3, 3)) for at in run.layers)
    _, values = lines(plot.gradient_flow(replace(run, layers=layers), [0], of="weights"))["step 0"]
    assert values[0] == pytest.approx(np.sqrt(np.sum(np.arange(20.0) ** 2) / (20 * 45)))


def test_gradient_flow_of_something_else() -> None:
    with pytest.raises(WrongArgument, match="outputs"):
        plot.gradient_flow(a_run(), of="inputs")


def test_mean_and_spread_are_those_of_all_units_together() -> None:
    means = np.array([[-2.0] * 10 + [4.0] * 10])
    run = a_run(sites={1: {"mean": means, "std": 2.0}})
    axes = plot.activations(run, [0])
    (bars,) = axes.containers
    assert bars.lines[0].get_ydata()[1] == pytest.approx(1.0)  # type: ignore[union-attr]
    low, high = bars.lines[2][0].get_segments()[1][:, 1]  # type: ignore[union-attr, index]
    assert (high - low) / 2 == pytest.approx(np.sqrt(4.0 + 9.0))


# -- functions ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_function_of_the_catalogue(name: str) -> None:
    drawn = lines(plot.function(name))
    assert drawn["f(z)"][1].tolist() == list(CATALOGUE[name].curve()[1])
    assert drawn["f′(z)"][1].tolist() == list(CATALOGUE[name].slope_curve()[1])


def test_a_function_that_a_run_met() -> None:
    grid = tuple(np.linspace(-6, 6, 121))
    of = Function(0, "leaky_relu", {"slope": 0.2}, curve=(grid, tuple(np.square(grid))))
    axes = plot.function(of)
    assert axes.get_title() == "leaky_relu(0.2)"
    assert lines(axes)["f′(z)"][1][1:-1] == pytest.approx(2 * np.array(grid)[1:-1])


def test_what_is_no_function_of_one_number() -> None:
    with pytest.raises(UnknownActivation, match="selu"):
        plot.function("sellu")
    with pytest.raises(WrongArgument, match="no function of one number"):
        plot.function("glu")
    with pytest.raises(WrongArgument, match="no curve"):
        plot.function(Function(0, "odd"))


HINGE = replace(Function(0, "relu"), curve=((-6.0, 0.0, 6.0), (0.0, 0.0, 6.0)))


def test_what_a_layer_is_fed() -> None:
    run = replace(a_run(sites={1: {"mean": 1.0, "std": 0.5}}), functions=(HINGE,))
    axes = plot.inputs(run, "layer1")
    assert axes.get_title() == "layer1: relu"
    assert isinstance(axes.figure, Figure)
    filled, outline = axes.figure.axes[1].patches
    assert isinstance(filled, StepPatch)
    assert isinstance(outline, StepPatch)
    heights, edges, _ = filled.get_data()
    counts = run.series.histogram(1).counts[16:].sum(axis=0)
    held = [counts[(low <= EDGES[:-1]) & (EDGES[1:] <= high)].sum() / counts.sum()
            for low, high in pairwise(edges)]  # fmt: skip
    assert heights * np.diff(edges) == pytest.approx(held)
    assert sum(held) == pytest.approx(1)
    far = replace(a_run(sites={1: {"mean": -9.0, "std": 1.0}}), functions=(HINGE,))
    assert "100 % of the inputs lie beyond" in plot.inputs(far, "layer1").get_xlabel()


def test_what_a_layer_was_fed_and_nobody_counted() -> None:
    run = replace(a_run(), functions=(HINGE,))
    assert isinstance(run.series, Memory)
    run.series.counted = False
    axes = plot.inputs(run, "layer1")
    assert axes.get_xlabel() == "z (no histogram of it was recorded)"
    assert isinstance(axes, Picture)
    assert axes.alt.endswith("no histogram of them was recorded.")
    assert isinstance(axes.figure, Figure)
    assert len(axes.figure.axes) == 1


# -- notebooks ----------------------------------------------------------------------------------


def test_a_notebook_shows_it_with_a_word_for_whoever_cannot_see_it() -> None:
    run = sick()
    layers = (replace(run.layers[0], name='<"&>'), *run.layers[1:])
    html = plot.dead_units(replace(run, layers=layers))._repr_html_()  # type: ignore[attr-defined]
    assert 'src="data:image/png;base64,iVBOR' in html
    assert "layer1 95 %" in html
    assert "&lt;&quot;&amp;&gt;" in html
    assert html.count("<") == html.count(">") == 1
