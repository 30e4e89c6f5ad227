"""Test inputs as users really have them, if their generators are present."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.beam_pipeline.jobs import ROOT, imagebeam

CASES = Path(os.environ.get("IMAGEBEAM_CASES", ROOT.parent / "shared" / "cases"))


def _expected(
    code: int = 0, message: str = "", left_out: int = 0, **outcome: Any
) -> tuple[int, str, int, dict[str, Any]]:
    return code, message, left_out, outcome


ALL_FAILED = 1
OUTCOMES = {
    "c01_csv_column_url": _expected(2, "it has 'url', 'caption'"),
    "c02_parquet_URL_TEXT": _expected(2, "it has 'URL', 'TEXT', 'WIDTH', 'HEIGHT'"),
    "c03_tsv": _expected(labelled=2),
    "c08_csv_unquoted_comma": _expected(ALL_FAILED, failed={"bad_entry": 1}),
    "c09_csv_unclosed_quote": _expected(labelled=19, failed={"bad_entry": 1}),
    "c10_csv_long_field": _expected(labelled=3),
    "c11_csv_header_space": _expected(labelled=1),
    "c13_txt_label_after_name": _expected(ALL_FAILED, failed={"not_found": 2}),
    "c15_jsonl_file_name": _expected(2, "it has 'file_name', 'text'"),
    "c18_parquet_dictionary": _expected(labelled=1),
    "c21_hive_folder": _expected(labelled=1),
    "c25_hf_id_key_repeated": _expected(labelled=5),
    "c26_hf_keep_label": _expected(labelled=3),
    "c28_manifest_relative_elsewhere": _expected(ALL_FAILED, failed={"not_found": 1}),
    "c31_data_uri": _expected(ALL_FAILED, failed={"bad_entry": 1}),
    "c32_url_shapes": _expected(
        ALL_FAILED,
        failed={
            "bad_entry": 1,
            "blocked_address": 2,
            "not_found": 1,
            "unsupported_scheme": 2,
        },
    ),
    "c33_cp1252_names": _expected(labelled=1),
    "c35_glob_braces": _expected(labelled=3),
    "c36_nfc_nfd": _expected(labelled=1),
    "c41_zip_backslashes": _expected(labelled=1),
    "c44_zip_deflate64_lzma": _expected(labelled=1, failed={"bad_member": 1}),
    "c46_zip_in_zip": _expected(labelled=2),
    "c47_7z_rar": _expected(2, "photos.7z: it is a 7z archive"),
    "c53_tar_concatenated": _expected(labelled=4),
    "c54_tar_mislabelled": _expected(labelled=2),
    "c60_folder_heic": _expected(labelled=5),
    "c61_single_heic_avif": _expected(labelled=4),
    "c66_panorama": _expected(labelled=2),
    "c68_jpeg_ends": _expected(
        labelled=4, failed={"empty_file": 1, "truncated": 3, "unsupported_format": 3}
    ),
    "c69_png_text": _expected(labelled=7),
    "c80_tfrecords": _expected(labelled=1, failed={"bad_member": 2}),
    "c88_csv_nul": _expected(labelled=2, failed={"bad_entry": 1}),
}
"""The expected exit code, part of the message, left out entries, and outcomes of the images."""


@pytest.mark.skipif(not CASES.exists(), reason=f"{CASES} is not here")
def test_every_case_has_an_outcome() -> None:
    assert {path.stem for path in CASES.glob("c[0-9]*.py")} == {*OUTCOMES}


@pytest.mark.slow
@pytest.mark.parametrize("case", OUTCOMES)
def test_a_case_has_the_expected_outcome(
    tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    script = CASES / f"{case}.py"
    if not script.exists():
        pytest.skip(f"{script} is not here")
    made = subprocess.run(
        [sys.executable, script, tmp_path / "in"], capture_output=True, text=True, check=True
    )
    arguments = json.loads(made.stdout.strip().splitlines()[-1])
    monkeypatch.chdir(tmp_path / "in")
    code, message, left_out, outcome = OUTCOMES[case]
    assert imagebeam("label", *arguments, "--module", "demo", "--output", tmp_path / "out") == code
    assert message in capfd.readouterr().err
    if code == 2:
        assert not (tmp_path / "out").exists()
        return
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert sum(each["count"] for each in summary["left_out"].values()) >= left_out
    if "labelled" in outcome:
        assert summary["labelled"] == outcome["labelled"]
    if "failed" in outcome:
        assert summary["failed_by_code"] == outcome["failed"]
