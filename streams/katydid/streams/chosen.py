"""Which models identify: those that were asked for, else all that fit; the same for every host."""

from __future__ import annotations

from collections.abc import Sequence

from katydid.models.bundle import Bundle
from katydid.models.errors import BundleError
from katydid.models.library import Library
from katydid.models.manifest import BundleKind
from katydid.models.model import Model, open_model
from katydid.sensors.capture import Kind


def chosen_bundles(library: Library, names: Sequence[str]) -> list[Bundle]:
    """`fitting_bundles`, at least one. Raises BundleError that says what to do where there is none."""
    bundles = fitting_bundles(library, names)
    if not bundles and names:
        raise BundleError(
            f"{', '.join(names)} only weighs what another model named, and is used wherever there "
            "is a place: name a classifier with --models, or leave it out"
        )
    if not bundles:
        raise BundleError(
            "there is no model to identify with: `katydid models add birdnet` for birds, or see "
            "`katydid models add --help`"
        )
    return bundles


def fitting_bundles(library: Library, names: Sequence[str]) -> list[Bundle]:
    """The bundles that identify: those asked for, else all that fit. Priors only weigh what others named.

    Raises BundleError where there is none of a name."""
    bundles = (
        [library.open(name) for name in names]
        if names
        else [bundle for kind in Kind for bundle in library.fitting(kind)]
    )
    return [bundle for bundle in bundles if bundle.manifest.kind is not BundleKind.PRIOR]


def open_models(bundles: Sequence[Bundle], *, slots: int) -> list[Model]:
    """The bundles, ready for `slots` calls at a time."""
    return [open_model(bundle, slots=slots) for bundle in bundles]


def looked_at(models: Sequence[Model]) -> frozenset[Kind]:
    """The kinds of media that some of the models can name something in."""
    kinds = {model.bundle.manifest.kind for model in models}
    found = {Kind.CLIP} if BundleKind.SOUND_CLASSIFIER in kinds else set()
    of_frames = {BundleKind.IMAGE_CLASSIFIER, BundleKind.DETECTOR}
    return frozenset(found | ({Kind.FRAME} if kinds & of_frames else set()))
