"""The text of a prompt: chat turns with lettered options.

Training, scoring and generation share this rendering, so their prompts are equal.
The layout is the chat format of Qwen2 (the language model of LLaVA-OneVision); regions are named
`<obj_1>` ... `<obj_9>` in the text and drawn on the marked picture that precedes the clip's frames.
"""

from __future__ import annotations

from collections.abc import Sequence

from p4d.external.conversation import IMAGE, VIDEO

LETTERS = "ABCDE"
PAD = "<|pad|>"
TURN_START = "<|im_start|>"
TURN_END = "<|im_end|>"
REGION_MARKS = tuple(f"<obj_{k}>" for k in range(1, 10))
SPECIAL_TOKENS = (PAD, TURN_START, TURN_END, VIDEO, IMAGE, *REGION_MARKS)


def opening(*, sees_video: bool) -> str:
    """The text before every question: the start of the user's turn and, if seen, the video."""
    return f"{TURN_START}user\n" + (f"{VIDEO}\n" if sees_video else "")


def question_turn(question: str, options: Sequence[str]) -> str:
    """The question, its lettered options, and the start of the assistant's turn."""
    lines = "".join(f"{letter}. {text}\n" for letter, text in zip(LETTERS, options, strict=False))
    return f"{question}\n{lines}{TURN_END}\n{TURN_START}assistant\n"
