"""How something is learnt: policies/recipes/<name>.yaml as a typed, content-addressed value, a section a trainer."""

from __future__ import annotations

from functools import cache, cached_property
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, create_model

from augment_ops.content import digest_of
from augment_ops.errors import PolicyError
from augment_ops.policy.yaml_file import load_model
from augment_ops.training import NAMES, trainer
from augment_ops.training.base import Trainer

DEFAULT = "default"
_ITS_OWN = "What the trainers do by themselves: small networks from scratch by AdamW, trees as scikit-learn grows them."


class Recipe(BaseModel):
    """policies/recipes/<name>.yaml; beside these fields one for each trainer that it has settings for.

    Attributes:
        description: what it is for, as forms show it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    description: Annotated[str, Field(min_length=1)]

    @classmethod
    def load(cls, path: str | Path, own: Trainer | None = None) -> Recipe:
        """Read a recipe.

        A folder of policies from before there were recipes has no `default`, which is what was done then.

        Args:
            own: the trainer that it is for, where it is the user's: its section stands under its name. `default` need
                not have one.

        Raises:
            PolicyError: with every fault of the file; the file's name must be the recipe's name.
        """
        path = Path(path)
        default = path.stem == DEFAULT
        form = _form(*(() if own is None or own.name in NAMES else (own.name, own.settings, default)))
        if default and not path.exists():
            return _of_the_trainers(form)
        recipe: Recipe = load_model(path, form, kind="recipe")
        if recipe.name != path.stem:
            raise PolicyError(f"{path}: name", recipe.name, f"{path.stem}, the file's own name", "correct `name`")
        return recipe

    def settings(self, of: str) -> BaseModel:
        """The section of a trainer.

        Raises:
            PolicyError: it has none: what it says would be read by nobody.
        """
        section: BaseModel | None = getattr(self, of, None)
        if section is None:
            found = ", ".join(name for name in NAMES if getattr(self, name, None) is not None) or "no section at all"
            fix = f"write a section `{of}:` into it (`{of}: {{}}` takes that trainer's own settings), or choose another"
            raise PolicyError(f"recipe {self.name}", found, f"a section for the trainer {of}", fix)
        return section

    def is_balanced(self, of: str) -> bool:
        """Whether a trainer is to be given every class equally often.

        Raises:
            PolicyError: see `settings`.
        """
        return getattr(self.settings(of), "sampling", "uniform") == "balanced"

    @property
    def title(self) -> str:
        """Name and version, for people."""
        return f"{self.name} {self.version}"

    @cached_property
    def digest(self) -> str:
        """sha256 over the content: comments and layout do not change it, anything else does."""
        # Only what is written: a file from before a setting was added keeps its digest.
        return digest_of(self.model_dump(mode="json", exclude_unset=True))


def processes_of(settings: BaseModel) -> int:
    """How many processes share each batch of a training, by a trainer's section: one where it knows of no more."""
    return int(getattr(settings, "processes", 1))


def _of_the_trainers(form: type[Recipe]) -> Recipe:
    """The recipe that writes out the defaults of every trainer."""
    sections = {name: trainer(name).settings().model_dump() for name in NAMES}
    return form.model_validate({"name": DEFAULT, "version": "1.0.0", "description": _ITS_OWN, **sections})


@cache
def _form(own: str = "", section: type[BaseModel] | None = None, default: bool = False) -> type[Recipe]:
    sections: dict[str, tuple[object, object]] = {name: (trainer(name).settings | None, None) for name in NAMES}
    if section is not None:
        sections[own] = (section | None, section() if default else None)
    return create_model("RecipeOfTrainers", __base__=Recipe, **sections)  # type: ignore[call-overload, no-any-return]
