"""Run `imagebeam label` with the parameters of the Flex Template.

Google's launcher starts this file. It passes each parameter as `--name=value`, together with Beam's
options. It continues once this process has exited, so the command runs with `--detach`.
"""

import shlex
import sys
from collections.abc import Iterable

from imagebeam.beam_pipeline.cli import main

_HYPHENATED = ("images_per_shard", "retry_failed", "top_k")
"""Options that the command spells with hyphens. A parameter's name cannot contain one."""
_FLAGS = ("overwrite", "retry_failed")


def command(parameters: Iterable[str]) -> list[str]:
    """Return the words of the command."""
    words = ["label", "--detach"]
    for parameter in parameters:
        name, _, value = parameter.removeprefix("--").partition("=")
        option = f"--{name.replace('_', '-')}" if name in _HYPHENATED else f"--{name}"
        if name == "inputs":
            words += shlex.split(value)
        elif name == "labels":
            # Labels of the Dataflow job. The command's own --labels are class names.
            words.append(f"--label={value}")
        elif name in _FLAGS:
            words += [option] if value == "true" else []
        else:
            words.append(f"{option}={value}" if value else option)
    return words


if __name__ == "__main__":
    sys.exit(main.run(command(sys.argv[1:])))
