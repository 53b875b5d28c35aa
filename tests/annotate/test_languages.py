"""The server's sentences in every language: none is missing, none has lost its values, and people get theirs."""

import gettext
import io
import re
from pathlib import Path

import pytest
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils.translation import to_locale

from annotate.accounts.services import create_token
from annotate.exchange.services import advance_imports
from tests.annotate.moves import leased

ROOT = Path(__file__).resolve().parent.parent.parent
LOCALES = {path.name: path / "LC_MESSAGES" for path in (ROOT / "annotate" / "locale").iterdir()}
PLACEHOLDER = re.compile(r"%\(\w+\)[\d.]*[a-z]|%%|%")


def catalog_of(locale: str):
    with open(LOCALES[locale] / "django.po", "rb") as file:
        return read_po(file, locale=locale)


@pytest.fixture(scope="module")
def said() -> set[str]:
    """Every sentence that the source marks."""
    keywords = DEFAULT_KEYWORDS | {"gettext_lazy": None}
    found = extract_from_dir(ROOT / "annotate", method_map=[("**.py", "python")], keywords=keywords)
    return {message for _file, _line, message, _comments, _context in found}


def test_there_is_french_and_the_settings_offer_what_is_there(settings):
    assert "fr" in LOCALES
    assert [to_locale(tag) for tag, _name in settings.LANGUAGES] == ["en", *sorted(LOCALES)]


@pytest.mark.parametrize("locale", LOCALES)
def test_every_sentence_of_the_source_is_translated_and_none_is_left_over(locale, said):
    catalog = catalog_of(locale)
    translated = {message.id for message in catalog if message.id and message.string}
    assert len(said) > 200
    assert said - translated == set(), "run `make messages` and translate these"
    assert translated - said == set(), "run `make messages`: nothing says these any more"
    assert [message.id for message in catalog if message.id and message.fuzzy] == []


@pytest.mark.parametrize("locale", LOCALES)
def test_every_translation_has_the_placeholders_of_its_sentence(locale):
    odd = [
        (message.id, message.string)
        for message in catalog_of(locale)
        if sorted(PLACEHOLDER.findall(message.id)) != sorted(PLACEHOLDER.findall(message.string))
    ]
    assert odd == []


@pytest.mark.parametrize("locale", LOCALES)
def test_the_compiled_catalog_says_what_its_source_says(locale):
    compiled = io.BytesIO()
    write_mo(compiled, catalog_of(locale))
    compiled.seek(0)
    with open(LOCALES[locale] / "django.mo", "rb") as file:
        stored = gettext.GNUTranslations(file)
    assert stored._catalog == gettext.GNUTranslations(compiled)._catalog, "run `make messages`"


@pytest.mark.django_db
def test_a_refusal_is_in_the_language_of_the_request(alice_client, writing):
    assignment = leased(alice_client, writing(1))
    address, body = f"/api/assignments/{assignment['id']}/submit", {"submission_key": "x", "messages": []}
    in_english = alice_client.post(address, body, format="json").json()
    answer = alice_client.post(address, body, format="json", headers={"Accept-Language": "fr-CA,fr;q=0.9"})
    assert answer.status_code == 400 and answer["Content-Language"] == "fr"
    refused = answer.json()
    assert [error["code"] for error in refused["errors"]] == [error["code"] for error in in_english["errors"]]
    assert refused["errors"][0]["reason"] != in_english["errors"][0]["reason"]
    key = "5f0b5a8e-8a3b-4b1e-9d6e-6a52b8b7a0c1"
    body = {"submission_key": key, "messages": assignment["prompt"]["messages"]}
    answer = alice_client.post(address, body, format="json", headers={"Accept-Language": "fr"})
    assert answer.json()["detail"] == "messages: Rien n’a été écrit après la demande."


@pytest.mark.django_db
def test_why_there_is_nothing_is_said_in_french(alice_client, writing):
    campaign = writing(1, status="paused")
    address = f"/api/campaigns/{campaign.id}/assignments/next"
    told = alice_client.post(address, headers={"Accept-Language": "fr"}).json()
    assert (told["reason"], told["message"]) == (
        *("paused", "Cette campagne est en pause. Ce que vous avez écrit est gardé."),
    )


@pytest.mark.django_db
def test_a_program_that_names_no_language_gets_its_owners(client, carol):
    carol.language = "fr"
    carol.save()
    token = create_token(carol)[1]
    headers = {"Authorization": f"Token {token}"}
    address, body = "/api/users", {"username": "carol", "password": "three blue doors"}
    refused = client.post(address, body, content_type="application/json", headers=headers).json()
    assert refused["detail"].endswith("Choisissez-en un autre.")
    headers |= {"Accept-Language": "en"}
    refused = client.post(address, body, content_type="application/json", headers=headers).json()
    assert refused["detail"].endswith("Choose another.")


@pytest.mark.django_db(transaction=True)
def test_a_report_that_a_worker_writes_later_is_in_the_language_of_the_upload(
    carol_client, new_campaign, settings, tmp_path
):
    settings.UPLOADS_DIR = tmp_path
    campaign = new_campaign("ranking")
    file = SimpleUploadedFile("pairs.jsonl", b'{"chosen": "a", "rejected": "\\n\\nHuman: a"}\n{"chosen"\n')
    french = {"Accept-Language": "fr"}
    made = carol_client.post(
        f"/api/campaigns/{campaign.id}/imports", {"file": file}, format="multipart", headers=french
    )
    advance_imports()  # nobody's language is spoken here
    report = carol_client.get(f"/api/imports/{made.json()['id']}").json()["report"]
    assert [rejected["reason"] for rejected in report["files"][0]["rejected"]] == [
        (
            "Le côté chosen est un texte qui ne commence pas par un tour marqué « Human: », et aucun champ ne dit "
            "à quoi il répond."
        ),
        "Ce n’est pas du JSON\xa0: Expecting ':' delimiter au caractère 10.",
    ]
    formats = carol_client.get("/api/import-formats", headers=french).json()
    assert {"Questions avec une réponse chacune"} <= {form["description"] for form in formats}
