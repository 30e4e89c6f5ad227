"""Pictures of rates and shares that read on light and dark pages."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from benchmarks.results import Result

_OURS, _OTHERS = "#0b7285", "#868e96"


def draw(results: Sequence[Result], photos: int, output: Path) -> None:
    """Draw the results as SVG, one bar a contender."""
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
        axes.set_title(f"images per second, {photos:,} photos, start-up included", fontsize=10)
        axes.tick_params(colors=_OTHERS, left=False)
        axes.xaxis.set_visible(False)
        axes.spines[:].set_visible(False)
        figure.savefig(output, transparent=True, bbox_inches="tight", metadata={"Date": None})
        pyplot.close(figure)


class Share(Protocol):
    """A contender's share of the bare loop on some cores; see `benchmarks.scaling.Point`."""

    @property
    def name(self) -> str:
        """The name of the contender."""
        ...

    @property
    def cores(self) -> int:
        """The number of cores."""
        ...

    @property
    def rate(self) -> float:
        """Images per second."""
        ...


def draw_shares(points: Sequence[Share], output: Path) -> None:
    """Draw images per second over the number of cores as SVG, one line per contender."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    with pyplot.rc_context({"text.color": _OTHERS, "svg.fonttype": "none"}):
        figure, axes = pyplot.subplots(figsize=(7, 3.2))
        for name in dict.fromkeys(each.name for each in points):
            line = [(each.cores, each.rate) for each in points if each.name == name]
            colour = _OURS if "imagebeam" in name else _OTHERS
            axes.plot(*zip(*line, strict=True), marker="o", color=colour, label=name)
        counts = sorted({each.cores for each in points})
        axes.set_xscale("log", base=2)
        axes.set_yscale("log", base=2)
        axes.set_xticks(counts, [str(count) for count in counts])
        rates = [each.rate for each in points if each.name == points[0].name]
        axes.set_yticks(rates, [f"{rate:,.0f}" for rate in rates])
        axes.minorticks_off()
        axes.set_title("images per second by cores, start-up included", fontsize=10)
        axes.tick_params(colors=_OTHERS)
        axes.spines[:].set_color(_OTHERS)
        axes.legend(frameon=False)
        figure.savefig(output, transparent=True, bbox_inches="tight", metadata={"Date": None})
        pyplot.close(figure)
