"""show a module: input, classes, signatures, size, digest.

  imagebeam module show module/

The digest is the same for every copy of the module. Write HANDLE@DIGEST anywhere a handle is
expected to pin the module to its digest.
"""

import argparse
import json
from typing import Any

from imagebeam.beam_pipeline.cli.command_parser import CommandParser
from imagebeam.beam_pipeline.options.declaration import add_options
from imagebeam.escape_control_chars import escape_control_chars

_NAME_WIDTH = 12


def add_arguments(parser: CommandParser) -> None:
    from imagebeam.beam_pipeline.options.module_arguments import EngineArguments, add_handle

    add_handle(parser)
    add_options(parser, EngineArguments)
    parser.add_argument("--json", action="store_true", help="print JSON, with every class name")


def run(args: argparse.Namespace) -> int:
    from imagebeam.beam_pipeline.options.module_arguments import parsed_module_options
    from imagebeam.modules.inspection import facts_of
    from imagebeam.modules.open_module import open_module

    stated = parsed_module_options(args)
    facts = facts_of(open_module(args.handle, args.engine, options=stated))
    if args.json:
        print(json.dumps(facts, indent=2))
    else:
        _print(facts)
    return 0


def _print(facts: dict[str, Any]) -> None:
    from rich.text import Text

    from imagebeam.beam_pipeline.reporting.terminal import SafeConsole

    # Lines are not wrapped: users copy digests and paths.
    out = SafeConsole(soft_wrap=True)
    for name, value in _rows(facts):
        text = escape_control_chars(value)
        out.print(Text.assemble((f"{name:<{_NAME_WIDTH}}", "bold"), text))


def _rows(facts: dict[str, Any]) -> list[tuple[str, str]]:
    height, width = facts["image_size"]
    rows = [
        ("module", facts["handle"]),
        ("digest", facts["digest"]),
        ("format", f"{facts['format']}, {_megabytes(facts['bytes'])}"),
        ("engine", f"{facts['engine']}: {facts['engine_reason']}"),
        ("input", f"{facts['channels'].upper()}, {height} × {width}; {_ranges(facts)}"),
        ("outputs", ", ".join(facts["heads"])),
    ]
    if facts["class_count"] is not None:
        rows.append(("classes", _classes(facts)))
    if facts["feature_length"] is not None:
        rows.append(("features", f"{facts['feature_length']:,} numbers"))
    rows += [("warning", note) for note in facts["notes"]]
    rows.append(("quantised", "yes, quantops" if facts["quantops"] else "no"))
    rows += _network_rows(facts)
    rows += [
        ("" if index else "provenance", f"{key}: {_inline(value)}")
        for index, (key, value) in enumerate(sorted(facts["provenance"].items()))
    ]
    rows += _tensor_rows(facts["flatbuffer"])
    rows += _signature_rows(facts["signatures"])
    return rows


def _ranges(facts: dict[str, Any]) -> str:
    ranges = facts["channel_ranges"] or [facts["value_range"]]
    shown = "; ".join(f"{low:.4g} to {high:.4g}" for low, high in ranges)
    origin = "" if facts["range_origin"] == "stated" else f" ({facts['range_origin']})"
    return f"pixels 0–255 become {shown}{origin}"


def _classes(facts: dict[str, Any]) -> str:
    count, names = facts["class_count"], facts["class_names"]
    if names is None:
        return f"{count:,}, without names"
    first = "; ".join(names[:4])
    origin = " (the names of ImageNet, assumed)" if facts["class_names_assumed"] else ""
    return f"{count:,}: {first}{'; …' if count > 4 else ''}{origin}"


def _network_rows(facts: dict[str, Any]) -> list[tuple[str, str]]:
    compiled = facts["flatbuffer"] or {}
    parameters = facts["parameters"] or compiled.get("parameters")
    macs = facts["macs"] or compiled.get("macs")
    rows = [("network", _inline(facts["network"]))] if facts["network"] else []
    if parameters:
        rows.append(("parameters", f"{parameters:,}"))
    if macs:
        rows.append(("MACs", f"{macs:,} per image"))
    return rows


def _tensor_rows(flatbuffer: dict[str, Any] | None) -> list[tuple[str, str]]:
    if flatbuffer is None:
        return []
    tensors = {"input": flatbuffer["input"], **flatbuffer["outputs"]}
    return [
        ("flatbuffer", f"{_megabytes(flatbuffer['bytes'])}, {_inline(flatbuffer['dtypes'])}"),
        *((f"  {name}", _tensor(tensor)) for name, tensor in tensors.items()),
    ]


def _tensor(tensor: dict[str, Any]) -> str:
    shape = ", ".join("?" if length is None else str(length) for length in tensor["shape"])
    if tensor["scale"] is None:
        return f"{tensor['dtype']} [{shape}]"
    return (
        f"{tensor['dtype']} [{shape}], scale {tensor['scale']:.6g}, "
        f"zero point {tensor['zero_point']}"
    )


def _signature_rows(signatures: dict[str, Any] | None) -> list[tuple[str, str]]:
    rows = []
    for name, signature in (signatures or {}).items():
        rows.append(("signature", name))
        rows += [("  takes", f"{key}: {each}") for key, each in signature["inputs"].items()]
        outputs = list(signature["outputs"].items())
        outputs.sort(key=lambda item: item[0] != "default")
        rows += [("  gives", f"{key}: {each}") for key, each in outputs[:3]]
        if len(outputs) > 3:
            rows.append(("", f"and {len(outputs) - 3} more"))
    return rows


def _inline(values: Any) -> str:
    if isinstance(values, dict):
        return ", ".join(f"{key} {_inline(value)}" for key, value in values.items())
    return str(values)


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.2f} MB"
