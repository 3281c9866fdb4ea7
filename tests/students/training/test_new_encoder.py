import pytest
import torch

from p4d.errors import ContractError
from p4d.students.model.student import load
from p4d.students.training.new_encoder import draw_encoder
from p4d.students.training.stages import build_p4d, build_sft
from tests.students.training.test_trainer import BUDGET, inputs_of, weights_of


def test_the_encoder_is_drawn_anew_and_all_else_is_kept(student_folder):
    student, drawn, again = (load(student_folder).adapter for _ in range(3))
    draw_encoder(drawn, seed=1)
    draw_encoder(again, seed=1)
    inside = {id(weight) for weight in drawn.encoder().parameters()}
    before = dict(student.model.named_parameters())
    changed = 0
    for (name, weight), same in zip(
        drawn.model.named_parameters(), again.model.parameters(), strict=True
    ):
        assert torch.equal(weight, same)
        if id(weight) in inside:
            changed += not torch.equal(weight, before[name])
        else:
            assert torch.equal(weight, before[name])
    assert changed > 3


def test_only_the_arm_that_distils_begins_with_it(project, tmp_path):
    for name, build, stage in (
        ("sft", build_sft, "student_sft"),
        ("p4d", build_p4d, "student_p4d"),
    ):
        for encoder in ("base", "new"):
            inputs = inputs_of(
                project, stage, training={**BUDGET, "steps": 1}, distillation={"encoder": encoder}
            )
            build(inputs, tmp_path / name / encoder)
    sft, p4d = (
        [weights_of(tmp_path / name / encoder) for encoder in ("base", "new")]
        for name in ("sft", "p4d")
    )
    assert all(torch.equal(value, sft[1][key]) for key, value in sft[0].items())
    visual = [key for key in p4d[0] if "vision_tower" in key and p4d[0][key].ndim == 2]
    assert visual and not any(torch.equal(p4d[0][key], p4d[1][key]) for key in visual)


def test_a_network_without_numbers_is_refused(project):
    adapter = load(project.root / "base_student").adapter
    adapter.model.to("meta")
    with pytest.raises(ContractError, match=r"distillation\.encoder: base"):
        draw_encoder(adapter, seed=1)
