"""`katydid models`, as it is typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector_graphs import spots
from katydid.models.bundle import write_bundle
from katydid.models.engines.placeholder import placeholder_bundle
from katydid.streams.cli import run_command
from tiny_graphs import tflite_dense, weights

ESCAPE = "\x1b[31m"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


def run(models: Path, *words: str) -> int:
    return run_command(["models", *words, "--models-dir", str(models)])


def test_list_tells_name_version_input_and_licence(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    placeholder_bundle(models, name="frames", version="3.1")
    assert run(models, "list") == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("frames", "3.1", "32 x 32 px", "CC0-1.0", "added"))


def test_list_goes_on_where_a_bundle_is_broken_and_says_so(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    placeholder_bundle(models)
    (models / "broken").mkdir()
    (models / "broken" / "bundle.json").write_bytes(b"{")
    assert run(models, "list") == 0
    shown = capsys.readouterr()
    assert "placeholder" in shown.out
    assert "broken" in shown.err


def test_add_a_foreign_file_and_then_verify_it(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "Hears Things.tflite").write_bytes(tflite_dense(weights(100, 3)))
    (tmp_path / "names.txt").write_text("Parus major\nTurdus merula\nApis mellifera\n")
    words = [str(tmp_path / "Hears Things.tflite"), "--labels", str(tmp_path / "names.txt")]
    assert run(models, "add", *words, "--sample-rate", "1000", "--activation", "sigmoid") == 0
    assert "added hears-things-1: 3 classes" in capsys.readouterr().out
    assert run(models, "verify") == 0
    assert "hears-things: 3 files as they were made" in capsys.readouterr().out


def test_add_says_what_is_missing_and_leaves_with_the_code_of_models(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "hears.tflite").write_bytes(tflite_dense(weights(100, 3)))
    (tmp_path / "names.txt").write_text("a\nb\nc\n")
    assert run(models, "add", str(tmp_path / "hears.tflite"), "--labels", str(tmp_path / "names.txt")) == 4
    assert "say --sample-rate HERTZ" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("nothing.onnx",), (__file__, "--labels", "x", "--kind", "smell")])
def test_wrong_arguments_leave_with_two(models: Path, words: tuple[str, ...]) -> None:
    assert run(models, "add", *words) == 2


def test_a_graph_without_a_label_list_asks_for_it(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "hears.tflite").write_bytes(tflite_dense(weights(100, 3)))
    assert run(models, "add", str(tmp_path / "hears.tflite")) == 2
    assert "--labels FILE" in " ".join(capsys.readouterr().err.split())


def test_add_takes_in_a_detector(models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "dots.onnx").write_bytes(spots())
    (tmp_path / "names.txt").write_text("insect\n")
    words = ["add", str(tmp_path / "dots.onnx"), "--labels", str(tmp_path / "names.txt"), "--detector", "centre"]
    named = ["--scores", "heat", "--output", "size=size", "--output", "offset=offset"]
    assert run(models, *words, *named, "--tiles", "1536", "--tile-overlap", "16") == 0
    assert run(models, "list") == 0
    assert "frames (finds boxes)" in " ".join(capsys.readouterr().out.split())
    assert run(models, *words, "--output", "size", "--replace") == 2
    assert run(models, *words, "--coordinates", "inches", "--replace") == 2
    assert run(models, *[word for word in words if word not in ("--detector", "centre")], "--tiles", "900") == 2


def test_add_takes_a_finished_bundle(models: Path, tmp_path: Path) -> None:
    made = placeholder_bundle(tmp_path / "made")
    packed = write_bundle(tmp_path / "p.zip", made.manifest, {name: made.read(name) for name in made.manifest.files})
    assert run(models, "add", str(packed.path)) == 0
    assert (models / "placeholder" / "bundle.json").is_file()
    assert run(models, "add", str(packed.path)) == 4
    assert run(models, "add", str(packed.path), "--replace") == 0


def test_verify_names_the_damaged_file(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    placeholder_bundle(models)
    (models / "placeholder" / "labels.csv").write_bytes(b"")
    assert run(models, "verify", "placeholder") == 4
    assert "labels.csv is not the file" in capsys.readouterr().err


def test_card_of_an_unknown_model_says_what_there_is(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    placeholder_bundle(models)
    assert run(models, "card", "owls") == 4
    said = capsys.readouterr().err.replace("\n", " ")
    assert "there are:" in said and "placeholder" in said and "singing-insects" in said


def test_nothing_of_other_peoples_text_reaches_the_terminal_raw(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "evil.tflite").write_bytes(tflite_dense(weights(100, 3)))
    (tmp_path / "names.txt").write_text(f"{ESCAPE}red\n[bold]markup[/]\n\u202eright to left\n")
    words = [str(tmp_path / "evil.tflite"), "--labels", str(tmp_path / "names.txt"), "--sample-rate", "1000"]
    words += ["--activation", "sigmoid", "--credit", f"{ESCAPE}[link=http://x]credit", "--licence", "[red]\x07"]
    assert run(models, "add", *words) == 0
    assert run(models, "card", "evil") == 0
    assert run(models, "list") == 0
    shown = capsys.readouterr().out
    assert "[bold]markup[/]" in shown
    assert "[link=http://x]credit" in shown
    assert not {"\x1b", "\x07", "\u202e"} & set(shown)
