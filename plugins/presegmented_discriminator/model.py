"""Pre-segmented discriminator: picks among the scene's characters, separated by an oracle (paper, section 3.3).

Shapes at the published width f = 24: target and crops 3x32x32 -> 384; a crop shows a character's visible mask alone.
Parameters: 984,096 + 984,096 (encoders) + 384 (comparison) = 1,968,576.
"""

from pipeline.layers.clutter import Encoder
from pipeline.layers.comparison import Comparison
from pipeline.layers.discriminator import CropDiscriminator, View, discriminate


def build(
    *,
    features: int = 24,
    samples: int = 40_000_000,
    batch: int = 250,
    epochs: int = 20,
    learning_rate: float = 5e-4,
    decay: float = 1e-9,
    tied: bool = False,
    view: View = "mask",
) -> CropDiscriminator:
    """The whole network with its numbers, and its one stage of training."""
    f = features
    channels = (2 * f, 4 * f, 8 * f, 8 * f, 16 * f, 16 * f)  # e1..e6; at f = 24: 48, 96, 192, 192, 384, 384
    crop = Encoder(channels)
    network = CropDiscriminator(
        target=crop if tied else Encoder(channels),
        crop=crop,
        comparison=Comparison(channels[-1]),
        view=view,
    )
    network.stages = (
        discriminate(network, samples=samples, batch=batch, learning_rate=learning_rate, epochs=epochs, decay=decay),
    )
    return network
