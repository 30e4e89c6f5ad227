"""Test help, errors and exit codes of the command line."""

import logging
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from imagebeam.beam_pipeline import exit_codes
from imagebeam.beam_pipeline.cli import command_parser, main
from imagebeam.errors import RAISE_UNEXPECTED
from imagebeam.version import __version__
from tests.beam_pipeline.colours import draw
from tests.beam_pipeline.jobs import COMMAND, ROOT, predictions


def _examples(help_text: str) -> list[str]:
    return re.findall(
        r"^  (?:eval \"\$\()?(imagebeam .*?)(?:\)\"| > \S+)?(?:   .*)?$", help_text, re.M
    )


def _help(name: str) -> str:
    return command_parser.command_parser(name).format_help()


def test_the_examples_in_the_help_can_be_parsed() -> None:
    texts = [main.general_help(), *map(_help, command_parser.COMMANDS)]
    for line in [line for text in texts for line in _examples(text)]:
        parsed, unknown = command_parser.parse(shlex.split(line)[1:])
        assert callable(parsed.command.run)
        assert unknown == [] or parsed.command.TAKES_BEAM_OPTIONS


@pytest.mark.parametrize("name", command_parser.COMMANDS)
def test_every_command_begins_with_an_example_and_explains_each_argument(name: str) -> None:
    _, summary, examples, *_ = _help(name).split("\n\n")
    assert summary[0].isupper()
    assert _examples(examples) != []
    arguments = command_parser.command_parser(name).arguments
    assert [action.dest for action in arguments if not action.help] == []
    known = {option for action in arguments for option in action.option_strings}
    listed = set(re.findall(r"^  (?:-\w(?: \S+)?, )?(-[-\w]+)", _help(name), re.MULTILINE))
    assert listed <= known


def test_every_command_is_in_the_general_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["--help"]) == 0
    listed = re.findall(r"^  (\S+(?: \S+)?)  +\w", capsys.readouterr().out, re.MULTILINE)
    assert [name for name in listed if name in command_parser.COMMANDS] == [
        *command_parser.COMMANDS
    ]
    assert main.run(["module", "--help"]) == 0
    listed = re.findall(r"^  (module \w+) ", capsys.readouterr().out, re.MULTILINE)
    assert listed == [name for name in command_parser.COMMANDS if name.startswith("module ")]


def test_exit_codes_are_listed() -> None:
    codes = {
        getattr(exit_codes, name) for name in ("DONE", "FAILED", "USAGE", "BROKEN", "INTERRUPTED")
    }
    listed = main.general_help().partition("exit codes:")[2]
    assert {int(code) for code in re.findall(r"^  (\d+)", listed, re.M)} == codes


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["--version"]) == 0
    assert capsys.readouterr().out == f"imagebeam {__version__}\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "no command given. Run `imagebeam --help` for the list."),
        ("lable photos", "lable: no such command. Did you mean `label`?"),
        ("module shw", "module shw: no such command. Did you mean `module show`?"),
        ("module", "module: an action is missing."),
        ("--quiet label", "--quiet: options follow the command, as in `imagebeam label --quiet`."),
        ("label in --outptu out", "--outptu: no such option. Did you mean `--output`?"),
        (
            "label . -o out --top_k=3",
            "--top_k=3: no such option, here or in Beam. Did you mean `--top-k`?",
        ),
        ("label . -o out --runer=FlinkRunner", "Did you mean `--runner`?"),
        ("label -o out --keep label in", "--keep: took all words after it as its values"),
        ("label -o out --retry-failed in", "Put INPUT before --retry-failed."),
        ("label in", "the following arguments are required: -o/--output."),
        ("label in -o out --top-k many", "argument --top-k: invalid int value: 'many'."),
        ("label in -o out --top-k 0", "--top-k 0: must be at least 1."),
        ("label in -o out --read-seconds nan", "--read-seconds nan: must be at least 1."),
        ("label in -o out --decode-memory 2XB", "argument --decode-memory: '2XB' is not a size"),
        ("label in -o out --read-seconds inf", "inf: must be at most 1,000,000,000."),
        ("label in -o out --limit 9223372036854775808", "at most 9,223,372,036,854,775,807."),
        ("label in -o out --decode-memory 9", "--decode-memory 9: must be at least 10,000,000."),
        ("doctor in --price-per-core-hour -1", "--price-per-core-hour -1.0: must be at least 0."),
        ("label in -o out --image-size " + "1" * 5_000, "1… not a size. Give the side of a"),
        ("label in -o a\udcff", "⟨U+DCFF⟩: the path is not valid UTF-8. Choose another folder."),
        ("status out --interval=--", "argument --interval: -- is not a value. Run"),
        ("verify out --runner=FlinkRunner", "--runner=FlinkRunner: no such option."),
    ],
)
def test_wrong_usage_suggests_the_most_similar_name(
    capsys: pytest.CaptureFixture[str], words: str, message: str
) -> None:
    assert main.run(words.split()) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("imagebeam: error: ")
    assert message in printed.err
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("label", "", "-o", "out"), "INPUT"),
        (("label", "in", "-o", ""), "-o/--output"),
        (("compact", ""), "DIR"),
        (("export", "out", "--folders="), "--folders"),
        (("module", "show", ""), "HANDLE"),
    ],
)
def test_an_empty_path_is_not_the_current_folder(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], name: str
) -> None:
    assert main.run(words) == 2
    assert capsys.readouterr().err.startswith(
        f"imagebeam: error: argument {name}: '' is not a name. If it comes from a variable, set "
        "it. Run `imagebeam "
    )


def test_a_value_that_is_longer_than_a_path_hides_no_message(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main.run(["label", "in", "-o", "out", "--emit", "x" * 100_000]) == 2
    message = capsys.readouterr().err
    assert "Separate several with commas." in message
    assert len(message) < 10_000


def test_letters_that_the_locale_lacks_are_escaped() -> None:
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [*COMMAND, "module", "show", "demo"],
        env=os.environ | ascii_only | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"input       RGB, 128 \xd7 128;" in done.stdout


def test_a_misspelt_beam_option_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["label", ".", "-o", "out", "--flink_mastr=flink:8081"]) == 2
    assert "Did you mean `--flink_master`?" in capsys.readouterr().err


def test_log_levels_are_restored() -> None:
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.CRITICAL)
    try:
        main.run(["--version"])
        assert root.level == logging.CRITICAL
    finally:
        root.setLevel(before)


@pytest.mark.parametrize(
    "library", ["apache_beam", "numpy", "PIL", "pyarrow", "rich", "shtab", "tensorflow"]
)
def test_help_imports_no_heavy_library(library: str) -> None:
    code = (
        "import sys; from imagebeam.beam_pipeline.cli.main import run; "
        f"run(['--help']); sys.exit({library!r} in sys.modules)"
    )
    assert subprocess.run([*COMMAND[:1], "-c", code], cwd=ROOT, check=False).returncode == 0


def _abandoned(*arguments: object) -> tuple[int, str]:
    """Run a command whose output has no reader; return its exit code and standard error."""
    with subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        stderr = process.stderr.read()
    return process.returncode, stderr


@pytest.mark.parametrize("arguments", [("--help",), ("completion", "bash")])
def test_a_closed_pipe_is_not_an_error(arguments: tuple[str, ...]) -> None:
    assert _abandoned(*arguments) == (0, "")


@pytest.mark.slow
def test_a_closed_pipe_does_not_change_the_exit_code(tmp_path: Path) -> None:
    draw(tmp_path / "in" / "red.png", 255, 0, 0)
    (tmp_path / "in" / "empty.png").touch()
    job = ("label", tmp_path / "in", "--output", tmp_path / "out", "--max-failure-rate", 0.1)
    code, stderr = _abandoned(*job)
    assert code == 1
    assert "1 of 2 images failed" in stderr
    assert "Broken pipe" not in stderr


@pytest.mark.parametrize("arguments", [("completion", "bash"), ("module", "list"), ("--version",)])
def test_output_on_a_full_disk_is_an_error(arguments: tuple[str, ...]) -> None:
    with open("/dev/full", "w") as full:
        process = subprocess.run(
            [*COMMAND, *arguments],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert process.returncode == 3
    assert process.stderr.startswith("imagebeam: error: the file system: No space left on device.")
    assert process.stderr.count("\n") == 1


def test_escape_sequences_in_an_error_are_made_visible(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["verify", "\x1b[31mout\n"]) == 2
    printed = capsys.readouterr()
    assert "␛[31mout␊" in printed.err
    assert "\x1b" not in printed.out + printed.err
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_command_runs_with_closed_standard_streams(closed: str, tmp_path: Path) -> None:
    command = f'exec "$0" -m beam_pipeline verify "$1" {closed}'
    done = subprocess.run(
        ["sh", "-c", command, COMMAND[0], str(tmp_path)], cwd=ROOT, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == b"" or done.stderr.startswith(b"imagebeam: error: ")


def test_a_closed_standard_input_holds_no_names(tmp_path: Path) -> None:
    command = 'exec "$0" -m beam_pipeline label - -m demo -o "$1/out" <&-'
    done = subprocess.run(
        ["sh", "-c", command, COMMAND[0], str(tmp_path)], cwd=ROOT, capture_output=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.endswith(
        b"error: -: the manifest has no entry. Give one image per line or row.\n"
    )


def test_libraries_do_not_write_into_a_file_instead_of_a_closed_stream(tmp_path: Path) -> None:
    draw(tmp_path / "in" / "red.png", 255, 0, 0)
    command = 'exec "$0" -m beam_pipeline label "$1/in" -o "$1/out" <&- >&- 2>&-'
    done = subprocess.run(["sh", "-c", command, COMMAND[0], str(tmp_path)], cwd=ROOT, check=False)
    assert done.returncode == 0
    assert main.run(["verify", str(tmp_path / "out")]) == 0


@pytest.mark.parametrize("command", ["-m", "script"])
def test_files_of_the_current_folder_replace_no_library(tmp_path: Path, command: str) -> None:
    names = ("proto", "select", "signal", "queue", "json", "numpy", "pyarrow", "images", "rich")
    for name in names:
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('{name}.py was imported')")
    draw(tmp_path / "in" / "red.png", 255, 0, 0)
    script = "import sys; sys.path.insert(0, ''); from imagebeam.__main__ import main; main()"
    words = ["-m", "imagebeam"] if command == "-m" else ["-c", script]
    done = subprocess.run(
        [sys.executable, *words, "label", "in", "--module", "demo", "--output", "out"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    [row] = predictions(tmp_path / "out")
    assert row["uri"] == str(tmp_path / "in" / "red.png")


@pytest.mark.parametrize(
    "interrupted",
    [
        "ctrl_c()",
        # Python notes that code in text was interrupted, and ends with SIGINT itself.
        "exec('ctrl_c()')",
        # What extension modules make of it.
        """
            try:
                ctrl_c()
            except BaseException:
                raise ImportError('initialization failed') from None""",
        """
            try:
                ctrl_c()
            except BaseException:
                os.abort()""",
        # Python waits for such a thread when it ends.
        "threading.Thread(target=time.sleep, args=(1000,)).start(); ctrl_c()",
    ],
)
@pytest.mark.parametrize("module", ["imagebeam.beam_pipeline.cli.main", "imagebeam.outputs.verify"])
def test_ctrl_c_while_libraries_are_imported(interrupted: str, module: str, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(f"""
import os, signal, sys, threading, time

def ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "{module}":
            {interrupted}

sys.meta_path.insert(0, Interrupt())
""")
    done = subprocess.run(
        [*COMMAND, "verify", tmp_path],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (exit_codes.INTERRUPTED, "", "")


def test_ctrl_c_in_a_finalizer_ends_the_command() -> None:
    script = """
import os, signal
from imagebeam.beam_pipeline.__main__ import main
from imagebeam.beam_pipeline.cli import verify

class Interrupted:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)

def run(args):
    Interrupted()
    print("Python ignores the exception.")

verify.run = run
main()
"""
    done = subprocess.run(
        [COMMAND[0], "-c", script, "verify", "."],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (exit_codes.INTERRUPTED, "", "")


def test_ctrl_c_while_python_ends_does_not_replace_the_exit_code(tmp_path: Path) -> None:
    script = """
import os, signal, sys

class Late:
    def __del__(self, kill=os.kill, pid=os.getpid(), number=signal.SIGINT):
        kill(pid, number)

sys.modules["late"] = Late()
from imagebeam.beam_pipeline.__main__ import main
main()
"""
    done = subprocess.run(
        [COMMAND[0], "-c", script, "verify", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == exit_codes.USAGE
    assert done.stderr.count("\n") == 1


def test_a_misspelt_runner_is_reported_first(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main.run(["label", "/nowhere", "-o", "out", "--runner=FlinkRuner"]) == 2
    message = capsys.readouterr().err
    assert "--runner=FlinkRuner: no such runner. Did you mean `FlinkRunner`?" in message


def test_debug_ends_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(RAISE_UNEXPECTED, raising=False)
    assert main.run(["status", "missing", "--debug"]) == exit_codes.USAGE
    assert RAISE_UNEXPECTED not in os.environ
