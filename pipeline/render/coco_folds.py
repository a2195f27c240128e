"""COCO-20i's four folds of COCO's eighty classes, as RePRI's code numbers them (arXiv 2012.06166)."""

from pipeline.errors import UserError

CLASSES = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow",
    "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee",
    "skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard",
    "tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple",
    "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch",
    "potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard", "cell phone",
    "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors", "teddy bear",
    "hair drier", "toothbrush",
)  # fmt: skip
"""Class k of the masks, 1 to 80, is `CLASSES[k - 1]`: categories by increasing official number."""
UNUSED = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
"""Official numbers up to 90 that name no category."""
FOLDS = range(4)


def novel(fold: int) -> tuple[int, ...]:
    """The twenty classes that a fold keeps for testing, i+1, i+5, ..., i+77; `UserError` for a fold that is none."""
    if fold not in FOLDS:
        raise UserError(f"fold={fold}: COCO-20i has the folds 0 to 3")
    return tuple(range(fold + 1, len(CLASSES) + 1, len(FOLDS)))


def base(fold: int) -> tuple[int, ...]:
    """The sixty classes that a fold trains on, in ascending order."""
    kept = novel(fold)
    return tuple(c for c in range(1, len(CLASSES) + 1) if c not in kept)
