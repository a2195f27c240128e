"""LPIPS: the Gram form equals comparing pairs; trunks, heads and input ranges are those of v0.1."""

import zipfile

import numpy as np
import pytest
import torch
from measures.plain_lpips import plain_lpips
from PIL import Image

from pipeline.errors import UserError
from pipeline.layers.alexnet import AlexNet
from pipeline.layers.squeezenet import SqueezeNet
from pipeline.measures.lpips import Lpips, best_of, distances, lpips_net, read_heads
from pipeline.measures.lpips_trunks import AlexTrunk, SqueezeTrunk
from pipeline.pretrained import read_keras

SQUEEZE = (64, 128, 256, 384, 384, 512, 512)


@pytest.fixture
def davis_frames(mirror):
    """First frames of four sequences (4, 3, 96, 160)."""
    with zipfile.ZipFile(mirror / "davis" / "DAVIS-2016-val-short-480p.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith("/00000.jpg"))[:4]
        frames = [Image.open(archive.open(name)).convert("RGB").resize((160, 96)) for name in names]
    return torch.from_numpy(np.stack([np.array(frame) for frame in frames])).permute(0, 3, 1, 2)


def heads(channels):
    generator = torch.Generator().manual_seed(0)
    return {f"lin{k}.model.1.weight": torch.rand(1, c, 1, 1, generator=generator) for k, c in enumerate(channels)}


def images(count=5, height=40, width=48):
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize("held", [1 << 30, 1], ids=["at once", "in blocks"])
def test_gram_form_equals_pairs(held):
    lpips, fakes = lpips_net({}), images()
    found = distances(lpips, fakes[1:], fakes[0], batch=2, held=held)
    for i in range(4):
        wanted = plain_lpips(lpips, fakes[1:], fakes[1 + i].expand_as(fakes[1:]))
        torch.testing.assert_close(found.pairs[i].float(), wanted, atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(found.train.float(), plain_lpips(lpips, fakes[1:], fakes[:1].expand_as(fakes[1:])))
    above = [float(found.pairs[i, j]) for i in range(4) for j in range(i + 1, 4)]
    assert found.diversity == pytest.approx(np.mean(above))


def test_a_collapsed_generators_small_distances_keep_their_digits():
    lpips, train = lpips_net({}), images(1)
    fakes = train + 1e-3 * images(3)
    wanted = plain_lpips(lpips, fakes[:1], fakes[1:2])
    assert float(wanted) < 1e-4
    assert float(distances(lpips, fakes, train[0]).pairs[0, 1]) == pytest.approx(float(wanted), rel=1e-3)


def test_one_image_has_no_diversity():
    assert np.isnan(distances(lpips_net({}), images(1), images(1)[0]).diversity)


@torch.no_grad()
def test_alexnet_trunk_is_torchvisions_after_each_relu():
    from torchvision.models import alexnet

    torch.manual_seed(0)
    published, x = alexnet(weights=None).eval(), images(2, 70, 80)
    trunk = AlexTrunk()
    trunk.network.load_published(published.state_dict())
    scaled = (x - torch.tensor([-0.030, -0.088, -0.188])[:, None, None]) / torch.tensor([0.458, 0.448, 0.450])[
        :, None, None
    ]
    wanted = [published.features[: at + 1](scaled) for at in (1, 4, 7, 9, 11)]
    for found, after in zip(trunk.maps(x), wanted, strict=True):
        torch.testing.assert_close(found, after)
    assert trunk.channels == (64, 192, 384, 256, 256)


@torch.no_grad()
def test_squeezenet_trunk_has_seven_maps_of_pixels_from_black_to_white():
    trunk = SqueezeTrunk()
    assert [m.shape[1] for m in trunk.maps(images(1))] == list(SQUEEZE)
    for nominal, pixel in ((-1.0, 0.0), (1.0, 255.0)):
        centred = pixel - torch.tensor([104.006, 116.669, 122.679])[:, None, None].expand(1, 3, 40, 40)
        wanted = trunk.network.stem(centred.contiguous())
        torch.testing.assert_close(trunk.maps(torch.full((1, 3, 40, 40), nominal))[0], wanted, atol=1e-3, rtol=1e-4)


def test_the_published_network_comes_first():
    alex = {"alexnet": {}, "lpips_alex": {}}
    squeeze = {"squeezenet1_1": {}, "lpips_squeeze": {}}
    assert best_of(alex | squeeze) == "alexnet"
    assert best_of({"lpips_alex": {}} | squeeze) == "squeezenet1_1"
    assert best_of({"alexnet": {}, "squeezenet1_1": {}}) == "random"


def test_networks_are_made_of_what_is_there():
    squeeze = dict(SqueezeNet().features.named_parameters())
    assert isinstance(lpips_net({"squeezenet1_1": squeeze, "lpips_squeeze": heads(SQUEEZE)}).trunk, SqueezeTrunk)
    alex = AlexNet("torchvision").state_dict()
    assert isinstance(lpips_net({"alexnet": alex, "lpips_alex": heads(AlexTrunk().channels)}).trunk, AlexTrunk)


@pytest.mark.parametrize("wrong", [(64, 128), (64, 192, 384, 256, 256)])
def test_heads_of_another_network_are_one_line(wrong):
    with pytest.raises(UserError, match="where SqueezeTrunk has"):
        Lpips(SqueezeTrunk(), read_heads(heads(wrong)))


def test_something_else_than_heads_is_one_line():
    with pytest.raises(UserError, match=r"should hold lin0.model.1.weight to lin0.model.1.weight, found conv.weight"):
        read_heads({"conv.weight": torch.zeros(1)})


@pytest.mark.mirror
def test_the_scripts_input_range_lowers_the_published_numbers(mirror, davis_frames):
    weights = mirror / "weights"
    nets = {
        "squeezenet1_1": read_keras(next(weights.glob("squeezenet*.h5"))),
        "lpips_squeeze": torch.load(weights / "lpips_v0.1" / "squeeze.pth", map_location="cpu", weights_only=True),
    }
    lpips, frames = lpips_net(nets), davis_frames.float() / 255
    right, quirk = (distances(lpips, x, x[0]) for x in (frames * 2 - 1, frames))
    assert max(float(right.train[0]), float(quirk.train[0])) < 1e-9
    assert 0 < quirk.diversity < right.diversity < 1.5
