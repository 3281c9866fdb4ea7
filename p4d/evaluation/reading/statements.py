"""The phrases in which a reply states its answer, as patterns over normalised text.

Each pattern ends where the answer begins. What makes a phrase no statement (a condition, a denial,
a question, another person's opinion) is here, too.
"""

from __future__ import annotations

import re

_ANSWER = (
    r"(?:answer|ans|option|choice|selection|response|prediction|conclusion|verdict"
    r"|antwort|réponse|respuesta|resposta|risposta|ответ)"
)
_ANSWER_CJK = r"(?:答案|答え|正解|选项|選項|选择|選擇|正确答案|정답|답안|답)"
_COPULA = (
    r"(?:\b(?:is|was|are|be|being|would be|should be|must be|will be|has to be|seems to be"
    r"|appears to be|ist|est|es|è|é)\b|:|=|->|=>|→|⇒)"
)
_COPULA_CJK = r"(?:应该是|應該是|是|为|為|は|은|는|[:=])"
_FILLER = (
    r"(?:\s*(?:\b(?:therefore|thus|hence|then|still|clearly|simply|definitely|probably|likely"
    r"|most likely|most probably|indeed|obviously|in fact|actually|option|choice|answer|letter"
    r"|the letter|the option|the choice|the number|that|the following|as follows)\b|[:=]))*"
)

ANSWER_IS = re.compile(
    rf"(?:\b{_ANSWER}(?:\s+(?:choice|option|letter))?"
    rf"(?:\s+(?:to|for|of|based on|from|given|in)\b[^.\n:?!=]{{0,80}}?)?[\"')]*\s*{_COPULA}"
    rf"|{_ANSWER_CJK}\s*{_COPULA_CJK}?){_FILLER}\s*",
    re.IGNORECASE,
)
"""What "the answer is", "Answer:" or "final answer =" is followed by is the answer."""

DECISION = re.compile(
    r"(?:(?:故|所以|因此)?选择?|\b(?:say|guess|go with|opt for|choose|pick|select|going with"
    r"|opting for"
    r"|choosing|selecting|selected|settle on|think|believe|definitely|probably|certainly|surely"
    r"|elimination|letter is|letter|result|so|therefore|thus|hence|consequently|it'?s|it is|that'?s"
    r"|that is"
    r"|must be|has to be|which is|leaves|leaving|conclude that|corresponds to|matches)\b)"
    rf"\s*[,:]?{_FILLER}\s*",
    re.IGNORECASE,
)
"""What follows is an answer if it is a letter."""

IS_CORRECT = re.compile(
    r"[\"')\]]*\s*(?:is|was|must be|would be|should be|seems|seems to be|looks)\s+"
    r"(?:(?:the|most|clearly|therefore|thus|also|my|probably|likely)\s+)*"
    r"(?:only\s+|final\s+|best\s+)*"
    r"(?:correct|right|true|best|answer|accurate|plausible|appropriate|likely)\b"
    r"(?!\s+(?:in|of)\s+(?:that|saying))",
    re.IGNORECASE,
)
"""What precedes "is correct" or "is the right answer" is the answer."""

NAMED_OPTION = re.compile(r"\b(?:option|choice|answer)\s+", re.IGNORECASE)
BRACKETED = re.compile(r"\(\s*([A-Ea-e])\s*\)")

_UNSTATED_BEFORE = re.compile(
    r"(?:\b(?:if|whether|unless|suppose|supposing|assuming|assume|were|would have"
    r"|not (?:true|clear|sure|certain|convinced|the case)(?: that)?"
    r"|not (?:think|believe|say|mean)(?: that)?|doubt(?: that)?|unlikely(?: that)?|deny|denied"
    r"|(?:might|may|could|would|can|some|someone|one|people|others|they) (?:say|think|argue|claim|"
    r"answer|believe|guess)(?: that)?)|n't (?:think|believe|say|mean|know)(?: that)?)\b"
    r"[^.;:\n]{0,40}$",
    re.IGNORECASE,
)
_WRONG_BEFORE = re.compile(
    r"\b(?:wrong|incorrect|false|other|another|previous|earlier|initial|opposite|their|each|every"
    r"|any|which|what|neither|no|not(?: an?| the)?|invalid|tempting|common)\s*$",
    re.IGNORECASE,
)
DENIED = re.compile(r"\b(?:not|never|neither|nor|no|cannot|without)\b|n't\b", re.IGNORECASE)
DENIED_BEFORE = re.compile(r"(?:\b(?:not|never|cannot)|n't)\s*$", re.IGNORECASE)
DENIAL = re.compile(
    r"\b(?:not|never|neither|nor|no|cannot|without|instead of|rather than|unlike|except|wrong"
    r"|incorrect|false|unlikely|opposite|whether|if|would|could|might|may|either|or|unless|some"
    r"|eliminate[sd]?|ruled? out|unclear|unable|can't determine|versus|vs"
    r"|contradicts?|disagree[sd]?|reject(?:s|ed)?|dismiss(?:es|ed)?|excludes?d?|against)\b|n't\b|\?",
    re.IGNORECASE,
)
"""Words with which the mention of an option's text states nothing."""

DENIED_AFTER = re.compile(
    r"^[\"')\]]*\s*(?:,?\s*(?:which\s+)?(?:is|was|are|can|could|would|does|seems|must|has|have|"
    r"should|may|might)(?:\s+(?:be|also|clearly|therefore|thus|to be))*\s*(?:n't|not\b|wrong\b"
    r"|incorrect\b|false\b|unlikely\b|out\b|ruled\b|eliminated\b|impossible\b|implausible\b|tempting\b)"
    r"|cannot\b|can't\b|isn't\b|wrong\b|incorrect\b)",
    re.IGNORECASE,
)
ANOTHER_AFTER = re.compile(
    r"^[\"')\]]*\s*(?:or|and|/|,|&|\+|-|–|vs\.?|versus)\s*(?:option\s+|choice\s+|maybe\s+|perhaps\s+)?"
    r"[\"'(\[]*([A-E])(?![\w'])",
)
RETRACTED_AFTER = re.compile(
    r"(?:^|[.!?\n]\s*|\b)(?:wait\b|hold on\b|on second thought|scratch that"
    r"|let me (?:re|double|check|verify|think|look)|hmm\b"
    r"|(?:oh|actually|no),\s|i was wrong|i made a mistake|correction\s*:)",
    re.IGNORECASE,
)


def is_unstated(sentence_before: str) -> bool:
    """Return whether what precedes a phrase in its sentence makes it no statement."""
    return bool(_UNSTATED_BEFORE.search(sentence_before) or _WRONG_BEFORE.search(sentence_before))
