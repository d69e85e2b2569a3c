"""The OpenAI SDK's two families: openai 2 is built on httpx, openai 3 on httpx2."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import openai

http: Any = import_module(openai.DefaultHttpxClient.__mro__[1].__module__.partition(".")[0])
"""The HTTP library of the installed SDK. The sync and the async client come from the same one."""
