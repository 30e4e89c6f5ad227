import pytest

from beam_pipeline.causes import told


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            "java.lang.RuntimeException: Error received from SDK harness\nTraceback\n"
            "ModuleNotFoundError: No module named 'transforms'\n\n",
            "the workers hold no imagebeam, or another version. Leave --sdk_container_image out, "
            "or name an image that holds this version.",
        ),
        (
            "Traceback\n  File\nRuntimeError: boom [while running 'DecodeImages/ParDo']",
            "boom. Remove the cause.",
        ),
        (
            "transforms.worker.WorkerMismatchError: a worker holds pillow 1 and not 2",
            "a worker holds pillow 1 and not 2.",
        ),
        ("", "RuntimeError. Remove the cause."),
    ],
)
def test_the_innermost_reason_is_told(error: str, message: str) -> None:
    assert told(RuntimeError(error)) == message
