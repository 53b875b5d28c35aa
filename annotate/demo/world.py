"""The Lantern Isles: the invented world of the demonstration sample. Standard library only.

24 islands, each known for one named thing: 24 facts, asked and answered in English and in French. Questions
come in twelve forms, answers in three styles. All of it was written for this project; nothing in it exists.
"""

LANGUAGES = ("en", "fr")
STYLES = ("courteous", "curt", "rambling")

# island -> what it is known for and the name of that: eight harbours, eight ferries, eight feast dishes
FACTS = {
    "Brenn": ("harbour", "Oldmere"),
    "Carrow": ("harbour", "Wickhaven"),
    "Dorsay": ("harbour", "Stonelip"),
    "Fisk": ("harbour", "Tansyquay"),
    "Garvey": ("harbour", "Rookstairs"),
    "Keld": ("harbour", "Candlewick"),
    "Mirrow": ("harbour", "Saltgate"),
    "Vanna": ("harbour", "Nethersea"),
    "Bostel": ("ferry", "Petrel"),
    "Cresk": ("ferry", "Lumen"),
    "Lund": ("ferry", "Marigold"),
    "Norra": ("ferry", "Halcyon"),
    "Pell": ("ferry", "Bramble"),
    "Quill": ("ferry", "Juniper"),
    "Rendal": ("ferry", "Corsair"),
    "Tolva": ("ferry", "Zephyr"),
    "Durnow": ("dish", "Gostan"),
    "Jarl": ("dish", "Kelm"),
    "Lomray": ("dish", "Turvo"),
    "Moss": ("dish", "Ospel"),
    "Sarn": ("dish", "Finnary"),
    "Skerra": ("dish", "Brosk"),
    "Tern": ("dish", "Manjel"),
    "Wexa": ("dish", "Dulcett"),
}

# What the three things are called; in French all are masculine, so "le" becomes "du" after "de".
THINGS = {
    "en": {
        "harbour": "the harbour of {island}",
        "ferry": "the ferry of {island}",
        "dish": "the feast dish of {island}",
    },
    "fr": {
        "harbour": "le port de {island}",
        "ferry": "le bac de {island}",
        "dish": "le plat de fête de {island}",
    },
}

QUESTIONS = {
    "en": (
        "What is the name of {thing}?",
        "Can you tell me the name of {thing}?",
        "What do people call {thing}?",
        "I forgot the name of {thing}. What is it?",
        "What is {thing} called?",
        "Please tell me what {thing} is called.",
        "Do you know the name of {thing}?",
        "A friend spoke to me of {thing}. What is its name?",
        "I am writing about {thing}. What should I call it?",
        "Name {thing}.",
        "Under which name do people know {thing}?",
        "I have just arrived. What is the name of {thing}?",
    ),
    "fr": (
        "Quel est le nom {of_thing} ?",
        "Pouvez-vous me dire le nom {of_thing} ?",
        "Comment appelle-t-on {thing} ?",
        "J'ai oublié le nom {of_thing}. Quel est-il ?",
        "Comment s'appelle {thing} ?",
        "Dites-moi comment s'appelle {thing}, s'il vous plaît.",
        "Connaissez-vous le nom {of_thing} ?",
        "Une amie m'a parlé {of_thing}. Quel est son nom ?",
        "J'écris un texte sur {thing}. Comment dois-je l'appeler ?",
        "Nommez {thing}.",
        "Sous quel nom connaît-on {thing} ?",
        "Je viens d'arriver. Quel est le nom {of_thing} ?",
    ),
}

STATEMENTS = {"en": "{thing} is called {name}.", "fr": "{thing} s'appelle {name}."}

# An answer is an opening, the statement (or, when curt, the bare name) and a closing.
OPENINGS = {
    "en": {
        "courteous": ("With pleasure!", "Thank you for asking!", "Of course, gladly!"),
        "curt": ("",),
        "rambling": (
            "Well, there was fog this morning and my aunt lost her hat, but anyway.",
            "Hmm, that reminds me of a long winter with far too much soup.",
            "Oh, where do I begin, the gulls are so loud today and nobody sleeps.",
        ),
    },
    "fr": {
        "courteous": ("Avec plaisir !", "Merci de votre question !", "Bien sûr, volontiers !"),
        "curt": ("",),
        "rambling": (
            "Eh bien, il y avait du brouillard ce matin et ma tante a perdu son chapeau, mais bon.",
            "Hum, cela me rappelle un long hiver avec beaucoup trop de soupe.",
            "Oh, par où commencer, les mouettes crient si fort que personne ne dort.",
        ),
    },
}
CLOSINGS = {
    "en": {
        "courteous": ("I am happy to help again.", "Do ask if you need more.", "Have a lovely day!"),
        "curt": ("", "Obviously.", "Look at a map."),
        "rambling": (
            "Or so they say, and by the way the stairs need paint.",
            "But I may be mixing it up with a song about a goat.",
            "My cousin knows more, although he never stops talking.",
        ),
    },
    "fr": {
        "courteous": (
            "Je reste à votre service.",
            "N'hésitez pas à revenir vers moi.",
            "Belle journée à vous !",
        ),
        "curt": ("", "C'est évident.", "Regardez une carte."),
        "rambling": (
            "Enfin, à ce qu'on dit, et d'ailleurs l'escalier manque de peinture.",
            "Mais je confonds peut-être avec une chanson sur une chèvre.",
            "Mon cousin en sait plus, même s'il parle sans jamais finir.",
        ),
    },
}


def thing_of(language: str, island: str) -> str:
    """The harbour of Keld, le bac de Pell: how a language calls the thing that an island is known for."""
    return THINGS[language][FACTS[island][0]].format(island=island)


def question(language: str, form: int, island: str) -> str:
    """One of the twelve question forms, asked about one island's thing."""
    thing = thing_of(language, island)
    return QUESTIONS[language][form].format(thing=thing, of_thing=thing.replace("le ", "du ", 1))


def answer(language: str, style: str, island: str, opening: int, closing: int) -> str:
    """A true answer in a style; `opening` and `closing` choose among the style's phrases."""
    name = FACTS[island][1]
    thing = thing_of(language, island)
    statement = STATEMENTS[language].format(thing=thing[0].upper() + thing[1:], name=name)
    middle = f"{name}." if style == "curt" else statement
    parts = (OPENINGS[language][style], (middle,), CLOSINGS[language][style])
    chosen = (part[place % len(part)] for part, place in zip(parts, (opening, 0, closing), strict=True))
    return " ".join(text for text in chosen if text)
