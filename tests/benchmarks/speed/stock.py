"""Stock Gradio: `gr.ChatInterface` with the openai client, as Gradio's guide shows it.

python -m tests.benchmarks.speed.stock ENDPOINT MESSAGES
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from typing import Any

import gradio as gr
from openai import AsyncOpenAI

from tests.benchmarks.speed.text import history


def main() -> None:
    client = AsyncOpenAI(base_url=sys.argv[1], api_key="none")
    value: list[Any] = [
        {"role": "assistant" if number % 2 else "user", "content": text}
        for number, text in enumerate(history(int(sys.argv[2])))
    ]

    async def answer(message: str, history: list[Any]) -> AsyncIterator[Any]:
        messages: list[Any] = [{"role": said["role"], "content": said["content"]} for said in history]
        stream = await client.chat.completions.create(
            model="fake", messages=[*messages, {"role": "user", "content": message}], stream=True
        )
        thought = said = ""
        async for chunk in stream:
            for choice in chunk.choices:
                thought += getattr(choice.delta, "reasoning_content", None) or ""
                said += choice.delta.content or ""
                if thought:
                    thinking = gr.ChatMessage(role="assistant", content=thought, metadata={"title": "Thinking"})
                    yield [thinking, gr.ChatMessage(role="assistant", content=said)]
                elif said:
                    yield said

    chat = gr.ChatInterface(answer, chatbot=gr.Chatbot(value=value, elem_id="chat"), analytics_enabled=False)
    _, address, _ = chat.launch(prevent_thread_lock=True, quiet=True)
    print(address, flush=True)
    chat.block_thread()


if __name__ == "__main__":
    main()
