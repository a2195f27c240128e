"""Video by texture: frames, masks and patches of a made-up DAVIS, and the rules by which patches are chosen."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.download.samples.davis2016 import generate
from pipeline.episodes import unpack_masks
from pipeline.errors import UserError
from pipeline.render.texture_video import background_places, frame_size, object_places, renderer


@pytest.fixture(scope="module")
def davis(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("davis2016")
    generate(folder, {"frames": 4}, 0)
    return folder


def test_episodes_are_the_later_frames_with_their_masks(davis: Path) -> None:
    drawn = renderer(split="dog", sources={"davis2016": davis}, longer=96, patch=16, patches=2)
    arrays = drawn.shard(0, 3)
    assert drawn.length == 3
    for row in range(3):
        place = davis / "DAVIS" / "{}" / "480p" / "dog" / f"{row + 1:05}.png"
        image, mask = (np.asarray(Image.open(str(place).format(kind))) for kind in ("JPEGImages", "Annotations"))
        assert np.array_equal(arrays["query_images"][row, 0], image)
        assert np.array_equal(unpack_masks(arrays["query_masks"], 64, 96)[row, 0], mask // 255)


def test_supports_are_patches_of_the_first_frame_of_object_and_background_in_turn(davis: Path) -> None:
    drawn = renderer(split="dog", sources={"davis2016": davis}, longer=96, patch=16, patches=2)
    arrays = drawn.shard(0, 3)
    first, mask = drawn._frame(0)
    masks = unpack_masks(arrays["support_masks"], 16, 16)[0]
    assert [int(m.min()) for m in masks] == [int(m.max()) for m in masks] == [1, 0, 1, 0]
    for support, inside in zip(arrays["support_images"][0], masks, strict=True):
        windows = np.lib.stride_tricks.sliding_window_view(first, (16, 16, 3))[:, :, 0]
        (place,) = np.argwhere((windows == support).all((2, 3, 4)))
        seen = mask[place[0] : place[0] + 16, place[1] : place[1] + 16]
        assert seen.all() if inside.all() else not seen.any()
    assert (arrays["support_images"] == arrays["support_images"][:1]).all()


def test_fewer_patches_are_the_first_of_more(davis: Path) -> None:
    one, four = (
        renderer(split="dog", sources={"davis2016": davis}, longer=96, patch=16, patches=count).shard(0, 1)
        for count in (1, 4)
    )
    assert np.array_equal(one["support_images"], four["support_images"][:, :2])


def test_object_squares_hold_most_of_the_object_and_keep_apart() -> None:
    mask = np.zeros((40, 60), np.uint8)
    mask[10:30, 5:50] = 1
    places = object_places(mask, 8, 4)
    assert all(mask[y : y + 8, x : x + 8].all() for y, x in places)
    assert places[0] == (16, 23)  # of the full ones the nearest to the centre (19.5, 27)
    pairs = [(a, b) for i, a in enumerate(places) for b in places[:i]]
    assert all(max(abs(a[0] - b[0]), abs(a[1] - b[1])) >= 4 for a, b in pairs)


def test_a_small_object_lies_inside_its_square() -> None:
    mask = np.zeros((32, 32), np.uint8)
    mask[12:15, 20:22] = 1
    ((y, x),) = object_places(mask, 8, 1)
    assert mask[y : y + 8, x : x + 8].sum() == 6


def test_background_squares_hold_none_of_the_object_and_spread() -> None:
    mask = np.zeros((40, 60), np.uint8)
    mask[10:30, 5:25] = 1
    near, far = background_places(mask, 8, 2)
    assert all(not mask[y : y + 8, x : x + 8].any() for y, x in (near, far))
    assert near in ((2, 11), (30, 11))
    assert abs(far[1] - near[1]) > 30


@pytest.mark.parametrize(
    ("shape", "size"), [((480, 854), (480, 272)), ((480, 640), (480, 352)), ((900, 400), (208, 480))]
)
def test_sides_are_multiples_of_sixteen(shape: tuple[int, int], size: tuple[int, int]) -> None:
    assert frame_size(shape, 480) == size


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split": "doge"}, "no sequence 'doge'; did you mean 'dog'"),
        ({"longer": 100}, "longer=100: .* multiple of 16"),
        ({"patch": 80}, "patch=80: the frames have only 96x64"),
        ({"patches": 0}, "patches=0"),
        ({"sources": {}}, "needs the source 'davis2016'"),
    ],
)
def test_mistakes(davis: Path, changes: dict[str, object], message: str) -> None:
    given = {"split": "dog", "sources": {"davis2016": davis}, "longer": 96, "patch": 16} | changes
    with pytest.raises(UserError, match=message):
        renderer(**given)  # type: ignore[arg-type]


def test_a_lost_mask_and_an_object_that_comes_later(tmp_path: Path) -> None:
    generate(tmp_path, {"frames": 3, "clips": 1}, 0)
    masks = tmp_path / "DAVIS" / "Annotations" / "480p" / "blackswan"
    Image.new("L", (96, 64)).save(masks / "00000.png")
    with pytest.raises(UserError, match="first frame shows no object"):
        renderer(split="blackswan", sources={"davis2016": tmp_path}, longer=96, patch=16)
    (masks / "00001.png").unlink()
    with pytest.raises(UserError, match=r"'blackswan' .* not whole"):
        renderer(split="blackswan", sources={"davis2016": tmp_path}, longer=96, patch=16)
