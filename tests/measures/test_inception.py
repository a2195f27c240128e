"""InceptionV3's taps are torchvision's own, without its input transform."""

import pytest
import torch

from pipeline.errors import UserError
from pipeline.measures.inception import InceptionTaps


@pytest.mark.slow
def test_sides_and_channels_at_the_published_size():
    with torch.device("meta"):
        taps = InceptionTaps().taps(torch.zeros(1, 3, 384, 640))
    assert [tuple(t.shape[1:]) for t in taps] == [(64, 189, 317), (192, 92, 156), (768, 22, 38), (2048, 10, 18)]


@pytest.mark.slow
@torch.no_grad()
def test_taps_equal_torchvisions_modules():
    from torchvision.models import inception_v3

    torch.manual_seed(0)
    whole = inception_v3(weights=None, aux_logits=True, init_weights=False).eval()
    seen = []
    for name in ("Conv2d_2b_3x3", "Conv2d_4a_3x3", "Mixed_6e", "Mixed_7c"):
        whole.get_submodule(name).register_forward_hook(lambda module, given, found: seen.append(found))
    images = torch.rand(1, 3, 75, 90)
    whole(images * 2 - 1)
    net = InceptionTaps()
    net.load_published(whole.state_dict())
    for found, wanted in zip(net.frozen().taps(images), seen, strict=True):
        torch.testing.assert_close(found, wanted)


def test_foreign_weights_are_one_line():
    with torch.device("meta"), pytest.raises(UserError, match="not torchvision's InceptionV3"):
        InceptionTaps().load_published({"features.0.weight": torch.zeros(1)})
