"""What the launcher of the Flex Template runs: `imagebeam label` with the template's parameters.

The launcher gives each as `--name=value`, and Beam's options beside them. It goes on when we have
left the job for it, so that is where this ends.
"""

import shlex
import sys
from collections.abc import Iterable

from imagebeam.beam_pipeline.cli import main

_OURS = ("images_per_shard", "retry_failed", "top_k")
"""The command spells these with hyphens. A parameter's name has none."""
_FLAGS = ("overwrite", "retry_failed")


def command(parameters: Iterable[str]) -> list[str]:
    """The words of the command."""
    words = ["label", "--detach"]
    for parameter in parameters:
        name, _, value = parameter.removeprefix("--").partition("=")
        option = f"--{name.replace('_', '-')}" if name in _OURS else f"--{name}"
        if name == "inputs":
            words += shlex.split(value)
        elif name == "labels":
            # The job's, which are Beam's; the command's own are names of classes.
            words.append(f"--label={value}")
        elif name in _FLAGS:
            words += [option] if value == "true" else []
        else:
            words.append(f"{option}={value}" if value else option)
    return words


if __name__ == "__main__":
    sys.exit(main.run(command(sys.argv[1:])))
