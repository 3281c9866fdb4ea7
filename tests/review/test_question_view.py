"""What a page says about the source of an answer."""

import pytest

from p4d.review.question_view import basis


@pytest.mark.parametrize(
    ("has_truth", "teachers", "said"),
    [
        (True, ["exact"], "exact truth"),
        (True, [], "exact truth"),
        (False, ["expert4d", "expert4d"], "labels of expert4d"),
        (False, ["dis", "expert4d", "dis"], "labels of dis and expert4d"),
        (False, ["exact", "depth_pro"], "exact truth and labels of depth_pro"),
        (False, [], "labels of teachers"),
    ],
)
def test_the_teachers_are_named(has_truth, teachers, said):
    assert basis(has_truth, teachers) == said
