"""Labels as text: what a student could be taught instead of distillation, at equal budget.

The labels of a teacher become facts, and every fact one question with its value as the answer, in
words: "At 0.5 sec, <obj_1> position right, in metres?" and "0.41 m". Fine-tuning on them beside the
questions of a release costs as many steps as fine-tuning on the questions alone, and nothing at
inference. The difference to the distilled student is what distillation adds to the labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from p4d.errors import ContractError
from p4d.ids import content_id, seed_for
from p4d.questions.facts.table import Fact
from p4d.questions.wording import interval
from p4d.students.data.fact_text import FactTexts, fact_value
from p4d.students.data.questions import Question
from p4d.students.model.chat import question_turn


@dataclass(frozen=True, kw_only=True)
class LabelQuestion(Question):
    """A question whose answer is a text, not one of several options."""

    @property
    def answers_in_text(self) -> bool:
        """The answer is a text for every student."""
        return True

    def turn(self) -> str:
        """Return the question alone; its answer is no option."""
        return question_turn(self.question, ())


def with_label_questions(
    questions: Sequence[Question], texts: Mapping[str, FactTexts]
) -> list[Question]:
    """Return the questions and, for each clip, as many questions about its labels.

    Equal numbers make the two kinds equally likely in every row of a run. Which facts are asked is
    drawn by their ids.

    Args:
        questions: of the train split.
        texts: facts by shard.

    Raises:
        ContractError: no clip has a fact about its marked regions.
    """
    by_clip: dict[tuple[str, str], list[Question]] = {}
    for question in questions:
        by_clip.setdefault((question.shard, question.clip_id), []).append(question)
    added: list[Question] = []
    for (shard, clip_id), asked in sorted(by_clip.items()):
        facts = texts[shard].named(clip_id)
        drawn = sorted(facts, key=lambda fact: seed_for("label question", fact.fact_id))
        marks = texts[shard].marks(clip_id)
        added += [_question(asked[0], fact, marks) for fact in drawn[: len(asked)]]
    if not added:
        raise ContractError("no clip of the train split has a fact about a marked region")
    return [*questions, *added]


def _question(sibling: Question, fact: Fact, marks: Mapping[str, int]) -> LabelQuestion:
    who = " and ".join(f"<obj_{marks[region]}>" for region in fact.region_ids)
    kind = fact.kind.replace("_", " ")
    text = f"{interval(fact.start_ns, fact.end_ns)}, {f'{who} ' if who else ''}{kind}?"
    return LabelQuestion(
        qa_id=content_id("label", fact.fact_id),
        clip_id=sibling.clip_id,
        video_id=sibling.video_id,
        shard=sibling.shard,
        category=sibling.category,
        question=text,
        options=(fact_value(fact),),
        answer_index=0,
        dynamic=fact.start_ns != fact.end_ns,
    )
