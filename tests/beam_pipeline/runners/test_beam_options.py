"""Beam's options through our class: read once, and in all else Beam's own."""

import copy
import pickle

from apache_beam.options.pipeline_options import (
    DebugOptions,
    DirectOptions,
    GoogleCloudOptions,
    PipelineOptions,
)

from imagebeam.beam_pipeline.runners.beam_options import BeamOptions

_ARGUMENTS = ["--direct_num_workers=3", "--experiments=one"]


def test_all_views_share_their_values() -> None:
    options = BeamOptions(_ARGUMENTS)
    assert options.view_as(DirectOptions).direct_num_workers == 3
    options.view_as(DirectOptions).direct_num_workers = 5
    assert options.view_as(DirectOptions).direct_num_workers == 5
    assert options.view_as(DirectOptions) is options.view_as(DirectOptions)
    options.view_as(DebugOptions).add_experiment("two")
    assert options.view_as(DebugOptions).experiments == ["one", "two"]
    assert options.get_all_options() == {
        **PipelineOptions(_ARGUMENTS).get_all_options(),
        "direct_num_workers": 5,
        "experiments": ["one", "two"],
    }


def test_a_copy_has_values_of_its_own() -> None:
    options = BeamOptions([*_ARGUMENTS, "--impersonate_service_account=somebody"])
    for copied in (copy.deepcopy(options), pickle.loads(pickle.dumps(options))):
        copied.view_as(DirectOptions).direct_num_workers = 7
        assert copied.view_as(DirectOptions).direct_num_workers == 7
        assert options.view_as(DirectOptions).direct_num_workers == 3
        # As with Beam's own class, it does not travel.
        assert copied.view_as(GoogleCloudOptions).impersonate_service_account is None
