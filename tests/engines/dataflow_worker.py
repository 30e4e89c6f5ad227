"""Run a staged pipeline in an environment that contains its staged packages and Beam.

It is started as a file: nothing of the checkout can be imported here.
"""

import sys
from pathlib import Path

from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms.environments import EmbeddedPythonEnvironment


def main(staged: Path) -> None:
    """Run the pipeline unchanged, except that this process replaces the containers."""
    pipeline = beam_runner_api_pb2.Pipeline.FromString(staged.read_bytes())
    here = EmbeddedPythonEnvironment.default().to_runner_api(None)
    for environment in pipeline.components.environments.values():
        environment.CopyFrom(here)
    options = PipelineOptions(direct_num_workers=1)
    FnApiRunner().run_via_runner_api(pipeline, options).wait_until_finish()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
