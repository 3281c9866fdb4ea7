import numpy as np

from p4d.questions.columns import mix, radix_order


def test_hashes_do_not_change_from_machine_to_machine():
    assert mix(np.array([1, 2]), "x", 3).tolist() == [4342416890258615661, 9479935482464666113]
    assert len(set(mix(np.arange(1000)).tolist())) == 1000


def test_columns_are_ordered_as_numpy_would():
    rng = np.random.default_rng(0)
    for n in (0, 1, 1000):
        columns = [
            rng.integers(0, 2**64, n, dtype=np.uint64, endpoint=False),
            rng.integers(-(2**40), 2**40, n),
            rng.integers(0, 7, n),
            np.zeros(n, dtype=np.int64),
        ]
        assert np.array_equal(radix_order(*columns), np.lexsort(columns))
        few = [rng.integers(-2, 3, n), rng.integers(0, 3, n)]
        assert np.array_equal(radix_order(*few), np.lexsort(few))
