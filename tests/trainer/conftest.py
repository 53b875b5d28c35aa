"""Made once for all of the trainer's tests: a base model, a snapshot, a finished SFT and reward run."""

import pytest

from tests.trainer.tiny import make_model, make_tokenizer, run_in_process, write_snapshot


@pytest.fixture(scope="session")
def snapshot_dir(tmp_path_factory):
    return write_snapshot(tmp_path_factory.mktemp("snapshots") / "tiny")


@pytest.fixture(scope="session")
def tokenizer():
    return make_tokenizer()


@pytest.fixture(scope="session")
def base_model_dir(tmp_path_factory, tokenizer):
    """A 2-layer Llama with random weights, saved as safetensors with its tokenizer."""
    path = tmp_path_factory.mktemp("models") / "base"
    make_model(tokenizer).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


@pytest.fixture(scope="session")
def sft_run(tmp_path_factory, snapshot_dir, base_model_dir):
    """A finished SFT run, good enough to answer with words; its loss curve is checked in test_sft."""
    from trainer import sft

    path = tmp_path_factory.mktemp("runs") / "sft"
    code = run_in_process(
        sft,
        sft.SftConfig,
        snapshot=snapshot_dir,
        init_model=base_model_dir,
        run_dir=path,
        learning_rate=5e-3,
        max_steps=60,
        per_device_batch_size=16,
        logging_steps=5,
    )
    assert code == 0
    return path


@pytest.fixture(scope="session")
def reward_run(tmp_path_factory, snapshot_dir, sft_run):
    """A finished reward run on the SFT model."""
    from trainer import reward

    path = tmp_path_factory.mktemp("runs") / "reward"
    code = run_in_process(
        reward,
        reward.RewardConfig,
        snapshot=snapshot_dir,
        init_model=sft_run,
        run_dir=path,
        learning_rate=3e-3,
        num_epochs=4,
        logging_steps=4,
        eval_steps=8,
    )
    assert code == 0
    return path


@pytest.fixture(scope="session")
def likes_a_word(tmp_path_factory, tokenizer):
    """A reward model for PPO whose score is the share of one word."""
    from tests.trainer.tiny_ppo import reward_model_that_likes_a_word

    return reward_model_that_likes_a_word(tmp_path_factory.mktemp("reward") / "likes", tokenizer)


@pytest.fixture
def ppo_arguments(tmp_path, snapshot_dir, sft_run, likes_a_word):
    """A short run: 4 batches of 16 episodes of at most 8 tokens, 4 optimizer steps for each."""
    return {
        "snapshot": str(snapshot_dir),
        "init_model": str(sft_run),
        "reward_model": str(likes_a_word),
        "run_dir": str(tmp_path / "ppo"),
        "num_episodes": 64,
        "batch_size": 16,
        "max_new_tokens": 8,
        "num_ppo_epochs": 2,
        "num_mini_batches": 2,
        "learning_rate": 1e-3,
        "checkpoint_every": 1,
        "sample_every": 2,
        "num_samples": 2,
        "eval_every": 0,
    }
