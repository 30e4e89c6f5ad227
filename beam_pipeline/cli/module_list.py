"""list the published modules that can be fetched by name.

  imagebeam module list

These are the MobileNet V1 models with simulated quantisation, trained on ImageNet with 1,001
classes. Wider and larger ones are more accurate and slower. Each name can be given wherever a
HANDLE is expected.
"""

import argparse
import json

from imagebeam.modules.handles.cache import Cache

_ROW = "{:<20}  {:>5}  {:>10}  {:>6}  {:>6}  {:>5}  {:>5}  {}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    from imagebeam.modules.handles.catalogue import catalogue, default_module, is_cached

    entries, cache = list(catalogue().values()), Cache()
    if args.json:
        values = [
            {
                "name": entry.name,
                "input_size": entry.size,
                "parameters": entry.parameters,
                "macs": entry.macs,
                "top_1": entry.top_1,
                "top_5": entry.top_5,
                "fetched": is_cached(entry, cache),
                "default": entry.name == default_module(),
            }
            for entry in entries
        ]
        print(json.dumps(values, indent=2))
        return 0
    print(_ROW.format("name", "input", "parameters", "M MACs", "size", "top-1", "top-5", ""))
    for entry in entries:
        remarks = ["fetched"] if is_cached(entry, cache) else []
        remarks += ["default"] if entry.name == default_module() else []
        row = _ROW.format(
            entry.name,
            entry.size,
            f"{entry.parameters:,}",
            f"{entry.macs / 1e6:,.0f}",
            f"{entry.parameters / 1e6:.1f} MB",
            f"{entry.top_1:.1f}",
            f"{entry.top_5:.1f}",
            ", ".join(remarks),
        )
        print(row.rstrip())
    print(
        "\ninput: side in pixels; M MACs: million multiply-accumulates per image; size: of the "
        "flatbuffer;\ntop-1, top-5: published accuracy on ImageNet in percent. "
        "Fetch one with: imagebeam module get NAME"
    )
    return 0
