"""`python -m pipeline.segment`, as a user runs it: any picture, a reference, a trained system; and a user's mistakes."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from pipeline.errors import UserError
from pipeline.manifest import Manifest, write_json
from pipeline.segment.__main__ import main
from pipeline.segment.picture import read_picture
from pipeline.system import build_system
from pipeline.train.job import TrainJob

TEXTURES = {"width": 8, "patch": 16, "smallest": 16}
MODEL = "models/sample/{}/toys/seed0.json"


def publish(plugin: str, **parameters: object) -> torch.nn.Module:
    """A model as a training would have left it; nothing of it is trained."""
    network = build_system(plugin, parameters, {}, seed=3)
    job = TrainJob(
        system=plugin,
        plugin=plugin,
        trained_on="toys",
        parameters=parameters,
        data={},
        seed=0,
        precision="float32",
        threads=1,
        device="cpu",
    )
    path = Path(MODEL.format(plugin))
    path.with_suffix("").mkdir(parents=True)
    save_file(network.weights(), path.with_suffix("") / "weights.safetensors")
    write_json(
        path, Manifest(kind="model", digest="sha256:0", recipe=job.model_dump(mode="json"), code="").model_dump()
    )
    return network.eval()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with an image of 96x64 pixels, a mask, an empty mask and a model, where the command runs."""
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    Image.fromarray(pixels).save("zebra.png")
    mask = np.zeros((64, 96), np.uint8)
    mask[20:50, 30:60] = 1  # an index, as PASCAL VOC has it
    Image.fromarray(mask).save("marked.png")
    Image.fromarray(mask * 0).save("black.png")
    return publish("texture_net", **TEXTURES)


def segment(monkeypatch, *arguments: str, model: str = "texture_net", image: str = "zebra.png") -> None:
    command = ["segment", image, "--model", MODEL.format(model), "--device", "cpu", "--threads", "1", *arguments]
    monkeypatch.setattr(sys, "argv", command)
    main()


def test_the_mask_is_the_systems_answer_and_the_overlay_shows_it(folder, monkeypatch, capsys):
    segment(monkeypatch, "--box", "10,20,32,24", "--output", "out")
    image = read_picture(Path("zebra.png"))
    with torch.no_grad():
        wanted = folder(image[None], image[None, :, 20:44, 10:42]).sigmoid()[0] > 0.5
    mask, shown = (read_picture(Path(f"out/zebra-{name}.png")) for name in ("mask", "overlay"))
    assert mask.equal(wanted.expand(3, -1, -1) * 255)
    assert shown[mask == 0].equal(image[mask == 0])
    assert capsys.readouterr().out.startswith("wrote out/zebra-mask.png\nwrote out/zebra-overlay.png\n")


def test_a_mask_may_be_the_reference_and_background_takes_away(folder, monkeypatch):
    found = []
    for more in ([], ["--background", "60,0,32,32"]):
        segment(monkeypatch, "--mask", "marked.png", "--threshold", "0.3", *more)
        found.append(read_picture(Path("zebra-mask.png")) > 0)
    assert not (found[1] & ~found[0]).any()


def test_the_reference_may_lie_in_another_image_and_large_images_are_shrunk(folder, monkeypatch):
    Image.fromarray(np.full((200, 300, 3), 90, np.uint8)).save("other.jpg")
    segment(monkeypatch, "--reference", "other.jpg", "--box", "100,50,64,64", "--side", "48")
    assert read_picture(Path("zebra-mask.png")).shape == (3, 64, 96)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "I;16"])
def test_pictures_of_any_kind_are_read(folder, mode, tmp_path):
    grey = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
    name = "x.tif" if mode in ("CMYK", "I;16") else "x.png"
    picture = Image.fromarray(np.asarray(grey).astype(np.uint16) << 8) if mode == "I;16" else grey.convert(mode)
    picture.save(name)
    found = read_picture(Path(name))
    assert (found.shape, found.dtype) == ((3, 16, 16), torch.uint8)
    assert int((found.float() - torch.arange(256).view(16, 16)).abs().max()) <= 3


def test_a_system_of_another_study_segments_too(folder, monkeypatch):
    publish("siamese_unet", features=2)
    segment(monkeypatch, "--box", "0,0,32,32", model="siamese_unet")
    assert read_picture(Path("zebra-mask.png")).shape == (3, 64, 96)


def frames(count: int = 3) -> list[np.ndarray]:
    return list(np.random.default_rng(1).integers(0, 256, (count, 48, 64, 3), dtype=np.uint8))


def clip_in(kind: str) -> list[np.ndarray]:
    """Write the same clip as `clip`, `clip.webp` or `clip.gif`; the frames as they will be read."""
    pictures = [Image.fromarray(pixels) for pixels in frames()]
    if kind == "folder":
        Path("clip").mkdir()
        for k, picture in enumerate(pictures):
            picture.save(f"clip/frame{9 + k}.png")  # 9, 10, 11: by number, not by letter
        return frames()
    more = {"webp": {"lossless": True}, "gif": {}}[kind]
    pictures[0].save(f"clip.{kind}", save_all=True, append_images=pictures[1:], **more)
    with Image.open(f"clip.{kind}") as image:
        found = []
        for k in range(3):
            image.seek(k)
            found.append(np.asarray(image.convert("RGB")))
    return found


@pytest.mark.parametrize(
    ("kind", "path", "last"),
    [("folder", "clip", "frame11"), ("webp", "clip.webp", "00002"), ("gif", "clip.gif", "00002")],
)
def test_every_frame_of_a_clip_is_segmented_by_a_box_in_the_first(folder, monkeypatch, capsys, kind, path, last):
    given = torch.from_numpy(np.stack(clip_in(kind))).permute(0, 3, 1, 2)
    segment(monkeypatch, "--box", "10,20,32,24", "--output", "out", image=path)
    masks = sorted(Path("out/clip-mask").iterdir(), key=lambda mask: (len(mask.name), mask.name))
    assert (len(masks), masks[-1].stem) == (3, last)
    for mask, frame in zip(masks, given[:, None], strict=True):
        with torch.no_grad():
            wanted = folder(frame, given[:1, :, 20:44, 10:42]).sigmoid()[0] > 0.5
        assert torch.equal(read_picture(mask)[0] > 0, wanted)
    with Image.open("out/clip-overlay.gif") as shown:
        assert (shown.n_frames, shown.size) == (3, (64, 48))  # type: ignore[attr-defined]
    assert capsys.readouterr().out.startswith("wrote out/clip-mask/ (3 masks)\nwrote out/clip-overlay.gif\n")


def test_a_clip_with_a_bad_frame_keeps_the_masks_before_it(folder, monkeypatch):
    clip_in("folder")
    Path("clip/frame12.jpg").write_bytes(b"no")
    with pytest.raises(UserError, match=r"clip/frame12.jpg is no picture that can be read"):
        segment(monkeypatch, "--box", "0,0,16,16", image="clip")
    assert len(list(Path("clip-mask").iterdir())) == 3
    Image.new("RGB", (80, 48)).save("clip/frame12.jpg")
    with pytest.raises(
        UserError, match="the frame frame12 of clip has 80x48 pixels, the first 64x48: give them one size"
    ):
        segment(monkeypatch, "--box", "0,0,16,16", image="clip")
    Path("empty").mkdir()
    with pytest.raises(UserError, match=r"the folder empty holds no pictures \(.jpg, "):
        segment(monkeypatch, "--box", "0,0,16,16", image="empty")


MISTAKES = {
    "no reference": ([], "no reference is given: say --box"),
    "box outside": (["--box", "80,10,32,32"], "the box 80,10,32,32 does not lie in its image of 96x64 pixels"),
    "box without area": (["--box", "1,1,0,5"], "the box 1,1,0,5 does not lie"),
    "box that is none": (["--box", "1,2,3"], "the box '1,2,3' is not X,Y,WIDTH,HEIGHT"),
    "box too small": (["--box", "1,1,12,20"], "a reference of 12x20 pixels is too small: give one of at least 16x16"),
    "box too small now": (["--box", "1,1,24,24", "--side", "48"], r"12x12 .* at least 16x16 \(it was shrunk to 50%"),
    "empty mask": (["--mask", "black.png"], "the mask black.png is black everywhere: paint white"),
    "mask of another size": (["--mask", "zebra2.png"], "the mask zebra2.png has 8x8 pixels, its image 96x64"),
    "no picture": (["--box", "0,0,16,16", "--reference", "notes.txt"], "notes.txt is no picture that can be read"),
    "missing picture": (["--box", "0,0,16,16", "--reference", "none.png"], "none.png is missing: check the path"),
    "threshold": (["--box", "0,0,16,16", "--threshold", "9"], "--threshold 9.0 must lie between 0 and 1"),
    "missing model": (["--box", "0,0,16,16", "--model", "models/none.json"], "models/none.json is missing: run"),
    "no model": (["--box", "0,0,16,16", "--model", "source.json"], "source.json describes a source, not a model"),
    "plugin gone": (["--box", "0,0,16,16", "--model", "gone.json"], "made by the plugin 'goner', which is gone"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line(folder, monkeypatch, mistake):
    Image.new("L", (8, 8), 255).save("zebra2.png")
    Path("notes.txt").write_text("no picture")
    for name, kind in (("source", "source"), ("gone", "model")):
        recipe = TrainJob.model_validate(
            {"system": "goner", "plugin": "goner", "trained_on": "", "parameters": {}, "data": {}, "seed": 0}
            | {"precision": "float32", "threads": 1, "device": "cpu"}
        ).model_dump(mode="json")
        write_json(Path(f"{name}.json"), Manifest(kind=kind, digest=None, recipe=recipe, code="").model_dump())
    arguments, message = MISTAKES[mistake]
    with pytest.raises(UserError, match=message):
        segment(monkeypatch, *arguments)
    assert not Path("zebra-mask.png").exists()
