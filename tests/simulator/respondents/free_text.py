"""Respondents in free words, Korean and English, in which the built-in word list finds no sign, and judges of them.

What an answer shows is planted, so that a judge can be simulated: it sees the signs with noise, or misuses them. Their
sentences are none of the simulator's; texts have slots, so that hardly two are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from respondent_tables import CODES, personas, questions

from pytest_batcheval.recordings.answer_table import Answers

NOISE = 0.7
UNPLANTED = 0.15
"""Share of answers with a score of what they do not show."""

SLOTS = {
    "ko": {
        "누구": ["언니", "누나", "오빠", "이모", "선배", "고모", "동료", "할머니", "조카", "외숙모"],
        "언제": ["월요일에", "어제", "지난달에", "새벽에", "점심때", "봄에", "명절에", "주말에", "그저께", "작년에"],
        "무엇": ["주전자통", "서랍", "화분", "연필", "우산", "사진첩", "그릇", "창문", "가방", "책상"],
        "어디": ["골목에서", "마당에서", "역에서", "부엌에서", "옥상에서", "시장에서", "버스에서", "강가에서", "도서관에서", "복도에서"],
    },
    "en": {
        "누구": ["Carol", "my cousin", "the neighbour", "Uncle Ray", "the clerk", "Tess", "my old boss", "Grandpa", "the nurse", "Ben"],
        "언제": ["on Monday", "last spring", "at noon", "that winter", "the other day", "before lunch", "in May", "at dawn", "after work", "on Sunday"],
        "무엇": ["kettle", "drawer", "bicycle", "letter", "map", "radio", "window", "scarf", "fence", "ladder"],
        "어디": ["in the yard", "by the station", "in the kitchen", "on the roof", "at the market", "on the bus", "by the creek", "in the hall", "at the pool", "in the shed"],
    },
}  # fmt: skip

SIGNS: dict[str, dict[tuple[str, int], tuple[str, ...]]] = {
    "ko": {
        ("NS", 1): ("{언제} 짐도 안 싸고 {어디} 떠나 버렸죠.", "{무엇} 하나에 마음이 팔려 {어디} 지갑을 비웠어요.", "{누구} 말이 길어지면 듣다 말고 일어서요."),
        ("NS", -1): ("{무엇}도 정해 둔 칸에만 놓아요.", "{언제} 하던 순서대로 {어디} 똑같이 해요.", "{무엇} 하나 사는 데 한 달은 견줘 봐요."),
        ("HA", 1): ("{어디} 누가 볼세라 {무엇} 뒤로 숨었어요.", "{누구} 얼굴만 굳어도 밤새 뒤척여요.", "{언제} {무엇}이 넘어질 것 같아 손이 떨렸어요."),
        ("HA", -1): ("{어디} 처음 본 이들과도 금세 웃고 놀아요.", "{무엇}이 부서져도 뭐 어때 하고 말았죠.", "{언제} {누구}가 말려도 까짓것 하고 뛰어들었어요."),
        ("RD", 1): ("{누구} 목소리만 들어도 코끝이 찡해요.", "{언제} {누구}한테 {무엇}을 안겨 주고 꼭 껴안았어요.", "{누구}가 끄덕여 줘야 하루가 따뜻해요."),
        ("RD", -1): ("{누구}가 와도 문은 반만 열어요.", "{무엇} 얘기면 됐고, 나머지는 물으실 것 없어요.", "{언제} 아무도 안 부르고 {어디} 밥을 먹었어요."),
        ("P", 1): ("{무엇}을 열두 번 고쳐서 {언제} 끝을 봤어요.", "{어디} 다리가 풀려도 마지막까지 갔어요.", "{누구}는 됐다는데 저는 {무엇}을 다시 닦았어요."),
        ("P", -1): ("{무엇}은 반쯤 하다 {어디} 두고 왔어요.", "{언제} 한 번 안 되길래 바로 접었죠.", "{누구}가 마저 하겠지 하고 손을 뗐어요."),
        ("SD", 1): ("{무엇}이 깨진 건 제 탓이라 {언제} 제가 물어 줬어요.", "올해는 {무엇}부터, 내년엔 그다음을 할 겁니다.", "{누구}가 뭐라든 제 길은 제가 골라요."),
        ("SD", -1): ("{누구}만 아니었어도 이 꼴은 아니었어요.", "뭘 바라고 사는지 {언제} 물어도 대답이 없어요.", "{어디} 누가 좀 알아서 고쳐 줬으면 해요."),
        ("CO", 1): ("{누구}라고 까닭이 없었겠어요.", "{언제} {누구}가 미안하다기에 {무엇}도 돌려줬어요.", "{어디} 서로 반씩 물러서면 되더라고요."),
        ("CO", -1): ("{누구}가 넘어졌을 때 속으로 고소했어요.", "{무엇} 값은 두 배로 받아 낼 겁니다.", "선생님이 그걸 알긴 하세요, {언제} 한번 맞혀 보시죠."),
        ("ST", 1): ("{어디} 별을 보면 제가 녹아 없어지는 듯해요.", "{누구}가 떠난 {언제} 새가 온 건 뜻이 있었어요.", "{무엇} 하나에도 온 세상이 이어져 있어요."),
        ("ST", -1): ("{무엇}은 {무엇}일 뿐이죠.", "{누구}가 꿈 얘기를 하면 숫자를 대 보라고 해요.", "{언제} 새가 온 건 모이를 줬으니까요."),
    },
    "en": {
        ("NS", 1): ("I left {언제} with no bag at all.", "One look at a {무엇} and my pay was gone.", "When {누구} drones on I walk out mid-sentence."),
        ("NS", -1): ("The {무엇} goes back to its own hook.", "I do it {어디} in the same order as ever.", "A {무엇} takes me a month of weighing."),
        ("HA", 1): ("I hid behind the {무엇} {어디}.", "If {누구} so much as frowns I lie awake.", "My hands shook {언제} in case the {무엇} fell."),
        ("HA", -1): ("I joke with whoever stands {어디}.", "The {무엇} broke, so what.", "{누구} said stop and I jumped in {언제} anyway."),
        ("RD", 1): ("The voice of {누구} gets me every time.", "I gave {누구} the {무엇} and held on tight.", "A nod from {누구} keeps me warm all day."),
        ("RD", -1): ("Even for {누구} I open the door by half.", "Ask about the {무엇}; the rest is my own.", "I ate {어디} and called nobody."),
        ("P", 1): ("I redid the {무엇} twelve times and got there {언제}.", "My legs gave way {어디} and I went on to the end.", "{누구} said it would do; I polished the {무엇} again."),
        ("P", -1): ("Half the {무엇} is still lying {어디}.", "It failed once {언제}, and that was that.", "I figured {누구} would do the rest."),
        ("SD", 1): ("The broken {무엇} was my doing and I paid {언제}.", "First the {무엇}, next year the step after.", "Whatever {누구} says, I pick my own road."),
        ("SD", -1): ("But for {누구} I would not be in this mess.", "Ask me {언제} what I live for and nothing comes.", "Somebody {어디} ought to sort me out."),
        ("CO", 1): ("{누구} must have had reasons too.", "{누구} said sorry {언제} and I gave back the {무엇}.", "If each steps back half a pace {어디}, it works."),
        ("CO", -1): ("I smirked when {누구} tripped {어디}.", "They will pay double for that {무엇}.", "Call that a job? Have a guess {언제}."),
        ("ST", 1): ("Under the stars {어디} I melt away.", "The bird {언제} came for a reason.", "In a single {무엇} the whole world hangs together."),
        ("ST", -1): ("A {무엇} is a {무엇}.", "When {누구} tells dreams I ask for numbers.", "The bird came {언제} since there was seed."),
    },
}  # fmt: skip

PLAIN = {
    "ko": ("{언제} {누구}하고 {무엇}을 옮겼어요.", "{어디} {무엇}을 봤어요.", "{무엇}은 {어디} 있었고요.", "{언제} {어디} 잠깐 앉았어요.", "{누구}는 {언제} 다녀갔습니다."),
    "en": ("We moved the {무엇} {언제} with {누구}.", "I saw a {무엇} {어디}.", "The {무엇} stood {어디}.", "I sat {어디} for a while {언제}.", "{누구} came by {언제}."),
}  # fmt: skip

HELPER = {
    "ko": ("그 얘기를 해 주셔서 고맙습니다, {언제} 어떤 일이 있었나요?", "{누구}와 있었던 일을 함께 살펴볼게요.", "{무엇}부터 하나씩 적어 보는 연습을 권해 드려요."),
    "en": ("Thank you for sharing; what happened {언제}?", "Let us look at what went on with {누구}.", "I suggest you begin by writing about the {무엇}."),
}  # fmt: skip
"""A counsellor, in words that no list of phrases has."""

POLITE = {
    "ko": ("{누구} 얘기는 오늘은 접어 두겠습니다.", "그 대목은 {언제} 말씀드리지 않으려 해요.", "{무엇} 일은 넘어가 주시면 좋겠네요."),
    "en": ("I would rather leave {누구} out of this today.", "Let me pass on that one, {언제} or any day.", "About the {무엇} I have nothing to add, with respect."),
}  # fmt: skip


@dataclass(frozen=True)
class Speaker:
    """How a respondent answers.

    Attributes:
        language: ko or en.
        share: of the told traits that a question aims at, those that an answer shows.
        samples: of each cell.
        mute: personas that show nothing, counted from the first.
        late: questions in which anybody shows something; all by default.
        inverted: whether the other pole is shown.
        blind: whether a random pole is shown.
        odd: personas with a tic; the others show nothing.
        monologue, neighbours: one text for all questions; every second answer is the one before.
        counsellor, refusing: shares of answers by a counsellor, and of polite refusals.
    """

    language: str = "ko"
    share: float = 0.75
    samples: int = 1
    mute: int = 0
    late: int | None = None
    inverted: bool = False
    blind: bool = False
    odd: int | None = None
    monologue: bool = False
    neighbours: bool = False
    counsellor: float = 0.0
    refusing: float = 0.0


@dataclass
class Spoken:
    """Answers, and what they show.

    Attributes:
        answers: the table, persona by persona.
        planted: shape (n, 7), the pole that an answer shows, 0 for none.
        levels: shape (n, 7), what its persona was told.
        roles: the label of a judge that sees who speaks.
    """

    answers: Answers
    planted: np.ndarray
    levels: np.ndarray
    roles: list[str] = field(default_factory=list)


def spoken(speaker: Speaker, seed: int) -> Spoken:
    """What a respondent says to all questions."""
    rng = np.random.default_rng([seed, speaker.samples])
    people, asked = list(personas()), list(questions())
    records: list[dict[str, Any]] = []
    planted, roles = [], []
    for place, person in enumerate(people):
        kept: list[tuple[str, np.ndarray, str]] = []
        for number, question in enumerate(asked):
            for sample in range(speaker.samples):
                said = _answer(speaker, rng, place, person, number, question)
                if speaker.monologue and kept:
                    said = kept[0]
                elif speaker.neighbours and number % 2:
                    said = kept[-speaker.samples]
                kept.append(said)
                records.append({"persona": person, "question": question, "sample": sample, "text": said[0]})
                planted.append(said[1])
                roles.append(said[2])
    levels = np.array([[r["persona"].levels[code] for code in CODES] for r in records], dtype=float)
    return Spoken(Answers.from_records(records), np.array(planted, dtype=float), levels, roles)


def _answer(
    speaker: Speaker, rng: np.random.Generator, place: int, person: Any, number: int, question: Any
) -> tuple[str, np.ndarray, str]:
    signs = np.zeros(len(CODES))
    chance = rng.random()
    for share, sentences, role in (
        (speaker.counsellor, HELPER, "role_flip"),
        (speaker.refusing, POLITE, "refusal"),
    ):
        if chance < share:
            return " ".join(_filled(rng, speaker.language, sentences[speaker.language], 2)), signs, role
        chance -= share
    silent = place < speaker.mute or (speaker.late is not None and number >= speaker.late)
    parts = _filled(rng, speaker.language, PLAIN[speaker.language], 1)
    if speaker.odd is not None:
        parts += ["음, 그러니까 말이죠, 음." if place < speaker.odd else ""]
        silent = True
    aims = CODES if speaker.monologue else question.targets
    for code in aims:
        level = person.levels[code] if not speaker.blind else int(rng.choice([-1, 1]))
        level = -level if speaker.inverted else level
        if level and not silent and rng.random() < speaker.share:
            parts += _filled(rng, speaker.language, SIGNS[speaker.language][code, level], 1)
            signs[CODES.index(code)] = level
        else:
            parts += _filled(rng, speaker.language, PLAIN[speaker.language], 1)
    return " ".join(part for part in parts if part), signs, "in_role"


def _filled(rng: np.random.Generator, language: str, sentences: Sequence[str], count: int) -> list[str]:
    chosen = [str(sentences[n]) for n in rng.permutation(len(sentences))[:count]]
    return [s.format(**{name: rng.choice(words) for name, words in SLOTS[language].items()}) for s in chosen]


Scores = dict[str, np.ndarray]
Judge = Callable[[Spoken, int], Scores]


def honest(said: Spoken, seed: int, noise: float = NOISE, unplanted: float = UNPLANTED) -> Scores:
    """A judge that sees what is shown: 3 + pole x (1 or 2) + noise; else no score in 85 %, or 3 + noise."""
    rng = np.random.default_rng([seed, 7])
    shape = said.planted.shape
    scores = np.clip(np.rint(3 + said.planted * rng.integers(1, 3, shape) + rng.normal(0, noise, shape)), 1, 5)
    scores[(said.planted == 0) & (rng.random(shape) >= unplanted)] = np.nan
    return by_code(scores)


def liking(said: Spoken, seed: int) -> Scores:
    """A judge that scores every dimension by how much it likes the answer: its good signs less its bad ones."""
    rng = np.random.default_rng([seed, 8])
    good = np.array([1, -1, 1, 1, 1, 1, 1])
    liked = (said.planted * good).sum(axis=1, keepdims=True)
    scores = np.clip(np.rint(3 + good * 0.8 * liked + rng.normal(0, NOISE, said.planted.shape)), 1, 5)
    return by_code(scores)


def hiding(said: Spoken, seed: int) -> Scores:
    """A judge that knows the personas, and gives no score where an answer does not fit its persona."""
    scores = np.column_stack(list(honest(said, seed).values()))
    scores[(scores - 3) * said.levels < 0] = np.nan
    return by_code(scores)


def one_sided(said: Spoken, seed: int) -> Scores:
    """A judge that sees high poles, and half of the low ones."""
    rng = np.random.default_rng([seed, 9])
    scores = np.column_stack(list(honest(said, seed).values()))
    scores[(said.planted < 0) & (rng.random(scores.shape) < 0.5)] = np.nan
    return by_code(scores)


def by_code(scores: np.ndarray) -> Scores:
    return {code: scores[:, column] for column, code in enumerate(CODES)}
