"""Checking a file against the official schemas, which the operator provides.

Their licence forbids passing them on, so they are read from the folder named by
REGULATORY_SCHEMA_DIR and nowhere else.
"""

from functools import lru_cache
from pathlib import Path

from lxml import etree

from kernel.refusals import Refusal
from reporting import rts22

# Namespace and file name of every part of the envelope.
PARTS = {
    rts22.ENVELOPE_NAMESPACE: "head.003.001.01.xsd",
    rts22.HEADER_NAMESPACE: "head.001.001.01_ESMAUG_1.0.0.xsd",
    rts22.BODY_NAMESPACE: f"{rts22.SCHEMA_NAME}.xsd",
}
XSD = "http://www.w3.org/2001/XMLSchema"
ERRORS_KEPT_MAX = 50


class SchemaNotUsable(Refusal):
    """REGULATORY_SCHEMA_DIR lacks an official schema, or holds one that is broken."""

    code = "schema_not_usable"
    http_status = 409


def schema_errors(*, content: bytes, schema_dir: Path) -> list[str]:
    """What the official schemas object to, as "line: message"; empty when they accept.

    :raises SchemaNotUsable: a schema is missing or does not compile.
    """
    schema = _compile(schema_dir)
    document = etree.fromstring(content, _parser())
    if schema.validate(document):
        return []
    return [f"{error.line}: {error.message}" for error in schema.error_log][:ERRORS_KEPT_MAX]  # type: ignore[attr-defined]


@lru_cache(maxsize=2)
def _compile(schema_dir: Path) -> etree.XMLSchema:
    """One schema that imports the three, so that the envelope's parts are checked strictly."""
    root = etree.Element(etree.QName(XSD, "schema"), nsmap={"xs": XSD})
    for namespace, name in PARTS.items():
        path = schema_dir / name
        if not path.is_file():
            raise SchemaNotUsable(f"REGULATORY_SCHEMA_DIR has no {name}.")
        location = path.resolve().as_uri()
        etree.SubElement(
            root, etree.QName(XSD, "import"), namespace=namespace, schemaLocation=location
        )
    try:
        return etree.XMLSchema(root)
    except etree.XMLSchemaParseError as error:
        raise SchemaNotUsable(f"A schema in REGULATORY_SCHEMA_DIR is broken: {error}") from error


def _parser() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
