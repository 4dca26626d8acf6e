"""`augment-ops lexicon …`: what a dictionary or a model said once, as a file that policies of texts draw from."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from augment_ops.cli.policy_acts import AsJson, TextColumns
from augment_ops.cli.terminal import progress, result, tell_facts
from augment_ops.errors import InputError
from augment_ops.settings import Settings

if TYPE_CHECKING:
    from augment_ops.modalities.lexicons import MadeLexicon

Output = Annotated[str, typer.Option(help="name of the lexicon, in kebab-case: policies/lexicons/<name>.jsonl")]
Force = Annotated[
    bool, typer.Option("--force", help="replace one of that name; policies go on asking for the one that they name")
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    commands = typer.Typer(help="Lexicons of texts: synonyms and paraphrases as files.", no_args_is_help=True)
    commands.command("synonyms")(synonyms)
    commands.command("paraphrases")(paraphrases)
    app.add_typer(commands, name="lexicon")


def synonyms(
    wordnet: Annotated[
        Path, typer.Option(help="a WN-LMF file, or the folder of Princeton's files; nothing is fetched")
    ],
    output: Output,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Make a lexicon of synonyms of a WordNet that lies on this machine, for the step SynonymAug.

    Example: augment-ops lexicon synonyms --wordnet english-wordnet-2024.xml.gz --output english-synonyms
    """
    from augment_ops.modalities import text_lexicons

    _show(text_lexicons().synonyms(wordnet, _target(output, force=force)), as_json=as_json)


def paraphrases(
    input_: Annotated[
        str, typer.Option("--input", help="a table of texts with their classes; of train alone is asked")
    ],
    endpoint: Annotated[str, typer.Option(help="an OpenAI-compatible service, such as http://127.0.0.1:8000/v1")],
    model: Annotated[str, typer.Option(help="as the service calls it")],
    output: Output,
    text_columns: TextColumns = "",
    copies: Annotated[int, typer.Option(min=1, max=20, help="paraphrases of a text at most")] = 3,
    via: Annotated[str, typer.Option(help="language to translate to and back from, such as German, instead")] = "",
    language: Annotated[str, typer.Option(help="of the texts")] = "English",
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Ask a model for paraphrases of your texts, drop those that may say something else, and keep the others.

    For the step Paraphrase. Your texts are sent to the service, and OPENAI_API_KEY where it is set. Answers are kept in
    the state folder, so that who is stopped goes on from there.

    Example: augment-ops lexicon paraphrases --input in.csv --endpoint http://127.0.0.1:8000/v1 --model m --output said
    """
    from augment_ops.modalities import asked_of, text_lexicons
    from augment_ops.modalities.lexicons import ParaphraseRequest

    target = _target(output, force=force)
    request = ParaphraseRequest(
        input=input_,
        asked=asked_of("text", {"text_columns": text_columns}),
        endpoint=endpoint,
        model=model,
        copies=copies,
        via=via,
        language=language,
        key=os.environ.get("OPENAI_API_KEY", ""),
        answers=Settings.from_environment().home / "cache" / "answers",
    )
    with progress("asking", "texts", at_once=True) as advance:
        made = text_lexicons().paraphrases(request, target, advance)
    _show(made, as_json=as_json)


def _target(name: str, *, force: bool) -> Path:
    from augment_ops.modalities import text_lexicons

    path = text_lexicons().path(Settings.from_environment().policies, name)
    if path.exists() and not force:
        fix = "choose another --output; --force replaces it"
        raise InputError("--output", f"a lexicon at {path}", "a name that is free", fix)
    return path


def _show(made: MadeLexicon, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(asdict(made)))
        return
    dropped = ", ".join(f"{count:,} {reason}" for reason, count in sorted(made.dropped.items()))
    facts = {"lexicon": made.path, "entries": f"{made.entries:,}", "dropped": dropped, "step of a policy": made.step}
    tell_facts(result(), facts)
