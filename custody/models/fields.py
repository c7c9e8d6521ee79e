"""PostgreSQL column types that Django does not bring along."""

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import Func

if TYPE_CHECKING:
    Field = models.Field[int, int]
else:  # Django's own class takes no type parameters at run time
    Field = models.Field


class Xid8Field(Field):
    """A 64-bit transaction id (`xid8`): never reused, so it orders what committed."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return "xid8"

    def from_db_value(self, value: object, *_: Any) -> int | None:
        # psycopg knows no loader for xid8 and hands out its text.
        return None if value is None else int(str(value))

    def get_prep_value(self, value: Any) -> str | None:
        return None if value is None else str(value)


class CurrentXid(Func):
    """The transaction that writes the row; assigned by the database alone."""

    function = "pg_current_xact_id"
    template = "%(function)s()"
    output_field = Xid8Field()
