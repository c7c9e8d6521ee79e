"""Pictures of documents: judged by their bytes, drawn anew, kept sealed.

What a file calls itself is not asked. Its first bytes have to be a JPEG, PNG or
WebP, pillow has to be able to decode every pixel, and only what pillow writes
anew is kept: scripts, second files and places hidden in metadata do not survive.
"""

import hashlib
import io
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import puremagic
from django.conf import settings
from PIL import Image, ImageOps, UnidentifiedImageError

from accounts.encryption import open_sealed, seal
from kernel.refusals import Refusal

UPLOAD_BYTES_MAX = 8 * 1024 * 1024
PIXELS_MAX = 40_000_000
SIDE_PIXELS_MIN = 200  # nobody can read less
JPEG_QUALITY = 90
FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}
# The magic numbers of every picture we take lie in here.
MAGIC_BYTES = 64


class DocumentTooLarge(Refusal):
    """The file is larger than 8 MB."""

    code = "document_too_large"


class DocumentNotAPicture(Refusal):
    """Upload a photo or scan as JPEG, PNG or WebP. This file is something else."""

    code = "document_not_a_picture"


class DocumentUnreadable(Refusal):
    """The picture is damaged or too small to read. Take it again."""

    code = "document_unreadable"


@dataclass(frozen=True, kw_only=True)
class CleanPicture:
    content: bytes  # a JPEG that pillow wrote
    sha256: str
    content_type: str = "image/jpeg"


def clean(content: bytes) -> CleanPicture:
    """The picture in `content`, drawn anew as a JPEG without metadata.

    :raises DocumentTooLarge, DocumentNotAPicture, DocumentUnreadable: as they say.
    """
    if len(content) > UPLOAD_BYTES_MAX:
        raise DocumentTooLarge
    wanted = FORMATS.get(_sniff(content))
    if wanted is None:
        raise DocumentNotAPicture
    drawn = _redraw(content, wanted)
    return CleanPicture(content=drawn, sha256=hashlib.sha256(drawn).hexdigest())


def store(document_id: UUID, picture: CleanPicture) -> None:
    """Seal the picture and write it, readable by this service alone."""
    path = path_of(document_id)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    sealed = seal(picture.content, place=_place(document_id))
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(sealed)
        file.flush()
        os.fsync(file.fileno())


def load(document_id: UUID) -> bytes:
    """The JPEG. :raises CannotOpen: the file was changed or belongs to another row."""
    return open_sealed(path_of(document_id).read_bytes(), place=_place(document_id))


def remove(document_id: UUID) -> None:
    path_of(document_id).unlink(missing_ok=True)


def path_of(document_id: UUID) -> Path:
    directory: Path = settings.VAR_DIR / "documents"
    return directory / f"{document_id}.sealed"


def _sniff(content: bytes) -> str:
    try:
        guess = puremagic.from_string(content[:MAGIC_BYTES], mime=True)
    except (puremagic.PureError, ValueError):
        return ""
    return str(guess)


def _redraw(content: bytes, wanted: str) -> bytes:
    try:
        with warnings.catch_warnings():
            # A picture that unpacks to far more pixels than it should is an attack.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=[wanted]) as picture:
                _require_size(picture)
                upright = ImageOps.exif_transpose(picture).convert("RGB")
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError) as error:
        raise DocumentUnreadable from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DocumentTooLarge from error
    out = io.BytesIO()
    upright.save(out, "JPEG", quality=JPEG_QUALITY)
    return out.getvalue()


def _require_size(picture: Image.Image) -> None:
    width, height = picture.size
    if width * height > PIXELS_MAX:
        raise DocumentTooLarge("The picture has too many pixels.")
    if min(width, height) < SIDE_PIXELS_MIN:
        raise DocumentUnreadable


def _place(document_id: UUID) -> str:
    return f"kyc_document:{document_id}"
