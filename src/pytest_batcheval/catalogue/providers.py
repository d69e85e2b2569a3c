"""The batches of each provider as data: limits, marks, the fence of a lost create, and so what can be promised.

From the providers' documentation and SDKs as read in November 2026; no account was used. `None` is not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import urlsplit

Mark = Literal["metadata", "name", "file", "custom_id"]
Fence = Literal["file", "token", "id", "none"]

MEGABYTE = 10**6


@dataclass(frozen=True)
class Capabilities:
    """The batches of one provider.

    Attributes:
        name: as `--batch-backend` has it.
        title: as the provider calls itself.
        base_url: of its API; empty where each account has its own, in `base_url_from`.
        key_from: the environment variables of the key, the SDK's own; the first that is set counts.
        base_url_from: that of the base URL.
        adapter: the form of its API: `openai` for files and batches as OpenAI has them.
        requests: of one batch.
        bytes: of one input file, or of the body of a create.
        inputs: texts of all embedding requests of a batch.
        windows: completion windows, the one that we ask for first.
        hours: the shortest and the longest window of whole hours, where it takes any between them.
        endpoints: paths whose requests a batch can hold; empty where they are not known.
        purpose: of an uploaded input file.
        upload_path: of an upload, below the base URL; empty for that of OpenAI's SDK.
        mark: where a batch carries our mark, by which any machine recognises it; `file` for no mark but the id of its
            input file, by which only the journal that sent it does.
        fence: how a create without an answer is kept from being applied later: by deleting its input file, by repeating
            it with the same token, by an id that the client chooses, or not at all.
        paged: whether its lists have pages.
        pending_files: whether an uploaded file has to be processed before a batch can be created of it.
        retention_days: for which results are kept.
        discount: share of the price of single calls that a batch saves; `None` where it depends on the model.
        cancel: whether a batch can be stopped.
        calls: whether each endpoint takes single calls at its own path below the base URL.
        flex: whether single calls can have the service tier `flex`, at the price of a batch.
    """

    name: str
    title: str
    base_url: str = ""
    key_from: tuple[str, ...] = ("OPENAI_API_KEY",)
    base_url_from: str = "OPENAI_BASE_URL"
    adapter: str = "openai"
    requests: int = 50_000
    bytes: int = 200 * MEGABYTE
    inputs: int = 50_000
    windows: tuple[str, ...] = ("24h",)
    hours: tuple[int, int] | None = None
    endpoints: tuple[str, ...] = ()
    purpose: str = "batch"
    upload_path: str = ""
    mark: Mark = "metadata"
    fence: Fence = "file"
    paged: bool = True
    pending_files: bool = False
    retention_days: int | None = None
    discount: float | None = 0.5
    cancel: bool = True
    calls: bool = True
    flex: bool = False

    def asking_for(self, window: str) -> Capabilities | None:
        """The same with this completion window; `None` where the provider has no such."""
        number = window.removesuffix("h")
        among = self.hours is not None and number.isdecimal() and self.hours[0] <= int(number) <= self.hours[1]
        others = tuple(one for one in self.windows if one != window)
        return replace(self, windows=(window, *others)) if among or window in self.windows else None

    @property
    def promise(self) -> str:
        """The class of what can be promised, `A` to `D`; see `PROMISES`."""
        if self.fence in ("token", "id"):
            return "A"
        if self.mark == "custom_id":
            return "D"
        return "B" if self.fence == "file" else "C"


PROMISES: Mapping[str, str] = {
    "A": "a create without an answer is repeated, and the provider makes one batch of both",
    "B": "a create without an answer is looked for; if it is absent, its input file is deleted before it is sent again",
    "C": "a create without an answer is looked for; only 20 minutes without a trace of it count as absent",
    "D": (
        "a batch says whose it is only when it has ended: until then nothing that it may hold is sent again; machines "
        "that send the same at once do not notice each other, so use a workspace of its own"
    ),
}
"""By class, what is promised of a create whose answer was lost."""

_OPENAI = (
    "/v1/chat/completions",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/completions",
    "/v1/moderations",
    "/v1/images/generations",
    "/v1/images/edits",
    "/v1/videos",
)

_MISTRAL = (
    "/v1/chat/completions",
    "/v1/embeddings",
    "/v1/fim/completions",
    "/v1/moderations",
    "/v1/chat/moderations",
    "/v1/ocr",
    "/v1/classifications",
    "/v1/chat/classifications",
    "/v1/conversations",
    "/v1/audio/transcriptions",
)

COMPATIBLE = Capabilities("openai", "a server with OpenAI's Batch API")
"""A server at a base URL of which nothing else is known."""

PROVIDERS: Mapping[str, Capabilities] = {
    provider.name: provider
    for provider in (
        Capabilities("openai", "OpenAI", "https://api.openai.com/v1", endpoints=_OPENAI, retention_days=30, flex=True),
        Capabilities(
            "azure",
            "Azure OpenAI",
            key_from=("AZURE_OPENAI_API_KEY",),
            base_url_from="AZURE_OPENAI_BASE_URL",
            pending_files=True,
        ),
        Capabilities(
            "groq",
            "Groq",
            "https://api.groq.com/openai/v1",
            key_from=("GROQ_API_KEY",),
            base_url_from="GROQ_BASE_URL",
            hours=(24, 168),
            bytes=100 * MEGABYTE,
            endpoints=("/v1/chat/completions",),
            paged=False,
            retention_days=30,
        ),
        Capabilities(
            "together",
            "Together AI",
            "https://api.together.xyz/v1",
            key_from=("TOGETHER_API_KEY",),
            base_url_from="TOGETHER_BASE_URL",
            bytes=100 * MEGABYTE,
            endpoints=("/v1/chat/completions",),
            purpose="batch-api",
            upload_path="files/upload",
            mark="file",
            fence="none",
            paged=False,
            discount=None,
        ),
        Capabilities(
            "doubleword",
            "Doubleword",
            "https://api.doubleword.ai/v1",
            key_from=("DOUBLEWORD_API_KEY",),
            base_url_from="DOUBLEWORD_BASE_URL",
            windows=("24h", "1h"),
            discount=None,
        ),
        Capabilities(
            "deepinfra",
            "DeepInfra",
            "https://api.deepinfra.com/v1/openai",
            key_from=("DEEPINFRA_API_KEY",),
            base_url_from="DEEPINFRA_BASE_URL",
            endpoints=("/v1/chat/completions", "/v1/completions", "/v1/embeddings"),
            discount=0.2,
        ),
        Capabilities(
            "mistral",
            "Mistral AI",
            "https://api.mistral.ai/v1",
            key_from=("MISTRAL_API_KEY",),
            base_url_from="MISTRAL_BASE_URL",
            hours=(1, 167),
            adapter="mistral",
            requests=1_000_000,
            bytes=512 * MEGABYTE,
            endpoints=_MISTRAL,
            fence="none",
        ),
        Capabilities(
            "anthropic",
            "Anthropic",
            "https://api.anthropic.com",
            key_from=("ANTHROPIC_API_KEY",),
            base_url_from="ANTHROPIC_BASE_URL",
            adapter="anthropic",
            requests=100_000,
            bytes=256 * MEGABYTE,
            endpoints=("/v1/messages",),
            mark="custom_id",
            fence="none",
            retention_days=29,
        ),
        Capabilities(
            "gemini",
            "Gemini",
            "https://generativelanguage.googleapis.com",
            key_from=("GOOGLE_API_KEY", "GEMINI_API_KEY"),
            base_url_from="GOOGLE_GEMINI_BASE_URL",
            adapter="gemini",
            bytes=2_000 * MEGABYTE,
            windows=("48h",),
            endpoints=("/v1beta/models:generateContent",),
            mark="name",
            fence="none",
            pending_files=True,
            retention_days=2,
            calls=False,
        ),
    )
}
"""By the name that `--batch-backend` takes."""


def provider_at(base_url: str) -> Capabilities | None:
    """The provider whose host a URL names; `None` for any other host."""
    host = urlsplit(base_url).hostname
    found = (one for one in PROVIDERS.values() if one.base_url and urlsplit(one.base_url).hostname == host)
    return next(found, None)
