"""What breaks a naive RSD client over HTTP, numbered, and the tests that keep us from it.

The numbers are those that the docstrings of the tests name ("Gotcha 14"). Each was found by reading
the servers' sources: vLLM 0.33, SGLang 0.5.23, TGI 3.3, llama.cpp, Ollama, TEI 1.9.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]

KEPT: dict[int, tuple[str, str]] = {
    1: (
        "An EOS reported as an int stop_reason looks like a stop: the answer never ends.",
        "providers/wires/test_vllm.py::test_how_a_step_ended",
    ),
    2: (
        'TGI\'s "stop" is the EOS and "stop_sequence" the separator: inverted logic.',
        "providers/wires/test_tgi.py::test_every_way_a_step_can_end",
    ),
    3: (
        "llama.cpp's /v1, Ollama and LiteLLM cannot tell separator from EOS.",
        "providers/wires/test_openai_compatible.py::test_an_ambiguous_end_is_refused_with_its_reason",
    ),
    4: (
        "Half a step, cut by its budget, is separated and scored like a whole one.",
        "test_official_bugs.py::test_b3_a_length_capped_step_is_not_an_answer",
    ),
    5: (
        "The first token is the separator: endless empty steps.",
        "providers/wires/test_completion.py::test_a_leading_separator_is_written_past_once",
    ),
    6: (
        "min_tokens, against empty steps, masks the EOS: babble after the answer.",
        "providers/wires/test_vllm.py::test_every_sampling_parameter_is_explicit",
    ),
    7: (
        "A stop string is never matched across the end of the prompt.",
        "test_official_bugs.py::test_b24_steps_are_joined_with_one_canonical_separator",
    ),
    8: (
        "TGI misses a separator inside a token: several steps in one.",
        "providers/wires/test_tgi.py::test_every_way_a_step_can_end",
    ),
    9: (
        "Chat templates trim the separator at the end of the prefix.",
        "providers/wires/test_completion.py::test_a_step_continues_the_rendered_prefix",
    ),
    10: (
        "Templates write or refuse <think> when an assistant's turn is prefilled.",
        "providers/wires/test_completion.py::test_a_step_continues_the_rendered_prefix",
    ),
    11: (
        "An empty prefill loses the newlines of the header.",
        "providers/wires/test_templates.py::test_a_template_ends_ready_for_the_answer",
    ),
    14: (
        "add_special_tokens on a rendered prompt: a second BOS.",
        "providers/wires/test_llamacpp.py::test_the_opening_token_is_never_doubled",
    ),
    15: (
        "generation_config.json fills in what a request leaves out.",
        "providers/wires/test_vllm.py::test_every_sampling_parameter_is_explicit",
    ),
    16: (
        "More than four stop strings are an error: only the separator is sent.",
        "providers/wires/test_vllm.py::test_every_sampling_parameter_is_explicit",
    ),
    17: (
        "vLLM clamps max_tokens to the context, TGI and SGLang refuse.",
        "providers/wires/test_tgi.py::test_the_budget_is_clipped_to_the_context",
    ),
    18: (
        "A prompt as long as the context gives a confusing 400.",
        "providers/wires/test_vllm.py::test_what_the_context_refuses",
    ),
    19: (
        "The reported tokens are not those of the text that was cut.",
        "providers/wires/test_vllm.py::test_the_separators_token_is_not_part_of_the_text",
    ),
    20: (
        "The prefix as text falls into other tokens than were sampled; tokenizers differ.",
        "providers/wires/test_vllm_tokenizer.py::test_a_token_across_the_prefixs_end_is_scored_whole",
    ),
    21: (
        "The same seed for every step and role: correlated samples.",
        "test_official_bugs.py::test_b27_every_step_and_role_has_a_seed_of_its_own",
    ),
    22: (
        "prompt_logprobs are at temperature 1 and read no prefix cache.",
        "providers/wires/test_vllm_tokenizer.py::test_the_probability_of_given_text",
    ),
    23: (
        "Pooling at step tags reads no prefix cache: each call reads everything again.",
        "providers/prm/test_pooling.py::test_a_run_is_scored_in_one_call",
    ),
    24: (
        "The default activation turns raw rewards into something else.",
        "providers/prm/test_outcome.py::test_vllm_rates_the_answer_so_far_as_a_chat",
    ),
    25: (
        "returned_token_ids slices hidden states: plausible garbage; never sent.",
        "providers/prm/test_token_probability.py::"
        "test_math_shepherd_reads_numbered_steps_up_to_its_tag",
    ),
    26: (
        "The PRM's tag inside a step, or missing: rows and steps do not match.",
        "providers/prm/test_pooling.py::test_rows_must_be_one_pair_per_step",
    ),
    27: (
        "The good label stands first, second, or last: inverted acceptance.",
        "stacks/test_doctor.py::test_a_prm_read_the_wrong_way_round_fails",
    ),
    28: (
        "The PRM's context is shorter than the answer.",
        "test_graph.py::test_a_failing_prm_can_fall_back_to_the_target_and_is_counted",
    ),
    29: (
        "Skywork-o1-Open-PRM cannot be served by a current vLLM or SGLang without our plug-in.",
        "live/test_last_token.py::test_values_are_those_of_transformers",
    ),
    30: (
        "Rewards range over [0, 1], [-1, 1], or everything: no delta is portable.",
        "test_graph.py::test_delta_outside_the_prms_range_is_refused_when_the_graph_is_built",
    ),
    31: (
        "A reasoning parser answers with null text.",
        "providers/wires/test_vllm.py::test_an_answer_without_a_promised_field_is_malformed",
    ),
    32: (
        "cached_tokens is null by default, and null is not zero.",
        "providers/wires/test_vllm.py::test_usage_is_the_servers_and_silence_about_the_cache_is_not_zero",
    ),
    33: (
        "TGI: presence_penalty 0 becomes 2.0; top_p 1 and temperature 0 are errors.",
        "providers/wires/test_tgi.py::test_neutral_values_are_left_out",
    ),
    34: (
        "TGI forgets stop strings after 1024 tokens.",
        "providers/wires/test_tgi.py::test_a_long_budget_is_spent_in_pieces",
    ),
    35: (
        "A stop that is a string, not a list, is a plain-text 422.",
        "providers/wires/test_vllm.py::test_every_sampling_parameter_is_explicit",
    ),
    36: (
        "TGI says nothing without details, and sees the length first.",
        "providers/wires/test_tgi.py::test_every_way_a_step_can_end",
    ),
    37: (
        "Another server's flag is ignored silently: look at the text, not at the flag.",
        "providers/wires/test_openai_compatible.py::test_a_server_that_tells_is_believed",
    ),
    38: (
        "Ollama's /v1/completions applies the template a second time.",
        "providers/wires/test_ollama.py::test_everything_is_sent_explicitly",
    ),
    39: (
        "Batched prompts come back in another order.",
        "providers/prm/test_last_token.py::test_verdicts_are_ordered_by_their_index",
    ),
    40: (
        "Errors are texts, lists, details, nested or not.",
        "providers/http/test_failures.py::test_status_and_body",
    ),
    41: (
        "The SDK's retries multiply with one's own.",
        "providers/http/test_client.py::test_the_last_error_tells_how_often_it_was_tried",
    ),
    43: (
        "What may be tried again differs from server to server.",
        "providers/http/test_client.py::test_a_retryable_failure_is_tried_again",
    ),
    45: (
        "The render routes answer 403 by default.",
        "providers/wires/test_vllm_tokenizer.py::test_the_server_renders_its_own_template",
    ),
    46: (
        "TEI cuts a long text silently and scores the rest.",
        "providers/prm/test_outcome.py::test_tei_rates_question_and_answer_as_a_pair",
    ),
    47: (
        "GenPRM's own code executes what the model wrote.",
        "providers/prm/test_generative.py::test_genprm_analyses_and_judges_without_code",
    ),
}
"""Number -> what goes wrong, and a test that keeps us from it."""

NOT_OURS = {
    12: "continue_final_message alone is a 400: chat routes are never asked to continue.",
    13: "SGLang turns a trailing assistant turn into the user's: same.",
    42: "openai 3 uses httpx2, which mocks of httpx do not see: all fakes here are real servers.",
    44: "/pooling and /tokenize are open despite --api-key: docs/endpoints.md says so.",
}
"""Those that cannot happen here, and why."""


def test_every_number_is_accounted_for() -> None:
    """Kept by a test, or not ours for a reason; never both."""
    assert sorted([*KEPT, *NOT_OURS]) == list(range(1, 48))


@pytest.mark.parametrize("number", KEPT)
def test_the_test_that_keeps_it_exists(number: int) -> None:
    """A renamed or deleted test shows here."""
    file, _, name = KEPT[number][1].partition("::")
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    functions = ast.FunctionDef | ast.AsyncFunctionDef

    assert name in {node.name for node in ast.walk(tree) if isinstance(node, functions)}


def test_numbers_in_docstrings_mean_something() -> None:
    """A test that says "Gotcha 14" is explained by this file."""
    named = {
        int(number)
        for file in TESTS.rglob("test_*.py")
        for group in re.findall(r"[Gg]otchas? ([\d, and]+)", file.read_text(encoding="utf-8"))
        for number in re.findall(r"\d+", group)
    }

    assert named <= set(KEPT)
