"""Chat templates rendered here, as the tokenizer that owns them would."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from rsd_graph import ConfigurationError, InputError
from rsd_graph.answer.state import Message
from rsd_graph.providers.wires.templates import ChatTemplate

CONVERSATION = [
    Message(role="system", content="Be brief."),
    Message(role="user", content="What is 3+4?"),
]

CHATML = """{% for message in messages %}
    {{- '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}
{%- endfor %}
{% if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %}"""

LLAMA = """{{ bos_token }}{% for m in messages %}{% if m['role'] not in ['user', 'assistant'] %}
{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}
{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + ' [/INST]' }}{% else %}
{{ m['content'] + eos_token }}{% endif %}{% endfor %}"""


def test_a_template_ends_ready_for_the_answer() -> None:
    """The generation prompt is part of the rendering; blocks are trimmed as tokenizers do."""
    rendered = ChatTemplate.load({"chat_template": CHATML}).render(CONVERSATION)

    assert rendered == (
        "<|im_start|>system\nBe brief.<|im_end|>\n"
        "<|im_start|>user\nWhat is 3+4?<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


@pytest.mark.parametrize("bos", ["<s>", {"content": "<s>", "lstrip": False}])
def test_special_tokens_come_from_the_configuration(bos: Any) -> None:
    """Written as text or as an object, the template gets their text."""
    config = {"chat_template": LLAMA, "bos_token": bos, "eos_token": "</s>", "add_bos_token": True}

    rendered = ChatTemplate.load(config).render(CONVERSATION[1:])

    assert rendered.replace("\n", "") == "<s>[INST] What is 3+4? [/INST]"


def test_what_a_model_is_trained_to_write_is_text_in_a_prompt() -> None:
    """Templates mark it for training, as LFM2.5's does."""
    marked = "{% generation %}{{ messages[0].content }}{% endgeneration %}!"

    rendered = ChatTemplate.load({"chat_template": marked}).render(CONVERSATION)

    assert rendered == "Be brief.!"


def test_a_refusal_of_the_template_is_an_input_error() -> None:
    """raise_exception in a template reaches the caller, in the template's words."""
    with pytest.raises(InputError, match="Only user and assistant roles are supported!"):
        ChatTemplate.load({"chat_template": LLAMA}).render(CONVERSATION)


def test_a_conversation_the_template_cannot_read_is_an_input_error() -> None:
    """A field the template needs and the conversation lacks."""
    template = ChatTemplate.load({"chat_template": "{{ messages[5].content.upper() }}"})

    with pytest.raises(InputError, match="refuses this conversation"):
        template.render(CONVERSATION)


def test_the_functions_and_filters_templates_rely_on() -> None:
    """strftime_now, plain JSON, loop controls and generation blocks' neighbours all work."""
    source = (
        "{{ strftime_now('%Y') }}|{{ {'a': '<ü>'} | tojson }}|"
        "{% for m in messages %}{% if loop.index == 2 %}{% break %}{% endif %}{{ m.role }}"
        "{% endfor %}"
    )

    rendered = ChatTemplate.load({"chat_template": source}).render(CONVERSATION)

    assert re.fullmatch(r'20\d\d\|{"a": "<ü>"}\|system', rendered)


@pytest.mark.parametrize(
    "attack",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.append(1) }}",
        "{{ cycler.__init__.__globals__ }}",
    ],
)
def test_a_template_cannot_leave_its_sandbox(attack: str) -> None:
    """Templates come from model repositories: they neither reach Python nor change anything."""
    with pytest.raises(InputError):
        ChatTemplate.load({"chat_template": attack}).render(CONVERSATION)


def test_the_default_of_several_templates_is_taken() -> None:
    """Some tokenizers carry a list of named templates."""
    config = {
        "chat_template": [
            {"name": "tool_use", "template": "tools"},
            {"name": "default", "template": "plain"},
        ]
    }

    assert ChatTemplate.load(config).render(CONVERSATION) == "plain"


@pytest.mark.parametrize("as_folder", [True, False])
def test_a_template_is_loaded_from_its_file_or_folder(tmp_path: Path, as_folder: bool) -> None:
    """The model's folder will do; a chat_template.jinja beside the configuration wins."""
    file = tmp_path / "tokenizer_config.json"
    file.write_text(json.dumps({"chat_template": "old", "bos_token": "<s>"}), encoding="utf-8")
    assert ChatTemplate.load(tmp_path if as_folder else file).render(CONVERSATION) == "old"
    (tmp_path / "chat_template.jinja").write_text("{{ bos_token }}new", encoding="utf-8")

    rendered = ChatTemplate.load(str(tmp_path if as_folder else file)).render(CONVERSATION)

    assert rendered == "<s>new"


@pytest.mark.parametrize("content", [None, "not json", "[1]", "{}", '{"chat_template": null}'])
def test_what_is_no_usable_configuration(tmp_path: Path, content: str | None) -> None:
    """No file, no JSON, no template (a base model): each says what is expected."""
    file = tmp_path / "tokenizer_config.json"
    if content is not None:
        file.write_text(content, encoding="utf-8")

    with pytest.raises(ConfigurationError, match=r"tokenizer_config\.json"):
        ChatTemplate.load(file)


def test_a_template_that_is_not_jinja_is_refused() -> None:
    """A broken template is a configuration error, not the conversation's fault."""
    template = ChatTemplate.load({"chat_template": "{% for"})

    with pytest.raises(ConfigurationError, match="not valid") as caught:
        template.render(CONVERSATION)

    assert not isinstance(caught.value, InputError)
