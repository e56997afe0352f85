"""Chat templates that end and forget like those of real thinking models, in as few lines.

Written for these tests: what a model's own template does at the end of its generation prompt and
with `<think>` blocks of earlier turns, and nothing else, so that these tests need no other package.
The genuine texts are their owners'; `tests/providers/wires/test_genuine_templates.py` reads those
that a package ships.
"""

from __future__ import annotations

from collections.abc import Mapping

_TURN = "<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n"
_FORGETS = """\
{%- for m in messages -%}
{%- if m.role == 'assistant' -%}
<|im_start|>assistant
{{ m.content.split('</think>')[-1].lstrip('\n') }}<|im_end|>
{% else -%}
<|im_start|>{{ m.role }}
{{ m.content }}<|im_end|>
{% endif -%}
{%- endfor -%}
"""
_KEEPS = "{%- for m in messages -%}" + _TURN + "{%- endfor -%}"
_GOES_ON = "{{ '<|im_start|>assistant\n' }}"

TEMPLATES: Mapping[str, str] = {
    "Qwen3": _FORGETS
    + _GOES_ON
    + "{%- if enable_thinking is defined and enable_thinking is false -%}"
    + "{{ '<think>\n\n</think>\n\n' }}{%- endif -%}",
    "Qwen3, switched off": _FORGETS + _GOES_ON + "{{ '<think>\n\n</think>\n\n' }}",
    "Qwen3-Thinking-2507": _FORGETS + _GOES_ON + "{{ '<think>\n' }}",
    "QwQ": _FORGETS + _GOES_ON + "{{ '<think>\n' }}",
    "DeepSeek-R1 and distills": "{{ bos_token }}"
    + "{%- for m in messages -%}{%- if m.role == 'user' -%}{{ '<\uff5cUser\uff5c>' + m.content }}"
    + "{%- else -%}{{ '<\uff5cAssistant\uff5c>' + m.content.split('</think>')[-1] }}"
    + "{%- endif -%}{%- endfor -%}{{ '<\uff5cAssistant\uff5c><think>\n' }}",
    "DeepSeek-V3.1": "{{ bos_token }}"
    + "{%- for m in messages -%}{%- if m.role == 'user' -%}{{ '<\uff5cUser\uff5c>' + m.content }}"
    + "{%- else -%}{{ '<\uff5cAssistant\uff5c></think>' + m.content.split('</think>')[-1] }}"
    + "{%- endif -%}{%- endfor -%}{{ '<\uff5cAssistant\uff5c></think>' }}",
    "GLM-4.5": "[gMASK]<sop>{%- for m in messages -%}"
    + "{{ '<|' + m.role + '|>\n' + m.content.split('</think>')[-1].lstrip('\n') }}"
    + "{%- endfor -%}{{ '<|assistant|>' }}",
    "Seed-OSS": "{%- for m in messages -%}{{ '<seed:bos>' + m.role }}"
    + "{%- if m.reasoning_content -%}"
    + "{{ '\n<seed:think>' + m.reasoning_content + '</seed:think>' }}"
    + "{%- endif -%}{{ '\n' + m.content + '<seed:eos>' }}{%- endfor -%}"
    + "{{ '<seed:bos>assistant\n' }}",
    "Granite 3": _KEEPS.replace("im_start", "start_of_role") + _GOES_ON,
    "Qwen2.5": _KEEPS + _GOES_ON,
    "no earlier answers": "{%- for m in messages -%}{%- if m.role == 'assistant' -%}"
    + "{{ raise_exception('no prefill') }}{%- endif -%}{%- endfor -%}"
    + _KEEPS
    + _GOES_ON,
    "gpt-oss": "{%- for m in messages -%}"
    + "{{ '<|start|>' + m.role + '<|message|>' + m.content + '<|end|>' }}"
    + "{%- endfor -%}{{ '<|start|>assistant' }}",
}
"""Model -> a template that ends and forgets like the model's own."""
