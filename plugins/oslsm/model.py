"""OSLSM: one network reads the parameters of a pixel classifier off the support, another gives it features (BMVC 2017).

Shapes: masked support 3x224x224 -> VGG-16 -> 1,000 scores -> hashed to theta = (w, b), 4,096 + 1; query 3x500x500 ->
FCN-32s -> fc7 4096x18x18 -> logits w . fc7 + b, 18x18 -> bilinear 608x608, cropped to 500x500. Parameters: 138,357,544
(conditioning) + 134,260,544 (segmentation) = 272,618,088; a dense head has 4,101,097 more.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.layers.alexnet import AlexNetClassifier, FcnAlexNet
from pipeline.layers.fcn32 import Fcn32
from pipeline.layers.vgg16_classifier import Vgg16Classifier
from pipeline.segmenter import Frame, Prediction, Segmenter, Supports
from plugins.oslsm.dilated import Dilated
from plugins.oslsm.parameters import Hashing, dense_head
from plugins.oslsm.pictures import Preparation, SupportInput, VoidRule, prepared, shows, support_pictures
from plugins.oslsm.training import Reduction, Segment

Trunk = Literal["vgg16", "alexnet", "alexnet_caffe"]
Extra = Literal["random", "zeros", "mean"]


def build(
    *,
    width: int = 1,
    trunk: Trunk = "vgg16",
    classes: int = 1000,
    preparation: Preparation = "torchvision",
    support_side: int = 224,
    support_crop: bool = False,
    support_input: SupportInput = "masked",
    mask_filters: Extra = "zeros",
    param_head: Literal["hash", "dense"] = "hash",
    hash_seed: int = 0,
    hash_scale: float = 1.0,
    dilated: bool = False,
    first_padding: int = 121,
    sigmoid: Literal["after", "before"] = "after",
    void_train: VoidRule = "background",
    samples: int = 60_000,
    batch: int = 1,
    accumulate: int = 1,
    loss: Reduction = "sum",
    object_weight: float = 1.0,
    learning_rate: float = 1e-10,
    conditioning_rate: float = 0.1,
    bias_rate: float = 2.0,
    momentum: float = 0.99,
    decay: float = 5e-4,
    weights: Mapping[str, Mapping[str, Tensor]] | None = None,
) -> "Oslsm":
    """The whole network with its numbers, and its one stage of training.

    `weights` hold an ImageNet classifier of the kind of `trunk` (`trunk`; of use at full width alone), whose
    `preparation` must be the one it was trained with. `conditioning_rate` and `bias_rate` multiply the learning rate;
    `sigmoid` comes after the upsampling, as in the code, or before, as in the text.
    """
    scores = classes // width
    conditioning: Vgg16Classifier | AlexNetClassifier
    segmentation: Fcn32 | FcnAlexNet
    if trunk == "vgg16":
        inputs = 3 if support_input == "masked" else 4
        conditioning = Vgg16Classifier(width=width, side=support_side, classes=scores, inputs=inputs)
        segmentation = Dilated(width=width) if dilated else Fcn32(width=width, first_padding=first_padding)
    else:
        if dilated or support_input != "masked":
            raise UserError(f"trunk={trunk} has neither a dilated nor a 4-channel form: choose trunk=vgg16")
        layout: Literal["caffe", "torchvision"] = "caffe" if trunk == "alexnet_caffe" else "torchvision"
        conditioning = AlexNetClassifier(layout, width=width, side=support_side, classes=scores)
        segmentation = FcnAlexNet(layout, width=width)
    outputs = segmentation.outputs + 1  # w and b
    network = Oslsm(
        conditioning=conditioning,
        head=Hashing(scores, outputs, seed=hash_seed, scale=hash_scale)
        if param_head == "hash"
        else dense_head(scores, outputs, scale=hash_scale),
        segmentation=segmentation,
        side=support_side,
        crop=support_crop,
        support_input=support_input,
        preparation=preparation,
        sigmoid=sigmoid,
    )
    if width == 1 and "trunk" in (weights or {}):
        network.load_published(dict(weights or {})["trunk"], mask_filters)
    network.stages = (
        Segment(
            network,
            samples=samples,
            batch=batch,
            accumulate=accumulate,
            learning_rate=learning_rate,
            conditioning_rate=conditioning_rate,
            bias_rate=bias_rate,
            momentum=momentum,
            decay=decay,
            void=void_train,
            reduction=loss,
            object_weight=object_weight,
        ),
    )
    return network


class Conditioning(nn.Module):
    """The branch g: support pictures (B, C, side, side) -> theta (B, 4097)."""

    def __init__(self, *, classifier: Vgg16Classifier | AlexNetClassifier, head: Hashing | nn.Linear) -> None:
        """An ImageNet classifier down to its scores, which have no ReLU, and the `head` that makes them theta."""
        super().__init__()
        self.classifier, self.head = classifier, head

    def forward(self, pictures: Tensor) -> Tensor:
        """The weights w come first, the bias b last."""
        theta: Tensor = self.head(self.classifier(pictures))
        return theta


class Oslsm(Segmenter):
    """Classifies the pixels of a query with parameters that a network makes of the support."""

    def __init__(
        self,
        *,
        conditioning: Vgg16Classifier | AlexNetClassifier,
        head: Hashing | nn.Linear,
        segmentation: Fcn32 | FcnAlexNet,
        side: int,
        crop: bool,
        support_input: SupportInput,
        preparation: Preparation,
        sigmoid: Literal["after", "before"],
    ) -> None:
        """Two branches without common weights; `side` of the supports in pixels, cut to their object by `crop`."""
        super().__init__()
        self.conditioning = Conditioning(classifier=conditioning, head=head)
        self.segmentation = segmentation
        self.side, self.crop, self.support_input = side, crop, support_input
        self.preparation, self.sigmoid = preparation, sigmoid
        self.register_buffer("pretrained", torch.zeros((), dtype=torch.bool))

    def condition(self, frame: Frame, number: int, void: VoidRule = "background") -> Tensor:
        """Theta (B, 4097) from the B supports of `frame`, for object `number`."""
        pictures = support_pictures(
            frame,
            number,
            side=self.side,
            source=self.support_input,
            preparation=self.preparation,
            void=void,
            crop=self.crop,
        )
        theta: Tensor = self.conditioning(pictures)
        return theta

    def look(self, images: Tensor) -> Tensor:
        """Query images (B, 3, H, W) uint8 -> fc7 (B, 4096, h, w)."""
        return self.segmentation.features(prepared(images, self.preparation))

    def decide(self, cells: Tensor, thetas: Tensor, query: Frame) -> Tensor:
        """Logits (B, K, H, W) of K thetas (B, K, 4097) on fc7 (B, 4096, h, w), at the size of `query`; in float32."""
        with torch.autocast(cells.device.type, enabled=False):
            thetas = thetas.float()
            maps = torch.einsum("bchw,bkc->bkhw", cells.float(), thetas[..., :-1]) + thetas[..., -1, None, None]
            height, width = query.images.shape[-2:]
            if self.sigmoid == "after":
                return self.segmentation.enlarge(maps, height, width)
            return self.segmentation.enlarge(maps.sigmoid(), height, width).logit(eps=1e-6)

    def adapt(self, supports: Supports) -> list[tuple[Tensor, Tensor]]:
        """For each object thetas (B, K, 4097) of the K supports, and which of them show it, bool (B, K)."""
        found = []
        for number in range(1, supports.objects + 1):
            thetas = [
                self.remember(f"theta{number}", frame, partial(self.condition, frame, number), masks=True)
                for frame in supports.frames
            ]
            found.append((torch.stack(thetas, 1), torch.stack([shows(frame, number) for frame in supports.frames], 1)))
        return found

    def predict(self, state: list[tuple[Tensor, Tensor]], queries: Iterable[Frame]) -> Iterator[Prediction]:
        """The largest logit over the supports that show an object: the union of their masks; 0 where none shows it."""
        for query in queries:
            cells = self.remember("fc7", query, partial(self.look, query.images))
            maps = []
            for thetas, shown in state:
                logits = self.decide(cells, thetas, query)
                logits = torch.where(shown[..., None, None], logits, -torch.inf)
                maps.append(logits.amax(1).sigmoid())
            yield Prediction(probabilities=torch.stack(maps, 1))

    def load_published(self, weights: Mapping[str, Tensor], mask_filters: Extra) -> None:
        """Start both branches from an ImageNet classifier; `UserError` where it is another network's.

        Filters of the mask, a fourth input of the first convolution, start as `mask_filters` says; `random` leaves all
        filters of that convolution as they were drawn.
        """
        classifier, segmentation = self.conditioning.classifier, self.segmentation
        if isinstance(classifier, AlexNetClassifier):
            classifier.load_published(weights)
        else:
            classifier.load_torchvision(weights, mask_filters)
        if isinstance(segmentation, FcnAlexNet):
            segmentation.load_published(weights)
        else:
            segmentation.load_torchvision(weights)
        self.get_buffer("pretrained").fill_(True)
        self.show_trunk()

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Take up published weights, and from where those of the branches came."""
        super().load_weights(weights)
        self.show_trunk()

    def show_trunk(self) -> None:
        """Say in `trunk` what the branches' weights began as."""
        self.trunk = "pretrained" if bool(self.get_buffer("pretrained")) else "scratch"
