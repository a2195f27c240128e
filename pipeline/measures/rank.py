"""The filter between synthesis and its use (OSMIS, section 4.3): of all samples the worst by SIFID are dropped."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def kept(sifid: ArrayLike, share: float = 0.85) -> NDArray[np.int64]:
    """Indices, in their order, of the `share` of samples whose rank, averaged over the columns of (n, 4), is best.

    Within a layer the least distance ranks first; ties, of a distance or of an average, go to the lower index.
    """
    distances = np.asarray(sifid, np.float64)
    ranks = distances.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")
    best = ranks.mean(axis=1).argsort(kind="stable")
    return np.sort(best[: round(share * len(distances))])
