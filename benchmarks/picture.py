"""A picture of rates that reads on light and dark pages."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.results import Result

_OURS, _OTHERS = "#0b7285", "#868e96"


def draw(results: Sequence[Result], output: Path) -> None:
    """Draw the results as SVG, one bar per contender."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    shown = [each for each in results if each.absent is None][::-1]
    with pyplot.rc_context({"text.color": _OTHERS, "svg.fonttype": "none"}):
        figure, axes = pyplot.subplots(figsize=(7, 0.5 * len(shown) + 0.6))
        colours = [_OURS if "imagebeam" in each.name else _OTHERS for each in shown]
        rates = [each.rate for each in shown]
        bars = axes.barh([each.name for each in shown], rates, color=colours)
        axes.bar_label(bars, [f"{rate:,.0f}" for rate in rates], padding=4)
        axes.set_title(
            f"images per second, {results[0].images:,} photos, start-up included", fontsize=10
        )
        axes.tick_params(colors=_OTHERS, left=False)
        axes.xaxis.set_visible(False)
        axes.spines[:].set_visible(False)
        figure.savefig(output, transparent=True, bbox_inches="tight", metadata={"Date": None})
        pyplot.close(figure)
