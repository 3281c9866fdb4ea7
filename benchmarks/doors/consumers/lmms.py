"""lmms-eval: its own loader and scorer, with models that are right, or prefer a letter.

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
answers = json.loads((folder / "lmms_eval" / task / "answers.json").read_text())


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
            replies.append(self.letter or f"The answer is {answers[doc['id']]['answer']}.")
        return replies

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
biased = {letter: run(letter)[1] for letter in "ABCD"}
groups = {row["exchange_group"] for row in answers.values()} - {None}
in_group = [row["answer"] for row in answers.values()]
share = {letter: in_group.count(letter) / len(in_group) for letter in "ABCD"}
equal = (
    model.shown == len(answers)
    and right == {"p4d_accuracy": 1.0, "p4d_categories": 1.0, "p4d_exchange": 1.0}
    and all(abs(biased[x]["p4d_accuracy"] - share[x]) < 1e-9 for x in "ABCD")
    and all(biased[x]["p4d_exchange"] == 0.0 for x in "ABCD")
)
print(json.dumps({
    "rows": model.shown, "equal": bool(equal), "exchange_groups": len(groups),
    "always_A": biased["A"],
}))  # fmt: skip
