"""Re-synthesis (spec 2.5 and 8.4): the Gram matrix and the colours of the source, and none of its larger structure."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from pipeline.closure import ROOT
from pipeline.errors import UserError
from pipeline.manifest import Manifest, write_json
from pipeline.texturize.histogram import match
from pipeline.texturize.job import Synthesis
from pipeline.texturize.start import white
from pipeline.texturize.synthesis import Begun, synthesize
from pipeline.texturize.trunk import DEVIATION, MEAN, Trunk, find_trunk
from tests.texturize.conftest import grain

CPU = torch.device("cpu")
RANDOM = find_trunk("random", None)


def begun(source: NDArray[np.uint8], seed: int = 0) -> Begun:
    return Begun(source, white(np.random.default_rng(seed), source.shape[0]))


def waves(side: int = 64, period: int = 16) -> NDArray[np.uint8]:
    """Long waves with a little grain."""
    y, noise = np.arange(side)[:, None, None], np.random.default_rng(1).normal(size=(side, side, 3))
    return (128 + 60 * np.sin(2 * np.pi * y / period) + 6 * noise).clip(0, 255).astype(np.uint8)


def conv1_1(trunk: Trunk, pixels: NDArray[np.uint8]) -> torch.Tensor:
    """Features (64, S*S) of plain torch, in float64."""
    weight, bias = trunk.filters[:, :-1].reshape(64, 3, 3, 3).double(), trunk.filters[:, -1].double()
    image = (torch.from_numpy(pixels / 255) - torch.tensor(MEAN)).permute(2, 0, 1)[None]
    return F.relu(F.conv2d(image, weight, bias, padding=1))[0].flatten(1)


def gram_error(found: NDArray[np.uint8], source: NDArray[np.uint8]) -> float:
    """|G - G*|^2 / |G*|^2 of channels with mean 1 over the source."""
    features, wanted = conv1_1(RANDOM, found), conv1_1(RANDOM, source)
    means = wanted.mean(1, keepdim=True)
    scale = means.maximum(0.05 * means.mean())
    grams = [(item / scale) @ (item / scale).T / item.shape[1] for item in (features, wanted)]
    return float((grams[0] - grams[1]).square().sum() / grams[1].square().sum())


def correlation(pixels: NDArray[np.uint8], lag: int) -> float:
    centred = pixels - pixels.mean(axis=(0, 1))
    return float((centred[lag:] * centred[:-lag]).mean() / (centred**2).mean())


def test_the_gram_matrix_and_the_histograms_match() -> None:
    source = grain(3, 48)
    (made,) = synthesize([begun(source)], Synthesis(tolerance=1e-4), RANDOM, CPU)
    assert made.loss == pytest.approx(gram_error(made.pixels, source), rel=0.05)
    assert made.loss is not None
    assert made.loss < 1e-3
    levels = [np.sort(pixels.reshape(-1, 3), axis=0).astype(int) for pixels in (made.pixels, source)]
    assert np.abs(levels[0] - levels[1]).mean() < 2
    assert not np.array_equal(made.pixels, source)


def test_bytes_hold_the_loss_that_was_asked_for_even_where_it_is_very_low() -> None:
    (made,) = synthesize([begun(grain(3, 48))], Synthesis(tolerance=1e-6, matches=0), RANDOM, CPU)
    assert made.loss is not None
    assert made.loss**0.5 < 2e-3  # the bare error of the Gram matrix, rounding included


def test_structure_beyond_five_pixels_is_gone() -> None:
    source = waves()
    (made,) = synthesize([begun(source)], Synthesis(iterations=300), RANDOM, CPU)
    assert correlation(source, 1) == pytest.approx(correlation(made.pixels, 1), abs=0.05)
    assert (correlation(source, 8), correlation(source, 16)) == pytest.approx((-1, 1), abs=0.1)
    assert max(abs(correlation(made.pixels, lag)) for lag in (10, 12, 16, 20)) < 0.25


def test_what_a_deeper_layer_sees_is_not_kept() -> None:
    # Specification, 2.5: the Gram matrix of conv2_1 stays far off; here all three layers have random filters.
    torch.manual_seed(0)
    layers = [torch.nn.Conv2d(64, 64, 3, padding=1), torch.nn.Conv2d(64, 128, 3, padding=1)]
    for layer in layers:
        torch.nn.init.kaiming_normal_(layer.weight)

    @torch.no_grad()
    def conv2_1(pixels: NDArray[np.uint8]) -> torch.Tensor:
        features = conv1_1(RANDOM, pixels).float().view(1, 64, *pixels.shape[:2])
        features = features / features.mean((2, 3), keepdim=True).clamp_min(1e-3)
        deep = F.relu(layers[1](F.max_pool2d(F.relu(layers[0](features)), 2))).flatten(2)[0]
        return deep @ deep.T / deep.shape[1]

    source = waves()
    (made,) = synthesize([begun(source)], Synthesis(tolerance=1e-4), RANDOM, CPU)
    found, wanted = conv2_1(made.pixels), conv2_1(source)
    off = float((found - wanted).square().sum() / wanted.square().sum())
    assert off > 50 * gram_error(made.pixels, source)


@pytest.mark.slow
def test_one_texture_of_256_pixels_takes_less_than_200_megabytes() -> None:
    """In a process of its own, beyond what importing torch takes; all there is has been allocated after a few ticks."""
    program = """
import numpy as np, torch
from pathlib import Path
from pipeline.texturize.job import Synthesis
from pipeline.texturize.synthesis import Begun, synthesize
from pipeline.texturize.start import white
from pipeline.texturize.trunk import find_trunk

def kilobytes(line):
    return next(int(t.split()[1]) for t in Path("/proc/self/status").read_text().splitlines() if t.startswith(line))

torch.set_num_threads(1)
random, trunk = np.random.default_rng(0), find_trunk("random", None)
before = kilobytes("VmRSS")
Path("/proc/self/clear_refs").write_text("5")
source = random.integers(0, 256, (256, 256, 3), dtype=np.uint8)
synthesize([Begun(source, white(random, 256))], Synthesis(iterations=15), trunk, torch.device("cpu"))
print(kilobytes("VmHWM") - before)
"""
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(ended.stdout) < 200_000


def test_a_texture_is_about_the_same_in_any_batch() -> None:
    wanted = Synthesis(tolerance=1e-2, matches=0)
    items = [begun(grain(seed, 16), seed) for seed in range(5)]
    alone = [synthesize([item], wanted, RANDOM, CPU)[0] for item in items]
    together = synthesize(items, wanted, RANDOM, CPU)
    for one, other in zip(alone, together, strict=True):
        assert one.iterations == pytest.approx(other.iterations, abs=2)  # sums of a batch round differently
        assert np.abs(one.pixels.astype(int) - other.pixels).mean() < 3
    assert len({one.iterations for one in alone}) > 1


def test_the_limit_of_evaluations_ends_a_synthesis() -> None:
    (made,) = synthesize([begun(grain(0, 16))], Synthesis(tolerance=1e-12, iterations=7), RANDOM, CPU)
    assert made.iterations == 7


def test_a_flat_photo_stays_flat() -> None:
    source = np.full((16, 16, 3), 77, np.uint8)
    (made,) = synthesize([begun(source)], Synthesis(), RANDOM, CPU)
    assert np.array_equal(made.pixels, source)
    assert made.loss == 0


def test_pixels_stay_between_the_source_s_least_and_greatest() -> None:
    source = grain(0, 16) // 2 + 50
    (made,) = synthesize([begun(source)], Synthesis(iterations=20), RANDOM, CPU)
    assert (made.pixels >= source.min(axis=(0, 1))).all()
    assert (made.pixels <= source.max(axis=(0, 1))).all()


def test_matching_gives_exactly_the_source_s_values_in_the_order_of_the_pixels() -> None:
    pixels, levels = torch.rand(2, 3, 50), torch.rand(2, 3, 50).sort(dim=2).values
    found = match(pixels, levels)
    assert torch.equal(found.sort(dim=2).values, levels)
    assert torch.equal(found.argsort(dim=2), pixels.argsort(dim=2))


def weights(folder: Path, tensors: dict[str, torch.Tensor] | None) -> str:
    """The manifest of a source of weights; None: it could not be had."""
    manifest = Manifest(
        kind="source", digest="sha256:0", recipe={}, code="sha256:0", available=tensors is not None, notes={}
    )
    (folder / "vgg19").mkdir()
    write_json(folder / "vgg19.json", manifest.model_dump())
    if tensors is not None:
        torch.save(tensors, folder / "vgg19" / "vgg19.pth")
    return str(folder / "vgg19.json")


def test_a_trunk_from_weights_is_the_network_s_first_layer(tmp_path: Path) -> None:
    weight, bias, image = torch.randn(64, 3, 3, 3), torch.randn(64), torch.rand(1, 3, 9, 9)
    trunk = find_trunk("vgg19", weights(tmp_path, {"features.0.weight": weight, "features.0.bias": bias}))
    mean, deviation = (torch.tensor(value)[:, None, None] for value in (MEAN, DEVIATION))
    wanted = F.conv2d((image - mean) / deviation, weight, bias, padding=1)
    found = F.conv2d(image - mean, trunk.filters[:, :-1].reshape(64, 3, 3, 3), trunk.filters[:, -1], padding=1)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
    assert trunk.name == "vgg19"


def test_random_filters_stand_in_for_weights_that_cannot_be_had(tmp_path: Path) -> None:
    manifest = weights(tmp_path, None)
    assert find_trunk("vgg19", manifest).name == "random"
    with pytest.raises(UserError, match=r"weights=pretrained, but vgg19 is missing"):
        find_trunk("vgg19", manifest, insist=True)


def test_weights_of_another_network_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"leads to no weights of vgg19: delete it and run snakemake"):
        find_trunk("vgg19", weights(tmp_path, {"conv1.weight": torch.ones(1)}))
