"""OSMIS and One-Shot GAN as plugins: their counts, their variants, and what they publish."""

import copy

import pytest
import torch

from pipeline.closure import ROOT
from pipeline.errors import UserError
from pipeline.layers.augment import AdaAugmentation, ReducedAugmentation
from pipeline.layers.one_shot.discriminator import FeatureAugmentation
from pipeline.layers.one_shot.losses import AdversarialLoss
from pipeline.layers.one_shot.spectral_norm import convolutions, normalised
from pipeline.layers.one_shot.training import BETAS
from pipeline.plugin import find_plugins, systems
from pipeline.segmenter import Batch, Frame, Supports
from plugins.one_shot_gan import model as one_shot_gan
from plugins.osmis import model as osmis

CPU = torch.device("cpu")
DAVIS = {"height": 480, "width": 854}
PLUGINS = {name: facts for name, facts in find_plugins(ROOT / "plugins").items() if name in ("osmis", "one_shot_gan")}


def count(module):
    return sum(p.numel() for p in module.parameters())


def published(name):
    (found,) = (system for system in systems(PLUGINS, "paper") if system.name == name)
    build = {"osmis": osmis, "one_shot_gan": one_shot_gan}[found.plugin].build
    with torch.device("meta"):
        return build(**DAVIS, objects=1, **found.train)


def small(build=osmis.build, **changes):
    torch.manual_seed(0)
    given = {"height": 40, "width": 64, "objects": 2, "max_size": 64, "generator_width": 4, "discriminator_width": 8}
    return build(**given | {"samples": 4, "batch": 2} | changes)


@pytest.mark.parametrize(
    ("name", "generator", "discriminator"),
    [
        ("osmis", 7_139_770, 3_243_680),
        ("osmis-none", 7_139_192, 2_453_402),
        ("osmis-projection", 7_139_770, 2_453_402 + 2 * 256),
        ("osmis-input_concat", 7_139_770, 2_453_402 + 2 * 9 * (32 + 8 + 16 + 32)),
        ("osmis-dm", 7_139_770, 2_453_402),
        ("osmis-nll1", 7_139_770, 2_308_979),
        ("osmis-nll2", 7_139_770, 2_230_658),
        ("osmis-nll3", 7_139_770, 2_441_785),
        ("osmis-nll5", 7_139_770, 4_045_575),
        ("osmis-paper_weights", 7_139_770, 3_243_680),
        ("osmis-no_quirks", 7_139_770, 3_243_680),
        ("osmis-reduced_augmentation", 7_139_770, 3_243_680),
        ("one_shot_gan", 7_139_192, 2_453_402),
    ],
)
def test_published_systems_have_their_counts_at_384x640(name, generator, discriminator):
    model = published(name)
    assert (model.size, model.remarks) == ((384, 640), ())
    assert (count(model.generator), count(model.discriminator)) == (generator, discriminator)
    assert model.masks == (name not in ("osmis-none", "one_shot_gan"))
    assert (model.patches is not None) == (name == "osmis-dm")
    (stage,) = model.stages
    assert stage.samples // stage.batch == 150_000
    assert stage._bernoulli_samples // stage.batch == (0 if name == "one_shot_gan" else 15_000)


def test_published_trainings_have_the_released_numbers():
    for name, augmentation, strength in (
        ("osmis", AdaAugmentation, 0.3),
        ("osmis-none", AdaAugmentation, 0.3),
        ("osmis-reduced_augmentation", ReducedAugmentation, 0.7),
        ("one_shot_gan", ReducedAugmentation, 0.7),
    ):
        model = published(name)
        (stage,) = model.stages
        assert (stage.batch, stage._rate, stage._decay, stage._diversity) == (5, 2e-4, 0.9999, 0.15)
        assert (type(stage._augment), stage._augment.strength) == (augmentation, strength)
        assert stage._loss == AdversarialLoss(adversary="bce", weights="code", balance_generator=True)
        assert model.discriminator.augmentation == FeatureAugmentation(content=0.4, layout=0.4, quirks=True)
        assert model.generator.latent == 64
    assert BETAS == (0.5, 0.999)


def test_d_m_is_a_patch_gan_on_image_and_mask():
    patches = published("osmis-dm").patches
    assert [part.weight.shape[:2] for part in patches.scales[0].hidden] == [(64, 5), (128, 64), (256, 128)]
    assert len(patches.scales) == 3


def test_lite_fits_every_davis_frame_at_192x320_with_four_low_level_blocks():
    (found,) = (system for system in systems(PLUGINS, "lite") if system.name == "osmis")
    for width in (854, 910, 1152):
        with torch.device("meta"):
            model = osmis.build(height=480, width=width, objects=1, **found.train)
        assert model.size == (192, 320)
        assert len(model.discriminator.low_level.blocks) == 4
        assert len(model.discriminator.content.blocks) == 3


def test_a_mask_of_background_alone_is_refused_where_masks_are_learned():
    with pytest.raises(UserError, match="all background"):
        small(objects=0)
    assert not small(objects=0, supervision="none").masks


def test_the_average_alone_is_published_and_samples_do_not_depend_on_their_number():
    model, other = small(), small(latent=64)
    assert set(model.weights()) == set(model.generator.state_dict())
    other.load_weights({name: value + 0.01 for name, value in model.weights().items()})
    one = list(other.sample(3, torch.Generator().manual_seed(1)))
    two = list(other.sample(9, torch.Generator().manual_seed(1)))
    assert all(torch.equal(a[1], b[1]) for a, b in zip(one, two[:3], strict=True))
    assert all(int((a[0].int() - b[0].int()).abs().max()) <= 1 for a, b in zip(one, two[:3], strict=True))
    assert len(two) == 9


def test_sampling_iterates_no_singular_vector_and_every_kernel_has_a_norm_of_one():
    model = small()
    with torch.no_grad():
        for value in model.average.state_dict().values():  # as averaging leaves them: u and v fit no more
            value.add_(0.05 * torch.randn_like(value))
    weights = [value.clone() for value in model.average.parameters()]
    expected = copy.deepcopy(model)
    expected.average.settle()  # once and exactly, which leaves the weights alone
    for _ in range(2):
        list(model.sample(2, torch.Generator().manual_seed(0)))
        assert all(map(torch.equal, model.state_dict().values(), expected.state_dict().values()))
    assert all(map(torch.equal, expected.average.parameters(), weights))
    parts = convolutions(model.average.blocks, model.average.heads[-model.average.levels :])
    with normalised(parts, update=False):
        norms = torch.stack([torch.linalg.matrix_norm(part.kernel.detach().flatten(1), 2) for part in parts])
    torch.testing.assert_close(norms, torch.ones_like(norms), atol=1e-5, rtol=0)


def test_masks_without_supervision_are_all_background():
    for model in (small(supervision="none"), small(one_shot_gan.build)):
        assert not model.masks
        assert not any(mask.any() for _, mask in model.sample(2, torch.Generator().manual_seed(0)))


def test_several_pairs_are_fitted_together():
    model = small()
    stage = model.stages[0]
    stage.setup(CPU, torch.float32)
    images = torch.randint(256, (2, 3, *model.size), dtype=torch.uint8)
    masks = torch.randint(3, (2, *model.size), dtype=torch.uint8)
    real = stage._real(Frame(images, masks, ("a", "b")))
    torch.testing.assert_close(real.images[0], images / 127.5 - 1)
    torch.testing.assert_close(real.images[1], torch.nn.functional.avg_pool2d(images / 127.5 - 1, 2))
    assert torch.equal(real.masks.argmax(1), masks.long())
    assert torch.equal(stage._real(Frame(images, masks, ("b", "b"))).images[0][0], real.images[0][1])
    stage.step([Batch(Supports((), 2), (Frame(images, masks, ("a", "b")),))], 0)


def test_a_pair_of_another_size_is_a_bug():
    stage = small().stages[0]
    stage.setup(CPU, torch.float32)
    with pytest.raises(ValueError, match="the model is for"):
        stage._real(Frame(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.zeros(2, 8, 8, dtype=torch.uint8)))
