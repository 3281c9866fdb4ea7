"""lmms-eval: its own loader and scorer, with models that are right, or prefer a letter or a word.

Arguments: a folder with `lmms_eval`, the name of the task, the number of options of a question.
"""

import json
import sys
from pathlib import Path

from lmms_eval.api.model import lmms
from lmms_eval.evaluator import simple_evaluate
from lmms_eval.tasks import TaskManager
from PIL import Image

folder, task = Path(sys.argv[1]).resolve(), sys.argv[2]
answers = json.loads((folder / "lmms_eval" / task / "answers.json").read_text(encoding="utf-8"))


class Replies(lmms):
    """Answers right, or always with one letter, after opening what it is shown."""

    def __init__(self, letter=None):
        super().__init__()
        self.letter, self.shown, self.prompts = letter, 0, set()

    def generate_until(self, requests):
        """One reply per request."""
        replies = []
        for request in requests:
            text, _, doc_to_visual, doc_id, name, split = request.args
            doc = self.task_dict[name][split][doc_id]
            picture, video = doc_to_visual(doc)
            assert isinstance(picture, Image.Image) and Path(video).is_file()
            self.shown += 1
            self.prompts.add(text)
            replies.append(self.reply(doc))
        return replies

    def reply(self, doc):
        """The right letter, always one letter, or that of the first word of the alphabet."""
        if self.letter == "word":
            return "ABCDE"[doc["options"].index(min(doc["options"]))]
        return self.letter or f"The answer is {answers[doc['id']]['answer']}."

    def loglikelihood(self, requests):
        """Not asked for."""
        raise NotImplementedError

    def generate_until_multi_round(self, requests):
        """Not asked for."""
        raise NotImplementedError


def run(letter):
    model = Replies(letter)
    manager = TaskManager(include_path=str(folder / "lmms_eval"), include_defaults=False)
    found = simple_evaluate(model=model, tasks=[task], task_manager=manager, batch_size=1)
    scores = {
        name.partition(",")[0]: value
        for name, value in found["results"][task].items()
        if name.startswith("p4d_") and "stderr" not in name
    }
    return model, scores


model, right = run(None)
biased = {letter: run(letter)[1] for letter in ("A", "word")}
groups = {}
for row in answers.values():
    groups.setdefault(row["exchange_group"], []).append(row["answer"])
groups.pop(None, None)
always_a = [row["answer"] == "A" for row in answers.values()]
lucky = sum(set(letters) == {"A"} for letters in groups.values()) / len(groups)
equal = (
    model.shown == len(answers)
    and right == {"p4d_accuracy": 1.0, "p4d_categories": 1.0, "p4d_exchange": 1.0}
    and abs(biased["A"]["p4d_accuracy"] - sum(always_a) / len(always_a)) < 1e-9
    and biased["A"]["p4d_exchange"] == lucky
    and biased["word"]["p4d_exchange"] == 0.0
)
print(json.dumps({
    "rows": model.shown, "equal": bool(equal), "exchange_groups": len(groups),
    "always_A": biased["A"], "first_word": biased["word"],
}))  # fmt: skip
