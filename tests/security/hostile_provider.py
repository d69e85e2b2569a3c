"""A provider whose every word is hostile."""

from __future__ import annotations

import json

from pytest_batcheval.simulator.faults import connection


class Evil:
    """A provider whose every word is hostile: texts of answers, ids, statuses, messages."""

    def __init__(self, words, how):
        self.words, self.how = words, how

    def rule(self, state):
        if self.how == "answers":
            state.rewrite = self.rewrite
        else:
            state.interceptor = self.intercept
        return self

    def rewrite(self, kind, path):
        if kind == "output":
            lines = [json.loads(line) for line in path.read_bytes().splitlines()]
            for line in lines:
                line["response"]["body"]["choices"][0]["message"]["content"] = self.words
            path.write_text("".join(json.dumps(line) + "\n" for line in lines))

    async def intercept(self, exchange):
        if exchange.call == self.how:
            error = {"error": {"message": f"no {self.words}", "type": "x", "param": None, "code": f"c{self.words}"}}
            return await connection.status(exchange, 400, error)
        return await exchange.answer()
