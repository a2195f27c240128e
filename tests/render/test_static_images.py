"""Single images with one class each, drawn by number."""

import numpy as np
import pytest

from pipeline.download.samples import davis2016, voc2012
from pipeline.errors import UserError
from pipeline.gallery import GalleryStore, write_gallery
from pipeline.render import davis_gallery, voc
from pipeline.render.static_images import renderer


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("static")
    voc2012.generate(folder / "raw", {"train": 1, "val": 1}, 0)
    write_gallery(folder / "images.zarr", voc.gallery(sources={"voc2012": folder / "raw"}, grid=8))
    return {"voc": folder / "images.zarr"}


def test_an_image_is_support_and_query_of_a_class_that_it_shows(sources):
    rows = renderer(split="train", sources=sources, least_pixels=100).rows(0, 50)
    pixels = GalleryStore(sources["voc"]).columns["pixels"]
    assert np.array_equal(rows["supports"], rows["queries"])
    assert (pixels[rows["supports"][:, 0], rows["classes"][:, 0]] >= 100).all()
    assert len(np.unique(rows["supports"])) > 15
    later = renderer(split="train", sources=sources, least_pixels=100).rows(30, 50)
    assert np.array_equal(later["classes"], rows["classes"][30:])


def test_frames_of_videos_are_as_likely_whatever_the_length_of_their_video(tmp_path):
    davis2016.generate(tmp_path / "raw", {"train": 2, "frames": 5}, 0)
    folders = [tmp_path / "raw" / "DAVIS" / kind / "480p" / "tennis" for kind in ("JPEGImages", "Annotations")]
    (folders[0] / "00004.png").unlink()
    (folders[1] / "00003.png").unlink()  # without a mask a frame shows no object
    found = davis_gallery.gallery(sources={"davis2016": tmp_path / "raw"}, year=2016, list="train")
    write_gallery(tmp_path / "images.zarr", found)
    rows = renderer(split="train", sources={"davis": tmp_path / "images.zarr"}, least_pixels=1).rows(0, 2000)
    assert (rows["classes"] == 1).all()
    drawn = np.bincount(rows["supports"][:, 0], minlength=len(found.names))
    assert drawn[8] == 0
    assert np.abs(drawn[:8] - 250).max() < 60  # of 2,000 / 8, four deviations


def test_mistakes_are_one_line(sources):
    with pytest.raises(UserError, match="shows no object of 99999 pixels"):
        renderer(split="train", sources=sources, least_pixels=99999)
    with pytest.raises(UserError, match="makes a split 'train' of one gallery"):
        renderer(split="val", sources=sources)
