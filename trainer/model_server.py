"""A model behind an OpenAI-compatible address, as the policy (trainer.sample) or as the judge (trainer.evaluate).

One request for each answer, each with its own seed: `transformers serve` ignores `n` and gives one choice
without a word, and a seed of a whole request could not bring one completion back. A server that knows the
prompt already (vLLM) reads it once anyway. The client of the protocol's makers does the waiting and trying
again (429, 5xx, a broken connection) with growing pauses, or as long as the server says.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from trainer.run_dir import RunError

log = logging.getLogger("trainer")
MAX_SEED = 2**31 - 1  # what every server's seed can hold
MAX_TRIES = 6


@dataclass
class Answer:
    text: str
    finish_reason: str  # "stop" or "length"
    num_tokens: int | None  # None where the server does not say


@dataclass(frozen=True)
class Request:
    """One answer to `messages`; temperature 0 takes the likeliest tokens."""

    messages: list[dict[str, str]]
    seed: int
    temperature: float = 1.0
    top_p: float = 1.0
    max_new_tokens: int = 256
    stop: tuple[str, ...] = ()


class ModelServer:
    """A model of an OpenAI-compatible server; the key, where it wants one, is OPENAI_API_KEY."""

    def __init__(self, url: str, model_name: str, concurrency: int, seconds: float = 600.0) -> None:
        from openai import OpenAI

        if not model_name:
            raise RunError(
                f"Say which model of {without_secrets(url)} to ask: --model-name (or --judge-name)."
            )
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise RunError(f"{url} is no http address of a server; write http://host:port/v1.")
        base = urlunsplit(parts._replace(path=parts.path.rstrip("/") or "/v1", query="", fragment=""))
        self.url, self.model_name, self.concurrency = without_secrets(base), model_name, max(1, concurrency)
        key = os.environ.get("OPENAI_API_KEY") or "none"  # the client wants one, most servers do not
        self.client = OpenAI(base_url=base, api_key=key, max_retries=MAX_TRIES - 1, timeout=seconds)

    def entry(self) -> dict[str, str]:
        """How a manifest names it."""
        return {"url": self.url, "model_name": self.model_name}

    def answers(self, requests: Iterable[Request]) -> list[Answer | None]:
        """In the order of the requests; None where the server refuses one (too long, mostly)."""
        with ThreadPoolExecutor(self.concurrency) as pool:
            try:
                return list(pool.map(self.answer, requests))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def answer(self, request: Request) -> Answer | None:
        import openai

        settings: dict[str, Any] = {"stop": list(request.stop)} if request.stop else {}
        try:
            completion = self.client.chat.completions.create(
                model=self.model_name,
                messages=request.messages,  # type: ignore[arg-type]
                seed=request.seed,
                temperature=request.temperature,
                top_p=request.top_p,
                max_tokens=request.max_new_tokens,
                **settings,
            )
        except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
            log.warning("The server refuses a request: %s", error.message)
            return None
        except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
            raise RunError(
                f"{self.url} wants a key ({error.status_code}); set OPENAI_API_KEY to one that may use it."
            ) from None
        except openai.NotFoundError:
            raise RunError(
                f"{self.url} knows no model {self.model_name} or no /chat/completions; correct the address "
                "or the model's name."
            ) from None
        except openai.APIConnectionError as error:
            raise RunError(
                f"{self.url} cannot be reached ({error.__cause__ or error}) after {MAX_TRIES} tries; "
                "start the server, then run the same command again to continue."
            ) from None
        except openai.APIStatusError as error:
            raise RunError(
                f"{self.url} answered {error.status_code} {MAX_TRIES} times; look at the server's log, then run "
                "the same command again to continue."
            ) from None
        except (openai.OpenAIError, ValueError) as error:
            raise RunError(
                f"{self.url} did not answer as an OpenAI-compatible server does: {error}."
            ) from None
        if not getattr(completion, "choices", None):
            raise RunError(f"{self.url} answered without a choice; it is no OpenAI-compatible server.")
        choice, usage = completion.choices[0], completion.usage
        return Answer(
            text=(choice.message.content or "").strip(),
            finish_reason="length" if choice.finish_reason == "length" else "stop",
            num_tokens=usage.completion_tokens if usage else None,
        )


def without_secrets(url: str) -> str:
    """The address without user name, password and query."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


def refuse_greedy(server: ModelServer, probes: list[Request]) -> None:
    """K candidates of a server that always takes the likeliest token are one candidate: say so before the work.

    `probes` are requests with different seeds, several for each of a few prompts. A sampling policy may be
    sure of its answer to one of them; one that is sure of all of them gives nobody anything to choose between.
    """
    answered: dict[str, set[str]] = {}
    for probe, answer in zip(probes, server.answers(probes), strict=True):
        if answer is not None:
            answered.setdefault(repr(probe.messages), set()).add(answer.text)
    if answered and all(len(texts) == 1 for texts in answered.values()):
        raise RunError(
            f"{server.url} gives the same text whatever the seed ({len(probes)} requests, {len(answered)} prompts): "
            "it does not sample. `transformers serve` samples only where the model's generation_config.json says "
            '"do_sample": true; correct that, or raise the temperature.'
        )
