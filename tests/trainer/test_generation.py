"""Generating: prompts read once for their completions, a cache with room, stop strings; the same texts either way."""

import pytest
import torch
from transformers import DynamicCache

from tests.trainer.tiny import make_model
from trainer.generation import (
    ROOM,
    Sampling,
    completion_text,
    generate,
    new_cache,
    seed_of,
)
from trainer.modeling import encode_prompt, load_causal_lm, load_tokenizer, stop_token_ids
from trainer.run_dir import RunError


@pytest.fixture(scope="module")
def policy(sft_run):
    tokenizer = load_tokenizer(sft_run)
    return load_causal_lm(sft_run, tokenizer).eval(), tokenizer


def texts_of(policy, prompts, seeds, sampling, **how):
    model, tokenizer = policy
    stops = stop_token_ids(tokenizer, model)
    made = generate(model, prompts, seeds, sampling, stops, tokenizer.pad_token_id, tokenizer, **how)
    return [completion_text(tokenizer, one, sampling.stop) for one in made], made


# ---------------------------------------------------------------- a prompt read once


def test_a_prompt_read_once_for_its_completions_gives_the_same_tokens(policy):
    """Prompts of three lengths, with 4, 3 and 1 completions, mixed: rows leave the batch as they finish."""
    prompts = [
        encode_prompt(policy[1], [{"role": "user", "content": text}])
        for text in ("red", "blue green sun", "moon star cat dog bird fish")
    ]
    rows = [prompts[at] for at in (0, 1, 0, 2, 1, 0, 1, 0)]
    seeds = [seed_of("shared", at) for at in range(len(rows))]
    sampling = Sampling(temperature=1.5, max_new_tokens=20)
    _, apart = texts_of(policy, rows, seeds, sampling, share_prefill_from=10**9)
    _, shared = texts_of(policy, rows, seeds, sampling, share_prefill_from=1)
    assert shared == apart
    assert len({tuple(one.token_ids) for one in shared}) > 4
    assert len({len(one.token_ids) for one in shared}) > 1


def test_the_prompt_is_really_read_once(policy):
    model, tokenizer = policy
    prompt = encode_prompt(tokenizer, [{"role": "user", "content": "red blue"}])
    read = []
    hook = model.get_input_embeddings().register_forward_hook(
        lambda module, inputs, output: read.append(tuple(inputs[0].shape))
    )
    try:
        for share_from in (1, len(prompt), len(prompt) + 1):
            texts_of(
                policy, [prompt] * 4, range(4), Sampling(max_new_tokens=1), share_prefill_from=share_from
            )
    finally:
        hook.remove()
    assert read == [(1, len(prompt)), (1, len(prompt)), (4, len(prompt))]


def test_a_cache_with_room_holds_what_the_librarys_holds(tokenizer):
    """Past the room that it begins with, with rows leaving in between; slices are handed on, never the room."""
    model = make_model(tokenizer, num_key_value_heads=1, max_position_embeddings=4 * ROOM).eval()
    ids = torch.randint(6, len(tokenizer), (3, 2 * ROOM + 9), generator=torch.Generator().manual_seed(0))
    kept = torch.tensor([0, 2])
    found = []
    for cache in (new_cache(model), DynamicCache(config=model.config)):
        rows, logits = ids, []
        with torch.inference_mode():
            logits.append(model(rows[:, :5], past_key_values=cache).logits[:, -1][kept])
            for at in range(5, ids.shape[1]):
                if at == ROOM:
                    cache.batch_select_indices(kept)
                    rows = rows[kept]
                step = model(rows[:, at : at + 1], past_key_values=cache).logits[:, -1]
                logits.append(step[kept] if len(step) == 3 else step)
        found.append((torch.stack(logits), cache.layers[1].keys, cache.get_seq_length()))
    assert torch.allclose(found[0][0], found[1][0], atol=1e-5)
    assert torch.allclose(found[0][1], found[1][1], atol=1e-5)
    assert found[0][2] == found[1][2] == ids.shape[1]


# ---------------------------------------------------------------- stop strings


def test_a_stop_string_ends_a_completion_and_is_left_out(policy):
    """Against the same seeds without it: the text up to the string, and not a token more than was needed."""
    tokenizer = policy[1]
    prompt = encode_prompt(tokenizer, [{"role": "user", "content": "red blue"}])
    seeds = list(range(24))
    free, _ = texts_of(policy, [prompt] * 24, seeds, Sampling(2.0, max_new_tokens=24))
    sampling = Sampling(2.0, max_new_tokens=24, stop=("e", "oo"))
    stopped, made = texts_of(policy, [prompt] * 24, seeds, sampling)
    num_cut = 0
    for whole, text, one in zip(free, stopped, made, strict=True):
        found = [at for string in sampling.stop if (at := whole.find(string)) >= 0]
        assert text == (whole[: min(found)].strip() if found else whole)
        assert one.is_cut == bool(found)
        if found:
            num_cut += 1
            assert one.finish_reason == "stop"
            before = tokenizer.decode(one.token_ids[:-1], skip_special_tokens=True)
            assert not any(string in before for string in sampling.stop)
    assert 5 < num_cut < 24


def test_a_stop_string_may_be_spread_over_tokens(policy):
    tokenizer = policy[1]
    prompt = encode_prompt(tokenizer, [{"role": "user", "content": "red blue"}])
    (whole,), _ = texts_of(policy, [prompt], [0], Sampling(0, max_new_tokens=8))
    assert len(whole) > 1
    model_says_more = Sampling(0, max_new_tokens=8, stop=(whole,))
    (text,), (made,) = texts_of(policy, [prompt], [0], model_says_more)
    assert (text, made.finish_reason, made.is_cut) == ("", "stop", True)


def test_an_empty_stop_string_is_refused_and_no_stop_string_leaves_no_trace():
    with pytest.raises(RunError, match="stop string is empty"):
        Sampling(stop=("a", ""))
    assert Sampling().recorded() == {"temperature": 1.0, "top_p": 1.0, "max_new_tokens": 256}
    assert Sampling(**Sampling(stop=("a",)).recorded()) == Sampling(stop=("a",))
