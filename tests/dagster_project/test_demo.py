from dagster_project.demo import how_arms_differ
from p4d.config import replace_params
from p4d.project import Project


def test_the_table_says_what_p4d_had_and_sft_had_not():
    params = Project.find().params
    said = how_arms_differ(params)
    assert "same questions" in said and "expert4d perceives in their clips" in said
    first = replace_params(
        params,
        distillation={
            "perception_steps": 350,
            "encoder": "new",
            "modalities": (),
            "perception_views": 8,
        },
    )
    said = how_arms_differ(first)
    for part in ("an untrained encoder of P4D", "8 views of each", "350 steps"):
        assert part in said
