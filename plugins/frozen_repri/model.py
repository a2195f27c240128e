"""RePRI's inference on features of a frozen SqueezeNet 1.1 that saw ImageNet's labels and no mask: nothing is trained.

At full width an image of 3x417x417 gives 512x27x27 features (fire8; stride 16), on which a task learns 512 weights and
a bias (arXiv 2012.06166). Parameters: 722,496, none of them trained.
"""

from collections.abc import Mapping

from torch import Tensor

from pipeline.layers.embedders import embedder
from pipeline.layers.repri.refine import Recipe
from pipeline.layers.repri.segmenter import Repri
from pipeline.layers.repri.supports import Both


def build(
    *,
    width: int = 1,
    fire: int = 8,
    temperature: float = 20.0,
    step: float = 0.025,
    steps: int = 49,
    update: int = 9,
    copies: int = 85,
    both: Both = "warped",
    lambda_by_k: bool = False,
    weights: Mapping[str, Mapping[str, Tensor]] | None = None,
) -> Repri:
    """The whole network with its numbers, as those of the plugin `repri`; `fire` names the module that is taken.

    `weights["trunk"]` are the public SqueezeNet's, of use at full width alone.
    """
    network = embedder("squeezenet", width=width, fire=fire, weights=(weights or {}).get("trunk"))
    recipe = Recipe(temperature, step, steps, update)
    return Repri(network, recipe=recipe, copies=copies, both=both, lambda_by_k=lambda_by_k)
