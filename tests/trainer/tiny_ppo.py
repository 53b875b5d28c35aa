"""What the tests of PPO share: reward models worked out by hand, a bandit, and ways to run and read a run."""

import contextlib

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from tests.trainer.tiny import prompt_row, run_in_process
from trainer import ppo, ppo_models, ppo_update, rollouts, run_dir
from trainer.modeling import encode_prompt, load_causal_lm, load_tokenizer, save_model
from trainer.snapshot import SnapshotWriter

LIKED = "sun"
CLOCK = ("time", "eps", "seconds/rollout", "seconds/update", "mfu", "mfu/rollout", "mfu/update")


def reward_model_that_likes_a_word(path, tokenizer, strength=1.0, mean=0.0):
    """A reward model worked out by hand: its score is the share of one token among all that it reads.

    One layer of attention that looks at everything equally and passes embeddings on unchanged; the embedding of the
    liked token points one way, that of all others another. With strength 0 it scores everything 0.
    """
    from transformers import LlamaConfig, LlamaForSequenceClassification

    size = 8
    model = LlamaForSequenceClassification(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=size,
            intermediate_size=size,
            num_hidden_layers=1,
            num_attention_heads=1,
            num_key_value_heads=1,
            max_position_embeddings=128,
            pad_token_id=tokenizer.pad_token_id,
            num_labels=1,
        )
    )
    (liked,) = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in [LIKED])
    layer = model.model.layers[0]
    with torch.no_grad():
        for weights in (
            *layer.mlp.parameters(),
            layer.self_attn.q_proj.weight,
            layer.self_attn.k_proj.weight,
        ):
            weights.zero_()
        for projection in (layer.self_attn.v_proj, layer.self_attn.o_proj):
            projection.weight.copy_(torch.eye(size))
        model.model.embed_tokens.weight.zero_()
        model.model.embed_tokens.weight[:, 1] = 1.0
        model.model.embed_tokens.weight[liked[-1]] = torch.eye(size)[0]
        model.score.weight.copy_(strength * torch.eye(size)[:1])
    path.mkdir()
    save_model(path, model, tokenizer, {"mean": mean, "std": 0.5})
    return path


# ---------------------------------------------------------------- runs


def run_ppo(arguments, **changes):
    return run_in_process(ppo, ppo.PPOConfig, **arguments | changes)


def train_with(score, arguments, **changes):
    """`ppo.train` with a function that scores, as a program calls it; gives the metrics."""
    settings = arguments | changes
    run = run_dir.start(settings["run_dir"], "ppo", settings)
    try:
        metrics, inputs = ppo.train(ppo.PPOConfig(**settings), run, score=score)
        run.finish(metrics, inputs)
    finally:
        run.close()
    return metrics


def metrics_of(arguments):
    """Rows of the run without what depends on the clock."""
    rows = run_dir.read_metrics(arguments["run_dir"])
    return [{name: value for name, value in row.items() if name not in CLOCK} for row in rows]


def result_of(arguments):
    return run_dir.read_manifest(arguments["run_dir"], verify=True)["metrics"]


def weights_of(arguments):
    """(weights,) of the policy that a run ended with."""
    model = load_causal_lm(arguments["run_dir"], load_tokenizer(arguments["run_dir"]))
    return torch.cat([p.detach().flatten() for p in model.parameters()])


@contextlib.contextmanager
def death_at(step, how, first_step):
    """An error once `step` optimizer steps are taken, in a process that begins with `first_step` of them.

    how: "step" right after the optimizer moved the weights, "forward" in the next pass that learns,
    "interrupt" as well, but at once as a second Ctrl-C does, so that no checkpoint is made.
    """
    taken = [first_step]

    def after_step(*_):
        taken[0] += 1
        if how == "step" and taken[0] == step:
            raise AssertionError("out of nowhere")

    def before_forward(module, _):
        if type(module).__name__ == "PolicyAndValue" and torch.is_grad_enabled() and taken[0] == step:
            if how == "forward":
                raise AssertionError("out of nowhere")
            if how == "interrupt":
                raise KeyboardInterrupt

    hooks = [
        register_optimizer_step_post_hook(after_step),
        torch.nn.modules.module.register_module_forward_pre_hook(before_forward),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def loaded(arguments, **changes):
    """(configuration, accelerator, models) of a run that never begins."""
    config = ppo.PPOConfig(**arguments | changes)
    accelerator = ppo.new_accelerator(config)
    return config, accelerator, ppo_models.load_models(config, accelerator)


def first_batch(arguments, **changes):
    """(configuration, accelerator, models, the rollouts of its first batch)."""
    config, accelerator, models = loaded(arguments, **changes)
    prompts = rollouts.load_prompts(config, models.tokenizer, 100)
    chosen = rollouts.in_shuffled_passes(prompts, list(range(config.batch_size)), config.seed, "prompts")
    seeds = list(range(config.batch_size))
    return config, accelerator, models, rollouts.roll_out(config, models, accelerator, chosen, seeds)


def learn_from(config, accelerator, models, rolled, ptx_texts=()):
    """What the optimizer steps on one batch of rollouts say of themselves."""
    progress = ppo_update.Progress(rollouts=rolled)
    return ppo_update.update(config, models, accelerator, progress, list(ptx_texts))


# ---------------------------------------------------------------- a bandit

ARMS = ("<pad>", "<end>", "a", "b", "c", "d", "e", "f")
PAYS = torch.tensor([0.3, -0.5, 1.0, 0.2, -1.0, 0.6, 0.0, -0.2])
BANDIT_PROMPT = [{"role": "user", "content": "a b"}]


def make_bandit(path):
    """One prompt, completions of one token out of eight (padding and end token among them), a random policy."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({arm: i for i, arm in enumerate(ARMS)}, unk_token="a"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token=ARMS[0],
        eos_token=ARMS[1],
        chat_template="{% for m in messages %}{{ m['content'] + ' ' }}{% endfor %}",
    )
    torch.manual_seed(1)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(ARMS),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=2,
            max_position_embeddings=16,
            pad_token_id=0,
            eos_token_id=1,
            bos_token_id=None,
            tie_word_embeddings=False,
        )
    )
    torch.nn.init.normal_(model.lm_head.weight, std=0.3)  # a policy with preferences
    save_model(path / "policy", model, tokenizer)
    with SnapshotWriter(path / "snapshot") as writer:
        writer.write("prompts", prompt_row(0, BANDIT_PROMPT[0]["content"], "train"))
        writer.close()
    return {
        "snapshot": str(path / "snapshot"),
        "init_model": str(path / "policy"),
        "run_dir": str(path / "run"),
        "num_episodes": 40 * 256,
        "batch_size": 256,
        "max_new_tokens": 1,
        "missing_eos_penalty": 0.0,
        "learning_rate": 2e-2,
        "kl_coef": 0.5,
        "shared_trunk": True,
        "checkpoint_every": 1000,
        "keep": "last",
    }


def arm_probabilities(path):
    """(8,) what the policy in a directory or a finished run does."""
    tokenizer = load_tokenizer(path)
    ids = encode_prompt(tokenizer, BANDIT_PROMPT)
    with torch.no_grad():
        return load_causal_lm(path, tokenizer)(torch.tensor([ids])).logits[0, -1].softmax(-1)


def total_variation(p, q):
    return float((p - q).abs().sum() / 2)
