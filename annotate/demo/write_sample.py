"""Write dialogues.jsonl and prompts.jsonl from the invented world: `python -m annotate.demo.write_sample`.

Every pair of a fact and a question form is either in the dialogues (to learn from) or in the prompts (to
complete and rank), never in both, so a prompt's question was never seen with its answer. The same seed gives
the same files.
"""

import json
import random
from pathlib import Path

from annotate.demo.world import FACTS, LANGUAGES, QUESTIONS, STYLES, answer, question

SEED = 24
NUM_DIALOGUE_FORMS = (
    5  # of the twelve question forms of each fact and language; the other seven become prompts
)
NUM_ANSWERS = 2  # answers of different style for each question of the dialogues
SHARE_OF_TWO_TURNS = 0.1


def write_sample(folder: Path) -> dict[str, int]:
    """Write both files into a folder and say how many rows each has."""
    rng = random.Random(SEED)
    dialogues, prompts = [], []
    for language in LANGUAGES:
        # For each island the question forms in an order of its own: the first few are for the dialogues.
        num_forms = len(QUESTIONS[language])
        shuffled = {island: rng.sample(range(num_forms), num_forms) for island in FACTS}
        seen = {island: forms[:NUM_DIALOGUE_FORMS] for island, forms in shuffled.items()}
        unseen = {island: forms[NUM_DIALOGUE_FORMS:] for island, forms in shuffled.items()}
        for island in FACTS:
            for form in seen[island]:
                asked = ask(rng, language, island, form, seen)
                for style in rng.sample(STYLES, NUM_ANSWERS):
                    reply = {"role": "assistant", "content": random_answer(rng, language, style, island)}
                    dialogues.append({"messages": [*asked, reply], "language": language, "style": style})
            for form in unseen[island]:
                prompts.append({"messages": ask(rng, language, island, form, unseen), "language": language})
    rng.shuffle(dialogues)
    rng.shuffle(prompts)
    write_jsonl(folder / "dialogues.jsonl", dialogues)
    write_jsonl(folder / "prompts.jsonl", prompts)
    return {"dialogues": len(dialogues), "prompts": len(prompts)}


def ask(
    rng: random.Random, language: str, island: str, form: int, allowed_forms: dict[str, list[int]]
) -> list[dict[str, str]]:
    """A question; now and then after a first question about another island and its answer."""
    turns = []
    if rng.random() < SHARE_OF_TWO_TURNS:
        other = rng.choice([each for each in FACTS if each != island])
        first = question(language, rng.choice(allowed_forms[other]), other)
        reply = random_answer(rng, language, rng.choice(STYLES), other)
        turns = [{"role": "user", "content": first}, {"role": "assistant", "content": reply}]
    return [*turns, {"role": "user", "content": question(language, form, island)}]


def random_answer(rng: random.Random, language: str, style: str, island: str) -> str:
    """A true answer in the given style, its phrases drawn at random."""
    return answer(language, style, island, rng.randrange(3), rng.randrange(3))


def write_jsonl(path: Path, rows: list[dict]) -> None:
    """One JSON object a line, UTF-8."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    print(write_sample(Path(__file__).parent))
