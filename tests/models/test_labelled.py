from __future__ import annotations

from pathlib import Path

import pytest

from katydid.models.errors import LabelledDataError
from katydid.models.labelled import find_labelled, name_key, read_labelled


def written(folder: Path, text: str, *files: str) -> Path:
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(b"")
    folder.mkdir(parents=True, exist_ok=True)
    labels = folder / "labels.csv"
    labels.write_text(text, encoding="utf-8")
    return labels


@pytest.mark.parametrize(
    "spelling", ["Gryllus bimaculatus", "Gryllusbimaculatus", "gryllus_bimaculatus", " GRYLLUS-B imaculatus"]
)
def test_one_name_in_many_spellings(spelling: str) -> None:
    assert name_key(spelling) == "gryllusbimaculatus"


def test_provisional_names_match_as_collections_write_them() -> None:
    assert name_key("Platypleura sp11 cf. hirtipennis") == name_key("Platypleurasp11cfhirtipennis")


def test_different_species_stay_apart() -> None:
    assert name_key("Platypleura sp10") != name_key("Platypleura sp1")


def test_files_are_found_beside_the_labels_and_below_the_folders_given(tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    labels = written(tmp_path / "data", "file,label\na.wav,Gryllus campestris\nb.wav,Gryllus campestris\n", "a.wav")
    written(other, "", "b.wav")
    rows = read_labelled(labels, (other,))
    assert [row.path for row in rows] == [tmp_path / "data" / "a.wav", other / "b.wav"]


def test_without_a_group_column_every_recording_is_a_group(tmp_path: Path) -> None:
    labels = written(tmp_path, "file,label\na.wav,x\nb.wav,x\n", "a.wav", "b.wav")
    assert [row.group for row in read_labelled(labels)] == ["a.wav", "b.wav"]


def test_the_group_column_is_read_and_an_empty_field_falls_back_to_the_file(tmp_path: Path) -> None:
    labels = written(tmp_path, "label,recording_group,file\nx,day 1,a.wav\nx,,b.wav\n", "a.wav", "b.wav")
    assert [row.group for row in read_labelled(labels)] == ["day 1", "b.wav"]


def test_a_byte_order_mark_and_quoted_commas_do_no_harm(tmp_path: Path) -> None:
    labels = written(tmp_path, '\ufefffile,label\n"a,b.wav",x\n', "a,b.wav")
    assert read_labelled(labels)[0].path.name == "a,b.wav"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,label\na.wav,x\n", "the column 'file' is missing"),
        ("file,species\na.wav,x\n", "the column 'label' is missing"),
        ("file,label\n", "no rows below the header"),
        ("file,label\na.wav,\n", "line 2: file and label must both be given"),
        ("file,label\na.wav,x\nnowhere.wav,x\n", "line 3: no file 'nowhere.wav' below"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(LabelledDataError, match=message):
        read_labelled(written(tmp_path, text, "a.wav"))


def test_a_labels_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(LabelledDataError, match="cannot be read"):
        read_labelled(tmp_path / "labels.csv")


@pytest.mark.parametrize(
    "text",
    [
        "label,seconds,file\nx,1.0,a.wav\n",
        "File;Label;Note\na.wav;x;one, two\n",
        "seconds\tfile\tlabel\n1,5\ta.wav\tx\n",
    ],
)
def test_other_columns_their_order_and_what_parts_them_do_not_matter(tmp_path: Path, text: str) -> None:
    rows = read_labelled(written(tmp_path, text, "a.wav"))
    assert [(row.path, row.label) for row in rows] == [(tmp_path / "a.wav", "x")]


@pytest.mark.parametrize(
    "file",
    [
        "song.wav",  # its name alone, at any depth
        "bush/song.wav",
        "field/bush/song.wav",  # from the folder that the given one lies in
        "data/field/bush/song.wav",  # from further up
        "archive/sounds/bush/song.wav",  # from where the collection lay before its folders were copied
        "bush\\song.wav",
    ],
)
def test_a_recording_is_found_where_people_leave_it(tmp_path: Path, file: str) -> None:
    field = tmp_path / "data" / "field"
    written(field, "", "bush/song.wav")
    labels = written(tmp_path / "labels", f"file,label\n{file},x\n")
    assert read_labelled(labels, [field])[0].path == field / "bush" / "song.wav"


def test_a_file_of_that_name_in_a_folder_of_another_name_is_not_taken(tmp_path: Path) -> None:
    labels = written(tmp_path, "file,label\nbush/1.wav,x\n", "tree/1.wav")
    with pytest.raises(LabelledDataError, match=r"no file 'bush/1\.wav'"):
        read_labelled(labels, [tmp_path])


def test_of_two_files_that_a_name_may_mean_none_is_taken(tmp_path: Path) -> None:
    labels = written(tmp_path, "file,label\n1.wav,x\n", "tree/1.wav", "bush/1.wav")
    with pytest.raises(LabelledDataError, match=r"2 files could be '1\.wav'"):
        read_labelled(labels, [tmp_path])


def test_missing_recordings_are_told_apart_from_those_that_are_there(tmp_path: Path) -> None:
    labels = written(tmp_path, "file,label\na.wav,x\n" + "".join(f"{n}.wav,x\n" for n in range(7)), "a.wav")
    rows, missing = find_labelled(labels)
    assert [row.path.name for row in rows] == ["a.wav"]
    assert [each.file for each in missing] == [f"{n}.wav" for n in range(7)]
    with pytest.raises(LabelledDataError, match=r"line 3: no file '0\.wav'(.|\n)*and 2 more"):
        read_labelled(labels)
