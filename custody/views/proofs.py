"""The proof that an entry of one's own is sealed: as a page in words, and as a file."""

import json

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.queries import require_investor_for
from custody.as_of import get_seal
from custody.heads import read_public_keys
from custody.proofs import NotSealedYet, get_own_entry, list_own_postings, prove_entry
from custody.sealing import seal_hash


@require_safe
def proof(request: HttpRequest, entry_id: int) -> HttpResponse:
    """What is proven of an entry, in words.

    :raises NotFound: no such entry, or none of this investor's.
    """
    investor = require_investor_for(request.user)
    entry = get_own_entry(entry_id=entry_id, investor_id=investor.pk)
    context = {
        "entry": entry,
        "postings": list_own_postings(entry_id=entry.pk, investor_id=investor.pk),
        "has_keys": read_public_keys() is not None,
    }
    try:
        found = prove_entry(entry_id=entry.pk, investor_id=investor.pk)
    except NotSealedYet as refusal:
        return render(request, "custody/proof.html", context, status=refusal.http_status)
    seal = get_seal(found["seal"]["n"])
    context |= {
        "proof": found,
        "leaf": found["leaf_index"] + 1,
        "seal": seal,
        "head_hash": seal_hash(seal).hex(),
        "before": seal.n - 1,
    }
    return render(request, "custody/proof.html", context)


@require_safe
def proof_file(request: HttpRequest, entry_id: int) -> HttpResponse:
    """The proof itself, as `python -m custody.inclusion` reads it.

    :raises NotFound: no such entry, or none of this investor's.
    :raises NotSealedYet: it is younger than the last seal.
    """
    investor = require_investor_for(request.user)
    found = prove_entry(entry_id=entry_id, investor_id=investor.pk)
    response = HttpResponse(json.dumps(found, indent=1) + "\n", content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="bourse-entry-{entry_id}-proof.json"'
    return response
