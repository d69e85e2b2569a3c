"""What the patients are asked, and the plain checks of one answer. Research caricatures, not diagnoses."""

import re

from pytest_batcheval.catalogue.models import MODEL

COVERING = ["chief_complaint", "daily_life", "conflict", "meaning"]
"""Four questions that aim at all seven dimensions between them: the smallest table that every measure takes."""

INSTRUCTIONS = """\
당신은 정신건강의학과를 처음 찾아온 환자입니다. 상담자의 질문에 환자로서 한국어로 대답하세요.
성격을 설명하는 말을 그대로 되풀이하지 말고, 경험과 감정과 행동으로 보여 주세요. 세 문장에서 다섯 문장으로 대답하세요.
페르소나: {persona}"""

AI_MENTION = re.compile(r"인공지능|AI 언어|언어 모델|챗봇|as an AI|language model|assistant", re.IGNORECASE)
REFUSAL = re.compile(r"답변할 수 없|대답할 수 없는 질문|도와드릴 수 없|I can't (?:answer|help)|I cannot", re.IGNORECASE)
ROLE_FLIP = re.compile(r"무엇을 도와드릴까요|상담사로서|상담자로서|의사로서|환자분|how can I help", re.IGNORECASE)


def interview(persona, question):
    """One intake question to one patient."""
    return {
        "model": MODEL,
        "messages": [
            {"role": "system", "content": INSTRUCTIONS.format(persona=persona.description)},
            {"role": "user", "content": question.text},
        ],
        "reasoning_effort": "none",
        "max_completion_tokens": 300,
    }


def hangul_share(text):
    """Hangul among all letters, from 0 to 1; 0 for a text without letters."""
    letters = [character for character in text if character.isalpha()]
    return sum("가" <= character <= "힣" for character in letters) / len(letters) if letters else 0.0
