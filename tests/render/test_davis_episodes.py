"""DAVIS as a gallery and its episodes: whole sequences, first frames, clips."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.collate import Collation
from pipeline.download.samples import davis2016, davis2017
from pipeline.errors import UserError
from pipeline.gallery import GalleryStore, write_gallery
from pipeline.render.davis_episodes import renderer
from pipeline.render.davis_gallery import gallery

SMALL = {"frames": 5, "val": 2, "train": 2}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("davis2017")
    davis2017.generate(folder, SMALL, 0)
    return folder


def stored(path: Path, **arguments) -> dict[str, Path]:
    write_gallery(path / "images.zarr", gallery(**arguments))
    return {"davis": path / "images.zarr"}


@pytest.fixture(scope="module")
def val(source, tmp_path_factory):
    return stored(tmp_path_factory.mktemp("val"), sources={"davis2017": source}, year=2017)


def test_the_gallery_holds_every_frame_with_its_objects(val):
    store = GalleryStore(val["davis"])
    assert store.names == [f"{name}/{t:05}" for name in ("dogs-jump", "judo") for t in range(5)]
    assert store.columns["objects"][[0, 5]].tolist() == [3, 2]
    assert np.array_equal(store.columns["pixels"][7, :4], np.bincount(store.picture(7)[1].ravel(), minlength=4))
    assert store.picture(0)[0].shape == (64, 96, 3)


def test_in_2016_all_objects_are_one(tmp_path):
    davis2016.generate(tmp_path / "raw", {"frames": 2, "clips": 1}, 0)
    store = GalleryStore(stored(tmp_path, sources={"davis2016": tmp_path / "raw"}, year=2016)["davis"])
    assert set(np.unique(store.picture(0)[1])) == {0, 1}


def test_an_episode_is_a_sequence_and_unannotated_frames_are_void(source, tmp_path):
    raw = tmp_path / "raw"
    davis2017.generate(raw, SMALL, 0)
    (raw / "DAVIS" / "Annotations" / "480p" / "judo" / "00003.png").unlink()
    table = renderer(split="val", sources=stored(tmp_path, sources={"davis2017": raw}, year=2017))
    rows = table.rows(0, 2)
    assert rows["queries"].tolist() == [[1, 2, 3, 4], [6, 7, 8, 9]]
    assert rows["classes"].tolist() == [[1, 2, 3], [1, 2, 0]]
    batch = Collation(table.layout.attributes, "cpu").prepare({name: row[1:2] for name, row in rows.items()})
    assert batch.supports.objects == 2
    assert len(batch.queries) == 4
    assert (batch.queries[2].masks == 255).all()


def test_of_sequences_listed_by_their_first_frame_alone_no_other_mask_counts(tmp_path):
    davis2017.generate(tmp_path / "raw", SMALL, 0)
    lists = tmp_path / "raw" / "DAVIS" / "ImageSets" / "2017"
    (lists / "val.txt").write_text("dogs-jump\n")
    (lists / "val_first_frame_only.txt").write_text("judo\n")  # all of its masks are there
    store = GalleryStore(stored(tmp_path, sources={"davis2017": tmp_path / "raw"}, year=2017)["davis"])
    assert store.names[5:] == [f"judo/{t:05}" for t in range(5)]
    assert store.columns["labelled"].tolist() == [1] * 6 + [0] * 4
    assert store.picture(5)[1].max() == 2
    assert (store.picture(6)[1] == 255).all()
    sources = {"davis": tmp_path / "images.zarr"}
    assert renderer(split="val", sources=sources).length == 2
    assert renderer(split="pairs", sources=sources).length == 2


def test_a_sequence_with_gaps_gives_a_pair_but_no_video(tmp_path, capsys):
    raw = tmp_path / "raw"
    davis2017.generate(raw, SMALL, 0)
    (raw / "DAVIS" / "JPEGImages" / "480p" / "judo" / "00002.png").unlink()
    sources = stored(tmp_path, sources={"davis2017": raw}, year=2017)
    assert renderer(split="val", sources=sources).length == 1
    assert capsys.readouterr().out == "'judo' lacks frame 00002: it is left out of val; get DAVIS again\n"
    pairs = renderer(split="pairs", sources=sources)
    assert pairs.rows(0, 2)["supports"].tolist() == [[0], [5]]
    batch = Collation(pairs.layout.attributes, "cpu").prepare({k: v[:1] for k, v in pairs.rows(0, 1).items()})
    assert batch.queries == ()
    assert batch.supports.frames[0].ids[0].endswith("dogs-jump/00000")


def test_of_two_sources_the_longer_sequence_counts(source, tmp_path):
    short = tmp_path / "short"
    davis2017.generate(short, {**SMALL, "frames": 2}, 1)
    assert len(gallery(sources={"a": short, "b": source}, year=2017).names) == 10


def test_clips_are_ordered_and_one_function_of_their_number(source, tmp_path):
    sources = stored(tmp_path, sources={"davis2017": source}, year=2017, list="train")
    table = renderer(split="train", sources=sources, clip=3, skip=2)
    rows = table.rows(0, 60)
    frames = np.concatenate([rows["supports"], rows["queries"]], axis=1)
    gaps = np.diff(frames)
    assert gaps.min() == 1
    assert gaps.max() == 2
    assert (frames // 5 == frames[:, :1] // 5).all()  # of one sequence
    assert set(rows["classes"].ravel()) == {0, 1, 2, 3}  # 0 where a clip shows fewer than three
    assert np.array_equal(table.rows(40, 60)["queries"], rows["queries"][40:])


def test_a_clips_objects_are_some_that_its_first_frame_shows(val):
    rows = renderer(split="train", sources=val, clip=2, skip=1, objects=2).rows(0, 100)
    shown = GalleryStore(val["davis"]).columns["pixels"][:, 1:] > 0
    assert not shown[:5, 0].all()  # the first object of the first sequence leaves the picture
    for first, classes in zip(rows["supports"][:, 0], rows["classes"], strict=True):
        numbers = classes[classes > 0]
        assert len(set(numbers)) == len(numbers) == min(2, shown[first].sum())
        assert shown[first, numbers - 1].all()
    assert {(1, 2), (2, 1), (1, 3)} <= set(map(tuple, rows["classes"].tolist()))


def test_objects_of_a_clip_that_are_not_drawn_are_background(val):
    table = renderer(split="train", sources=val, objects=2)
    rows = next(r for r in (table.rows(i, i + 1) for i in range(99)) if r["classes"][0].tolist() == [3, 1])
    batch = Collation(table.layout.attributes, "cpu").prepare(rows)
    (number,) = rows["supports"][0]
    mask = GalleryStore(val["davis"]).picture(int(number))[1]
    assert batch.supports.objects == 2
    assert np.array_equal(batch.supports.frames[0].masks[0].numpy(), (mask == 3) + 2 * (mask == 1))


def test_a_sequence_shorter_than_a_clip_repeats_its_last_frame(tmp_path):
    davis2017.generate(tmp_path / "raw", {**SMALL, "frames": 2}, 0)
    sources = stored(tmp_path, sources={"davis2017": tmp_path / "raw"}, year=2017, list="train")
    rows = renderer(split="train", sources=sources, clip=4).rows(0, 20)
    assert (rows["queries"] - rows["supports"] == 1).all()


def test_videos_of_one_frame_give_no_clip(tmp_path):
    davis2017.generate(tmp_path / "raw", {**SMALL, "frames": 2}, 0)
    for path in (tmp_path / "raw" / "DAVIS" / "JPEGImages" / "480p").glob("*/00001.png"):
        path.unlink()
    sources = stored(tmp_path, sources={"davis2017": tmp_path / "raw"}, year=2017)
    with pytest.raises(UserError, match="holds no annotated sequence of two frames"):
        renderer(split="train", sources=sources)


def test_videos_too_short_to_score_are_left_out_and_told(tmp_path, capsys):
    davis2017.generate(tmp_path / "raw", SMALL, 0)
    frames = tmp_path / "raw" / "DAVIS" / "JPEGImages" / "480p"
    for number in (2, 3, 4):
        (frames / "judo" / f"{number:05}.png").unlink()
    sources = stored(tmp_path, sources={"davis2017": tmp_path / "raw"}, year=2017)
    assert renderer(split="val", sources=sources).length == 1
    assert capsys.readouterr().out == (
        "'judo' has 2 frames, where 3 are the least: it is left out of val; get DAVIS again\n"
    )
    with pytest.raises(UserError, match="holds no sequence of 3 frames or more without a gap"):
        renderer(split="val", sources=sources, sequences="judo")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"year": 2018}, "year=2018: DAVIS has masks of 2016 and 2017"),
        ({"year": 2017, "list": "test-dev"}, r"no list ImageSets/2017/test-dev.txt in .*: get DAVIS again"),
        ({"year": 2017, "missing": "no"}, "missing=no: a sequence that is not there is left out"),
    ],
)
def test_mistakes_of_a_gallery_are_one_line(source, arguments, message):
    with pytest.raises(UserError, match=message):
        gallery(sources={"davis2017": source}, **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "vall"}, "DAVIS has no split 'vall'; did you mean 'val'"),
        ({"split": "val", "sequences": "jud"}, "no sequence 'jud' is there; did you mean 'judo'"),
        ({"split": "train", "clip": 1}, "clip=1, skip=5: a clip has two frames or more"),
        ({"split": "train", "objects": 0}, "objects=0: a clip shows one object or more"),
    ],
)
def test_mistakes_of_episodes_are_one_line(val, arguments, message):
    with pytest.raises(UserError, match=message):
        renderer(sources=val, **arguments)


def test_a_listed_sequence_that_is_not_there_can_be_an_error(tmp_path):
    davis2017.generate(tmp_path, SMALL, 0)
    listed = tmp_path / "DAVIS" / "ImageSets" / "2017" / "val.txt"
    listed.write_text("judo\ngold-fish\n")
    assert gallery(sources={"davis2017": tmp_path}, year=2017).facts == {"sequences": 1, "missing": 1}
    with pytest.raises(UserError, match="'gold-fish' of the list val is not there"):
        gallery(sources={"davis2017": tmp_path}, year=2017, missing="fail")


def test_colours_are_no_numbers(tmp_path):
    davis2017.generate(tmp_path, SMALL, 0)
    path = tmp_path / "DAVIS" / "Annotations" / "480p" / "judo" / "00000.png"
    Image.fromarray(np.zeros((64, 96, 3), np.uint8)).save(path)
    found = gallery(sources={"davis2017": tmp_path}, year=2017)
    with pytest.raises(UserError, match="has colours instead of numbers of objects"):
        found.picture(5)
