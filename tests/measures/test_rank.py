"""The filter: average of four ranks, the worst 15 % gone, ties by index."""

import numpy as np

from pipeline.measures.rank import kept


def test_drops_the_worst_fifteen_of_a_hundred():
    sifid = np.random.default_rng(0).permutation(100)[:, None].repeat(4, axis=1)
    found = kept(sifid)
    assert len(found) == 85
    assert sifid[found].max() == 84
    assert (np.diff(found) > 0).all()


def test_ranks_count_and_not_distances():
    # 0 is worst by far in one layer and best in the others; 3 is next to worst in all.
    sifid = [[1e9, 0, 0, 0], [1, 1, 1, 1], [2, 2, 2, 2], [3, 3, 3, 3]]
    assert kept(sifid, 0.75).tolist() == [0, 1, 2]


def test_ties_go_to_the_lower_index():
    assert kept(np.zeros((20, 4))).tolist() == list(range(17))
