import pickle

from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, TypeOptions

from imagebeam.beam_pipeline.runners.beam_options import JobOptions, pipeline_options


def test_a_view_is_made_once_and_shares_its_values() -> None:
    options = pipeline_options(("--direct_num_workers=3",))
    direct = options.view_as(DirectOptions)
    assert options.view_as(DirectOptions) is direct
    assert options.view_as(TypeOptions) is not direct
    direct.direct_num_workers = 5
    assert PipelineOptions.view_as(options, DirectOptions).direct_num_workers == 5


def test_options_have_views_of_their_own() -> None:
    two, three = (JobOptions([f"--direct_num_workers={count}"]) for count in (2, 3))
    assert two.view_as(DirectOptions).direct_num_workers == 2
    assert three.view_as(DirectOptions).direct_num_workers == 3


def test_pickled_options_keep_their_values() -> None:
    options = pipeline_options(())
    options.view_as(DirectOptions).direct_num_workers = 7
    copy = pickle.loads(pickle.dumps(options))
    assert copy.view_as(DirectOptions).direct_num_workers == 7
    assert copy.view_as(DirectOptions) is not options.view_as(DirectOptions)
