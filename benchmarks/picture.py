"""A picture of rates that reads on light and dark pages."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.results import Result

_OURS, _OTHERS = "#0b7285", "#868e96"


def draw(results: Sequence[Result], output: Path) -> None:
    """Draw the results as SVG, one bar per contender and number of cores."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    several = len({each.cores for each in results}) > 1
    shown = [each for each in results if each.absent is None][::-1]
    with pyplot.rc_context({"text.color": _OTHERS, "svg.fonttype": "none"}):
        figure, axes = pyplot.subplots(figsize=(7, 0.5 * len(shown) + 0.6))
        colours = [_OURS if "imagebeam" in each.name else _OTHERS for each in shown]
        rates = [each.rate for each in shown]
        names = [f"{each.name}, cores: {each.cores}" if several else each.name for each in shown]
        bars = axes.barh(names, rates, color=colours)
        axes.bar_label(bars, [f"{rate:,.0f}" for rate in rates], padding=4)
        photos = "" if several else f"{results[0].images:,} photos, "
        axes.set_title(f"images per second, {photos}start-up included", fontsize=10)
        axes.tick_params(colors=_OTHERS, left=False)
        axes.xaxis.set_visible(False)
        axes.spines[:].set_visible(False)
        figure.savefig(output, transparent=True, bbox_inches="tight", metadata={"Date": None})
        pyplot.close(figure)
