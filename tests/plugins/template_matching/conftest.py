"""What all tests of template matching share."""

from collections.abc import Iterator

import pytest
import torch

from tests.plugins.template_matching.scenes import Scenes, scenes, scribbles


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Many small products gain little from a second thread, and lose a great deal where it has to be waited for."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def scribbled() -> Scenes:
    """Twelve scenes of eight scribbles each."""
    return scenes(scribbles(200), 8, 12)
